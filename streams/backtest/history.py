"""What a history of facts says about habits: how often pairs give feedback, answer surveys and meet.

Everything is counted in weeks in which it could have happened: while a pair is active, inside its program's run,
outside its breaks. People's own pauses are not taken out, so rates come out a little low where many pause.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import schemas.facts as f
from schemas.base import to_ms
from streams.calendar import FOREVER, WEEK_MS, Calendar, Interval, calendar_of, running_ms, union
from streams.clock import DAY_MS

#: Two meetings closer than this are one.
_MERGE_MS = DAY_MS // 2


class Unit(NamedTuple):
    """A pair, or a person who was sent surveys: what a habit is estimated from.

    Attributes:
        program: its program.
        weeks: in which feedback could have come (of a pair; 0 of a person).
        submissions: one per person and local day.
        sent, answered: surveys old enough to be judged, and those of them answered in time (of a person).
        gaps: between held meetings, in such weeks (of a pair).
    """

    program: str
    weeks: float = 0.0
    submissions: int = 0
    sent: int = 0
    answered: int = 0
    gaps: tuple[float, ...] = ()


class _Pair:
    __slots__ = ("held", "intervals", "people", "said")

    def __init__(self) -> None:
        self.intervals: list[list[int]] = []  # [from, to) in ms; an open one ends at FOREVER
        self.people: set[str] = set()
        self.said: set[tuple[str, int, int]] = set()  # person, local day, an instant on it
        self.held: dict[str, int] = {}


class _Program:
    __slots__ = ("calendar", "pairs", "pairs_of", "stops", "surveys")

    def __init__(self) -> None:
        self.calendar: Calendar = calendar_of("UTC", (), None)
        self.stops: tuple[Interval, ...] = ()
        self.pairs: dict[str, _Pair] = {}
        self.pairs_of: dict[str, set[str]] = {}
        self.surveys: dict[str, dict[str, list[int]]] = {}  # person → survey → [sent, answered or 0]


class History:
    """Takes facts in the order of their arrival, and tells of the habits in them.

    Args:
        answer_days: age in days at which a survey is judged.
    """

    def __init__(self, answer_days: int = 7) -> None:
        self._answer_ms = answer_days * DAY_MS
        self._programs: dict[str, _Program] = {}
        self._first_ms = FOREVER
        self._now_ms = 0
        self.facts = 0

    @property
    def span(self) -> tuple[int, int]:
        """From the first arrival to the last (ms UTC)."""
        return self._first_ms, self._now_ms

    def take(self, fact: Any, arrived_ms: int) -> None:
        """Take in one fact; what says nothing of habits is passed over."""
        self.facts += 1
        at_ms = min(to_ms(fact.occurred_at), arrived_ms)
        self._now_ms, self._first_ms = max(self._now_ms, arrived_ms), min(self._first_ms, arrived_ms)
        program_id = getattr(fact, "program_id", None)
        if program_id is None:
            return
        program = self._programs.setdefault(program_id, _Program())
        if isinstance(fact, f.ProgramChanged):
            _learn(program, fact)
        elif isinstance(fact, f.PairChanged):
            _follow(program, fact, at_ms)
        elif isinstance(fact, f.RatingSubmitted | f.SentimentSubmitted):
            self._submit(program, fact, at_ms)
        elif isinstance(fact, f.SurveySent):
            program.surveys.setdefault(fact.participant_id, {}).setdefault(fact.survey_id, [at_ms, 0])
        elif isinstance(fact, f.MeetingHeld):
            pair = program.pairs.setdefault(fact.pair_id, _Pair())
            pair.held[fact.meeting_id] = min(to_ms(fact.starts_at), at_ms)

    def _submit(self, program: _Program, fact: f.RatingSubmitted | f.SentimentSubmitted, at_ms: int) -> None:
        person = fact.participant_id
        asked = program.surveys.get(person, {})
        waiting = asked.get(fact.survey_id) if fact.survey_id is not None else None
        if fact.survey_id is None:
            waiting = next((each for each in reversed(asked.values()) if not each[1]), None)
        if waiting is not None and not waiting[1]:
            waiting[1] = at_ms
        known = program.pairs_of.get(person, set())
        pair_id = fact.pair_id or (next(iter(known)) if len(known) == 1 else None)
        if pair_id is not None:
            pair = program.pairs.setdefault(pair_id, _Pair())
            day = program.calendar.day_of(at_ms)
            if not any(who == person and on == day for who, on, _ in pair.said):
                pair.said.add((person, day, at_ms))

    def units(self) -> list[Unit]:
        """Pairs and people with what they did, by program and id."""
        return [unit for name in sorted(self._programs) for unit in self._units(name, self._programs[name])]

    def _units(self, name: str, program: _Program) -> Iterator[Unit]:
        for _, pair in sorted(program.pairs.items()):
            outside = union(program.stops, _complement(pair.intervals))
            weeks = running_ms(self._first_ms, self._now_ms, outside) / WEEK_MS
            said = sum(not _lies_in(at_ms, outside) for _, _, at_ms in pair.said)
            held = sorted(at_ms for at_ms in pair.held.values() if not _lies_in(at_ms, outside))
            gaps = (running_ms(first, second, outside) for first, second in pairwise(held))
            if weeks > 0:
                yield Unit(name, weeks, said, gaps=tuple(gap / WEEK_MS for gap in gaps if gap >= _MERGE_MS))
        for _, asked in sorted(program.surveys.items()):
            judged = [each for each in asked.values() if each[0] + self._answer_ms <= self._now_ms]
            in_time = sum(bool(answered) and answered - sent < self._answer_ms for sent, answered in judged)
            if judged:
                yield Unit(name, sent=len(judged), answered=in_time)


def _learn(program: _Program, fact: f.ProgramChanged) -> None:
    breaks = tuple((each.first.isoformat(), each.last.isoformat()) for each in fact.breaks)
    ends_ms = None if fact.ends_at is None else to_ms(fact.ends_at)
    program.calendar = calendar_of(fact.timezone, breaks, ends_ms)
    outside = [] if fact.starts_at is None else [(-FOREVER, to_ms(fact.starts_at))]
    if ends_ms is not None:
        outside.append((ends_ms, FOREVER))
    program.stops = union(program.calendar.breaks, outside)


def _follow(program: _Program, fact: f.PairChanged, at_ms: int) -> None:
    pair = program.pairs.setdefault(fact.pair_id, _Pair())
    pair.people = {*fact.mentor_ids, *fact.mentee_ids}
    is_open = bool(pair.intervals) and pair.intervals[-1][1] == FOREVER
    if fact.state == "active":
        if not is_open:
            pair.intervals.append([at_ms if pair.intervals else to_ms(fact.matched_at), FOREVER])
        for person in pair.people:
            program.pairs_of.setdefault(person, set()).add(fact.pair_id)
        return
    if is_open:
        pair.intervals[-1][1] = at_ms if fact.closed_at is None else max(to_ms(fact.closed_at), pair.intervals[-1][0])
    for person in pair.people:
        program.pairs_of.get(person, set()).discard(fact.pair_id)


def _complement(intervals: list[list[int]]) -> list[Interval]:
    """When a pair was not active."""
    edges = [-FOREVER, *(edge for interval in intervals for edge in interval), FOREVER]
    return [(first, second) for first, second in zip(edges[::2], edges[1::2], strict=True) if second > first]


def _lies_in(at_ms: int, intervals: tuple[Interval, ...]) -> bool:
    return any(start <= at_ms < end for start, end in intervals)
