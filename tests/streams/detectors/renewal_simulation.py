"""Seeded pairs and sources to try the renewal detector on: when they meet, when they stop, and what it makes of it.

Used by the tests, short, and by `benchmarks/detectors.py`, long. Every run is a function of its seed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import cos, exp, inf, pi
from random import Random

from streams.calendar import WEEK_MS, Interval
from streams.clock import DAY_MS, HOUR_MS, MINUTE_MS
from streams.detectors.renewal import (
    Event,
    GapPool,
    RenewalParams,
    RenewalStream,
    RunningTime,
    Silent,
    advance,
    check,
    hear,
    observe,
    source_params,
    start,
    start_source,
)
from tests.streams.detectors.simulation import START_MS

_ALWAYS = RunningTime()
#: The law of the gaps is known beforehand: a prior without doubt.
_SMALLEST_CV = 0.001


def known(gap_days: float, shape: float, far_per_year: float = 0.1, **others: object) -> RenewalParams:
    """Give parameters under which mean and shape of the gaps are known."""
    params = RenewalParams(
        far_per_year=far_per_year,
        prior_gap_ms=round(gap_days * DAY_MS),
        prior_cv=_SMALLEST_CV,
        prior_shape=shape,
        min_events=2,
        merge_ms=1,
        lateness_ms=0,
    )
    return replace(params, **others)  # type: ignore[arg-type]


def gamma_gap(random: Random, mean_days: float, shape: float) -> int:
    """Draw a gap, ms."""
    return max(1, round(random.gammavariate(shape, mean_days / shape) * DAY_MS))


def known_run_weeks(random: Random, gap_days: float, shape: float, params: RenewalParams) -> float:
    """Let a pair with a known rhythm meet until the first alarm; returns the weeks since testing began."""
    now = START_MS
    stream = start(now, GapPool(), params)
    while True:
        # A pool of its own for every event: what is known must stay known.
        gap = gamma_gap(random, gap_days, shape)
        events = advance(stream, now + gap, _ALWAYS, GapPool(), params)
        if events:
            return (events[0].at_ms - START_MS) / WEEK_MS
        now += gap
        observe(stream, now, now, _ALWAYS, GapPool(), params)


def known_stop_days(random: Random, gap_days: float, shape: float, params: RenewalParams, held: int = 12) -> float:
    """Let a pair with a known rhythm stop after `held` meetings; returns days from the last meeting to the alarm."""
    now = START_MS
    stream = start(now, GapPool(), params)
    for _ in range(held - 1):
        now += gamma_gap(random, gap_days, shape)
        observe(stream, now, now, _ALWAYS, GapPool(), params)
    events = advance(stream, now + 3_000 * DAY_MS, _ALWAYS, GapPool(), params)
    silent = [event for event in events if isinstance(event, Silent)]
    return (silent[0].at_ms - now) / DAY_MS


@dataclass(frozen=True)
class MeetingProgram:
    """Pairs of one program, each with a rhythm of its own, over some weeks.

    Attributes:
        gap_days: mean gap of a usual pair; the pairs' means differ (log-normal, `cv` in logarithms).
        shape: of the gaps within a pair.
        stops: program breaks, ms after the start.
        stop_week: from this week on nobody meets any more.
    """

    pairs: int = 50
    gap_days: float = 14.0
    cv: float = 0.5
    shape: float = 3.0
    weeks: float = 52.18
    stops: tuple[Interval, ...] = ()
    stop_week: float = inf


def silences(program: MeetingProgram, random: Random, params: RenewalParams) -> list[tuple[float, float]]:
    """Run a program; returns for each alarm its week and the active days since the pair's last meeting."""
    time = RunningTime(tuple((START_MS + a, START_MS + b) for a, b in program.stops))
    pool, found = GapPool(), list[tuple[float, float]]()
    timeline: list[tuple[int, int]] = []
    end_ms = START_MS + int(program.weeks * WEEK_MS)
    for pair in range(program.pairs):
        mean = program.gap_days * exp(random.gauss(-program.cv * program.cv / 2, program.cv))
        at = time.after(START_MS, int(random.random() * mean * DAY_MS))
        while at is not None and at < min(end_ms, START_MS + program.stop_week * WEEK_MS):
            timeline.append((at, pair))
            at = time.after(at, gamma_gap(random, mean, program.shape))
    streams: dict[int, RenewalStream] = {}
    for at, pair in sorted(timeline):
        if pair not in streams:
            streams[pair] = start(at, pool, params)
            continue
        stream = streams[pair]
        found += _silences(observe(stream, at, at, time, pool, params))
    for stream in streams.values():
        found += _silences(advance(stream, end_ms, time, pool, params))
    return found


def _silences(events: list[Event]) -> list[tuple[float, float]]:
    return [
        ((event.at_ms - START_MS) / WEEK_MS, event.reading.gap_days) for event in events if isinstance(event, Silent)
    ]


@dataclass(frozen=True)
class SourceLife:
    """A source of facts: `daily` on a working day, by the hour of the day, fewer at weekends, in bursts.

    Attributes:
        night: rate at 3 o'clock as a share of the rate at 15 o'clock.
        weekend: rate at weekends as a share of that on working days.
        burst: mean number of facts that come together.
        holidays: days after the start on which nothing comes.
        stop_day: from this day on nothing comes.
    """

    daily: float
    night: float = 0.05
    weekend: float = 0.3
    burst: float = 3.0
    days: int = 365
    holidays: tuple[int, ...] = ()
    stop_day: float = inf


def source_facts(life: SourceLife, random: Random) -> Iterator[int]:
    """Draw the instants of a source's facts, ms UTC."""
    at = 0.0
    highest = 2.0 * life.daily / life.burst / 24
    while True:
        at += random.expovariate(highest)
        day = int(at // 24)
        if day >= min(life.days, life.stop_day):
            return
        swing = (1.0 - cos((at % 24 - 3) / 12 * pi)) / 2
        rate = life.night + (1.0 - life.night) * swing
        rate *= life.weekend if day % 7 >= 5 else 1.0
        if day in life.holidays or random.random() >= rate:
            continue
        for number in range(1 + int(random.expovariate(1.0) * (life.burst - 0.5))):
            yield START_MS + int(at * HOUR_MS) + number * MINUTE_MS


def source_silences(life: SourceLife, random: Random, far_per_year: float = 0.1) -> list[tuple[float, float]]:
    """Run a source of five programs; returns for each alarm its day, and hours since the last fact that counts."""
    params = source_params(far_per_year)
    facts = sorted(source_facts(life, random))
    source = start_source(facts[0])
    found: list[tuple[float, float]] = []
    for at in facts:
        last = source.rhythm.last_ms
        events = hear(source, at, random.randrange(5), params)
        found += [
            ((event.at_ms - START_MS) / DAY_MS, (event.at_ms - last) / HOUR_MS)
            for event in events
            if isinstance(event, Silent)
        ]
    last = source.rhythm.last_ms
    events = check(source, START_MS + (life.days + 60) * DAY_MS, params) if life.stop_day < inf else []
    found += [
        ((event.at_ms - START_MS) / DAY_MS, (event.at_ms - last) / HOUR_MS)
        for event in events
        if isinstance(event, Silent)
    ]
    return found
