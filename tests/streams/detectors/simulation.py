"""Seeded programs to try the rate detector on: who is active, who answers when, and what the detector makes of it.

Used by the tests, short, and by `benchmarks/detectors.py`, long. Every run is a function of its seed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import exp, factorial
from random import Random
from statistics import mean, stdev

import numpy as np

from streams.calendar import WEEK_MS, Calendar, calendar_of
from streams.clock import DAY_MS
from streams.detectors.rate import (
    Alarm,
    Event,
    RateParams,
    RateStream,
    advance,
    set_pairs,
    start,
    submit,
    survey_answered,
    survey_sent,
)
from streams.detectors.rate.baseline import lower_cusum
from streams.zones import day_date

#: Monday 2024-01-01, 00:00 UTC.
START_MS = 1_704_067_200_000
#: A dispersion that is known to be 1: the stream never looks at a week.
NEVER = 1 << 40
_SMALLEST_CV = 0.001


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error."""

    mean: float
    error: float
    count: int

    def __str__(self) -> str:
        return f"{self.mean:.4g} ± {self.error:.2g} (n = {self.count})"


def estimate(values: list[float]) -> Estimate:
    """Summarise independent runs."""
    return Estimate(mean(values), stdev(values) / len(values) ** 0.5, len(values))


def known(weekly: float, pairs: int, far_per_year: float = 0.5, **others: object) -> RateParams:
    """Give parameters under which the baseline is known beforehand: a prior without doubt."""
    params = RateParams(far_per_year=far_per_year, prior_rate=weekly / pairs, prior_cv=_SMALLEST_CV, lateness_ms=0)
    return replace(params, **others)  # type: ignore[arg-type]


def start_known(at_ms: int, pairs: int, calendar: Calendar, params: RateParams) -> RateStream:
    """Begin a stream that knows its baseline and that events are Poisson."""
    stream = start(at_ms, pairs, calendar, params)
    stream.weeks_seen = NEVER
    return stream


def poisson(random: Random, expected: float) -> int:
    """Draw a Poisson number."""
    total, reached = 0, random.expovariate(1.0)
    while reached < expected:
        total += 1
        reached += random.expovariate(1.0)
    return total


def arrivals(random: Random, weekly: Callable[[float], float], highest: float, weeks: float) -> Iterator[float]:
    """Draw instants, in weeks, of a Poisson process whose rate changes with time (thinning)."""
    at = random.expovariate(highest)
    while at < weeks:
        if random.random() * highest < weekly(at):
            yield at
        at += random.expovariate(highest)


def lucas_run_length(head_start: float) -> float:
    """Mean run length of the lower Poisson count CUSUM of Lucas (1985), k = 0.25, h = 10, mean 0.25, by its exact
    Markov chain."""
    reference, limit, expected = 0.25, 10.0, 0.25
    states = [reference * i for i in range(round(limit / reference))]
    moves = np.zeros((len(states), len(states)))
    for i, value in enumerate(states):
        for count in range(40):
            reached = lower_cusum(value, reference, float(count))
            if reached < limit:
                moves[i, round(reached / reference)] += exp(-expected) * expected**count / factorial(count)
    run_lengths = np.linalg.solve(np.eye(len(states)) - moves, np.ones(len(states)))
    return float(run_lengths[round(head_start / reference)])


def delay_days(random: Random, weekly: float, left: float, pairs: int = 20) -> float | None:
    """Run a known baseline for half a year, then let the rate fall to `left` of it; None when an alarm came before."""
    calendar = calendar_of()
    params = known(weekly, pairs)
    begin = START_MS + random.randrange(WEEK_MS)
    stream = start_known(begin, pairs, calendar, params)
    drop = 30.0
    for at in arrivals(random, lambda week: weekly * (1.0 if week < drop else left), weekly, 230.0):
        now = begin + int(at * WEEK_MS)
        events = submit(stream, now, now, calendar, params)
        if events:
            break
    else:
        events = advance(stream, begin + 300 * WEEK_MS, calendar, params)
    days = (events[0].at_ms - begin) / DAY_MS - 7 * drop
    return days if days >= 0 else None


@dataclass(frozen=True)
class Program:
    """A program-year without recorded surveys.

    `busy(week)` scales what a pair sends; `active(week)` the number of pairs; `clump` is the mean number of further
    submissions that follow one within two days.
    """

    weekly: float
    pairs: int = 20
    weeks: int = 52
    busy: Callable[[float], float] = lambda _: 1.0
    busiest: float = 1.0
    active: Callable[[int], float] = lambda _: 1.0
    clump: float = 0.0
    hours: bool = False
    breaks: tuple[tuple[str, str], ...] = ()


