"""Seeded programs to try the share detector on: who answers when, how content, and what the detector makes of it.

Used by the tests, short, and by `benchmarks/detectors.py`, long. Every run is a function of its seed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from random import Random

from streams.calendar import WEEK_MS, calendar_of
from streams.clock import DAY_MS
from streams.detectors.share import Event, Fell, ShareParams, start, submit
from tests.streams.detectors.simulation import START_MS

#: Draws one answer: its value, given the mean.
Law = Callable[[Random, float], float]


def positive(random: Random, mean: float) -> float:
    """An answer that is positive or not."""
    return float(random.random() < mean)


def stars(random: Random, mean: float) -> float:
    """A rating of 1 to 5, scaled: four independent steps."""
    return sum(random.random() < mean for _ in range(4)) / 4


@dataclass(frozen=True)
class AnsweringProgram:
    """A program that answers: `weekly` answers, each with the mean of its rater.

    Attributes:
        mean: of all raters; a rater's own mean differs from it (Beta law worth `alike` answers).
        raters: how many, drawn at random for each answer; None = nobody answers twice.
        wave_weeks: answers come in the week after each multiple of so many weeks only; None = all the time.
        moody: a day's answers share a Beta-distributed mean worth so many answers; None = they are independent.
        drop_week, left: from this week on the mean is `left` times what it was.
    """

    weekly: float
    mean: float = 0.85
    law: Law = positive
    raters: int | None = None
    alike: float = 4.0
    wave_weeks: int | None = None
    moody: float | None = None
    weeks: float = 52.18
    drop_week: float = inf
    left: float = 1.0


def falls_of(program: AnsweringProgram, random: Random, params: ShareParams) -> list[float]:
    """Run a program; returns the weeks of its alarms."""
    calendar, weeks = calendar_of(), list[float]()
    stream = start(START_MS, calendar, params)
    means = [_beta(random, program.mean, program.alike) for _ in range(program.raters or 0)]
    day_of_mood, mood, at = -1, program.mean, 0.0
    while True:
        at += random.expovariate(program.weekly)
        if at >= program.weeks:
            return weeks
        week = at
        if program.wave_weeks is not None:
            # The answers of a whole wave come within its first week.
            wave, within = divmod(at, program.wave_weeks)
            week = wave * program.wave_weeks + within / program.wave_weeks
        mean = random.choice(means) if means else program.mean
        instant = START_MS + int(week * WEEK_MS)
        if program.moody is not None:
            if instant // DAY_MS != day_of_mood:
                day_of_mood, mood = instant // DAY_MS, _beta(random, program.mean, program.moody)
            mean = mood
        if week >= program.drop_week:
            mean *= program.left
        events: list[Event] = submit(stream, program.law(random, mean), instant, instant, calendar, params)
        weeks += [(event.at_ms - START_MS) / WEEK_MS for event in events if isinstance(event, Fell)]


def stresses() -> dict[str, AnsweringProgram]:
    """What a share detector must bear, at 10 answers a week."""
    return {
        "plain": AnsweringProgram(10),
        "ratings": AnsweringProgram(10, mean=0.8, law=stars),
        "2 a week": AnsweringProgram(2),
        "30 a week": AnsweringProgram(30),
        "60 % positive": AnsweringProgram(10, mean=0.6),
        "97 % positive": AnsweringProgram(10, mean=0.97),
        "40 raters, each with a mean of their own": AnsweringProgram(10, raters=40),
        "waves every 8 weeks": AnsweringProgram(10, wave_weeks=8),
        "days share a mood": AnsweringProgram(10, moody=8.0),
    }


def _beta(random: Random, mean: float, worth: float) -> float:
    return random.betavariate(mean * worth, (1.0 - mean) * worth)
