"""Surveys of the second mechanics: four times a year to everybody, and now and then after a meeting."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, tanh
from random import Random
from typing import Final, Protocol

from examples.platform.plans import Program
from examples.platform.records import DAY_MS, HOUR_MS, Kind, Polarity, Records

_EVERY_DAYS: Final = 91
_DUE_DAYS: Final = 10


class Answerer(Protocol):
    """What matters of a person here."""

    name: str
    interest: float
    habit: float
    bias: float
    gone: bool


class Surveys:
    """The surveys of one pair."""

    def __init__(self, records: Records, program: Program, pair_id: str, random: Random) -> None:
        self._records, self._program, self._pair_id, self._random = records, program, pair_id, random
        self._number = 0

    def day(self, at_ms: int, people: Sequence[Answerer], chemistry: float) -> None:
        """Ask everybody on four days of the year."""
        if (at_ms - self._records.begin_ms) // DAY_MS % _EVERY_DAYS == 40:
            for person in people:
                self._ask("mqs", at_ms, person, chemistry)

    def pulse(self, at_ms: int, people: Sequence[Answerer], chemistry: float) -> None:
        """Ask both after a meeting."""
        for person in people:
            self._ask("post_meeting", at_ms + 20 * HOUR_MS, person, chemistry)

    def _ask(self, kind: Kind, at_ms: int, person: Answerer, chemistry: float) -> None:
        random, program_id = self._random, self._program.program_id
        self._number += 1
        survey_id = f"{self._pair_id}-{self._number}"
        due = at_ms + _DUE_DAYS * DAY_MS
        self._records.survey(program_id, "sent", survey_id, kind, self._pair_id, person.name, at_ms, due)
        ready = 0.0 if person.gone else 1.25 * person.habit / (1.0 + exp(-1.5 * (person.interest + 1.0)))
        if self._program.is_in_trouble(at_ms, "slump"):
            ready *= 0.35
        if random.random() >= ready:
            self._records.survey(program_id, "expired", survey_id, kind, self._pair_id, person.name, due, due)
            return
        when = at_ms + int(min(9.0, random.lognormvariate(0.0, 1.0)) * DAY_MS)
        felt = 3.9 + person.bias + 0.6 * tanh(chemistry) + 0.4 * max(-2.0, min(person.interest, 1.0))
        if self._program.is_in_trouble(at_ms, "cooling"):
            felt -= 0.9
        rating = max(1, min(5, round(felt + random.gauss(0.0, 0.6))))
        self._records.rating(program_id, kind, rating, self._pair_id, person.name, when, survey_id)
        if random.random() < 0.3:
            polarity: Polarity = "negative" if rating <= 2 else "neutral" if rating == 3 else "positive"
            self._records.sentiment(program_id, polarity, self._pair_id, person.name, when + 1_500, survey_id)