def alarms_of(program: Program, random: Random) -> list[Alarm]:
    """Run one program with a learned baseline; the prior is as wrong as its own law says. Returns the alarms."""
    rate = program.weekly / program.pairs
    params = RateParams(prior_rate=rate / random.gammavariate(1 / 0.36, 0.36))
    calendar = calendar_of("Europe/Berlin", program.breaks)
    facts: list[tuple[int, int]] = []
    most = max(program.active(week) for week in range(program.weeks))

    def weekly(week: float) -> float:
        at = program.weekly / (1 + program.clump) * program.busy(week) * program.active(int(week))
        # Nobody writes at night: twelve hours of the day hold everything.
        return at * (2.0 if week * 7 % 1 > 0.5 else 0.0) if program.hours else at

    highest = program.weekly / (1 + program.clump) * program.busiest * most * (2 if program.hours else 1)
    for at in arrivals(random, weekly, highest, program.weeks):
        first = START_MS + int(at * WEEK_MS)
        facts.append((first, 0))
        facts.extend((first + random.randrange(2 * DAY_MS), 0) for _ in range(poisson(random, program.clump)))
    pairs = round(program.pairs * program.active(0))
    for week in range(1, program.weeks):
        now_active = round(program.pairs * program.active(week))
        if now_active != pairs:
            pairs = now_active
            facts.append((START_MS + week * WEEK_MS, pairs))
    stream = start(START_MS, round(program.pairs * program.active(0)), calendar, params)
    events: list[Event] = []
    for now, count in sorted(facts):
        if count:
            events += set_pairs(stream, now, count, now, calendar, params)
        else:
            events += submit(stream, now, now, calendar, params)
    events += advance(stream, START_MS + program.weeks * WEEK_MS, calendar, params)
    return [event for event in events if isinstance(event, Alarm)]


@dataclass(frozen=True)
class SurveyProgram:
    """A program-year of recorded surveys: both people of a pair are asked on its day 30 and every 60 days after.

    `joined(pair)` is the week in which a pair is matched; an answer comes `delay_days` after the survey on average.
    """

    pairs: int = 50
    weeks: int = 52
    share: float = 0.35
    delay_days: float = 3.0
    spread_weeks: float = 0.0
    #: share of people who never answer; the others make up for it
    never: float = 0.0
    drop_week: float = float("inf")
    left: float = 1.0
    breaks: tuple[tuple[str, str], ...] = ()


def survey_alarms_of(program: SurveyProgram, random: Random) -> list[Alarm]:
    """Run one program that records surveys; returns the alarms."""
    params = RateParams()
    calendar = calendar_of("Europe/Berlin", program.breaks)
    facts: list[tuple[int, int, int]] = []
    stream = start(START_MS, program.pairs, calendar, params)
    for _ in range(program.pairs):
        joined = random.random() * program.spread_weeks
        for _ in range(2):
            silent = random.random() < program.never
            for day in range(30, program.weeks * 7, 60):
                sent = START_MS + int((joined * 7 + day + random.random() * 0.4) * DAY_MS)
                facts.append((sent, 0, sent))
                if silent or random.random() >= program.share / (1 - program.never):
                    continue
                at = sent + int(random.expovariate(1 / program.delay_days) * DAY_MS)
                if at < START_MS + program.drop_week * WEEK_MS or random.random() < program.left:
                    facts.append((at, 1, sent))
    events: list[Event] = []
    for now, is_answer, sent in sorted(facts):
        if is_answer:
            events += survey_answered(stream, sent, now, now, calendar, params)
        else:
            events += survey_sent(stream, sent, now, calendar, params)
    events += advance(stream, START_MS + program.weeks * WEEK_MS, calendar, params)
    return [event for event in events if isinstance(event, Alarm)]


def _break_of(week: int, length: int) -> tuple[tuple[str, str], ...]:
    first = START_MS // DAY_MS + 7 * week
    return ((day_date(first).isoformat(), day_date(first + 7 * length - 1).isoformat()),)


def stresses(weekly: float) -> dict[str, Program]:
    """Name what a program without recorded surveys may do to the detector while nothing is wrong."""
    burst = Program(weekly, busy=lambda week: 3.0 if week < 2 else 1.0, busiest=3.0)
    holiday = _break_of(26, 2)
    return {
        "steady": Program(weekly),
        "pairs halve": Program(weekly, active=lambda week: 1.0 if week < 26 else 0.5),
        "pairs double": Program(weekly, active=lambda week: 1.0 if week < 26 else 2.0),
        "two-week break, silent": Program(weekly, busy=lambda week: 0.0 if 26 <= week < 28 else 1.0, breaks=holiday),
        "two-week break, a third goes on": Program(
            weekly, busy=lambda week: 0.33 if 26 <= week < 28 else 1.0, breaks=holiday
        ),
        "start burst ×3 for 2 weeks": burst,
        "start burst ×2 for 4 weeks": Program(weekly, busy=lambda week: 2.0 if week < 4 else 1.0, busiest=2.0),
        "every fourth comes with another": Program(weekly, clump=0.25),
        "hours of the day": Program(weekly, hours=True),
    }


def survey_stresses() -> dict[str, SurveyProgram]:
    """Name what a program that records surveys may look like while nothing is wrong."""
    return {
        "pure waves, 20 pairs": SurveyProgram(20),
        "pure waves, 100 pairs": SurveyProgram(100),
        "matched over 8 weeks, 50 pairs": SurveyProgram(50, spread_weeks=8),
        "matched over 26 weeks, 100 pairs": SurveyProgram(100, spread_weeks=26),
        "half never answer, 50 pairs": SurveyProgram(50, never=0.5, spread_weeks=8),
        "slow answers, 50 pairs": SurveyProgram(50, delay_days=8, spread_weeks=8),
        "two-week break, 50 pairs": SurveyProgram(50, spread_weeks=8, breaks=_break_of(22, 2)),
    }
