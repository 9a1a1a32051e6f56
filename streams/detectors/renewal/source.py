"""Silence of a source: facts come in bursts, by day and by weekday, and none of that is silence.

Facts within an hour of the last one that counts are one event, and gaps are measured in the source's own week. What
remains is a renewal process, at best as regular as a Poisson process: by day an event comes almost every hour, but that
says nothing about the night (taken as regularity, it gave up to 20 false alarms a year). The detector speaks
only of a source it knows: heard of for 4 weeks, and with 30 facts of 3 programs in the 4 weeks before its newest fact
that counts. With fewer programs a silent source and a silent program are the same thing.
"""

import sys
from dataclasses import replace
from functools import lru_cache
from typing import Final

from msgspec import Struct

from streams.calendar import WEEK_MS
from streams.clock import DAY_MS, HOUR_MS
from streams.detectors.renewal.gaps import GapPool
from streams.detectors.renewal.parameters import Event, Reading, RenewalParams
from streams.detectors.renewal.risk import CALM
from streams.detectors.renewal.stream import RenewalStream, advance, next_due_ms, observe, reading
from streams.detectors.renewal.stream import start as start_rhythm
from streams.detectors.renewal.week import DAYS, HOURS, WeekTime, count_hour
from streams.windows import DayCounts

ARM_MS: Final = 4 * WEEK_MS
ARM_DAYS: Final = 28
ARM_FACTS: Final = 30
ARM_PROGRAMS: Final = 3
_FULL: Final = 2 * ARM_PROGRAMS


class SourceStream(Struct, array_like=True, gc=False):
    """State of one source, about 200 bytes. Instants are arrivals, ms UTC."""

    rhythm: RenewalStream
    pool: GapPool
    started_ms: int
    #: events by hour of the day and by weekday, UTC
    hours: list[int]
    days: list[int]
    #: facts by UTC day
    facts: DayCounts
    #: the programs heard of last, newest first: key, instant, key, …; as many as arming asks for. Brought up to date
    #: once an hour only when it is full, which is exact enough for weeks.
    programs: list[int] = []
    #: facts of this day that are not in `facts` yet
    today: int = 0
    today_facts: int = 0
    armed: bool = False


@lru_cache(maxsize=64)
def source_params(far_per_year: float = 0.1) -> RenewalParams:
    """Give the parameters of a source's detector: events are an hour apart at least, and nothing waits."""
    return RenewalParams(
        far_per_year=far_per_year,
        prior_gap_ms=6 * HOUR_MS,
        prior_cv=1.0,
        prior_shape=1.0,
        highest_shape=1.0,
        min_events=8,
        merge_ms=HOUR_MS,
        half_life_gaps=400.0,
        lateness_ms=0,
    )


@lru_cache(maxsize=64)
def _learning(params: RenewalParams) -> RenewalParams:
    """The same for a source that is not armed: it learns the rhythm, and reckons no risk that nobody would look at."""
    return replace(params, min_events=sys.maxsize)


def start_source(at_ms: int) -> SourceStream:
    """Begin with the first fact's arrival."""
    pool = GapPool()
    rhythm = start_rhythm(at_ms, pool, source_params())
    return SourceStream(rhythm, pool, at_ms, [0] * HOURS, [0] * DAYS, DayCounts())


def is_same_event(source: SourceStream, at_ms: int, program: int) -> bool:
    """Count a fact that is no event of its own, and say so: `hear` at a fraction of its price."""
    rhythm = source.rhythm
    if at_ms < rhythm.last_ms:
        at_ms = rhythm.last_ms
    if at_ms - rhythm.last_ms >= HOUR_MS or rhythm.alarm_ms or at_ms // DAY_MS != source.today:
        return False
    source.today_facts += 1
    programs = source.programs
    if len(programs) < _FULL or at_ms - programs[-1] >= HOUR_MS:
        _remember(programs, program, at_ms)
    return True


def hear(source: SourceStream, at_ms: int, program: int, params: RenewalParams) -> list[Event]:
    """Take in a fact that arrived at `at_ms`, not before the ones already heard.

    Args:
        program: any whole number that stands for the fact's program.

    Returns: what happened up to then; `Returned` when the fact ends a silence.
    """
    day = at_ms // DAY_MS
    if day != source.today:
        if source.today_facts:
            source.facts.add(source.today, source.today_facts, ARM_DAYS)
        source.today, source.today_facts = day, 0
    source.today_facts += 1
    programs = source.programs
    if len(programs) < _FULL or at_ms - programs[-1] >= HOUR_MS:
        _remember(programs, program, at_ms)
    rhythm = source.rhythm
    if at_ms - rhythm.last_ms < params.merge_ms and not rhythm.alarm_ms:
        return []
    if not source.armed:
        # What happens before is not tested, and nothing is suspected of it either.
        rhythm.risk, rhythm.wait_ms = CALM, -1
    is_armed = _is_armed(source, at_ms)
    if not (source.armed or is_armed):
        params = _learning(params)
    time = WeekTime(source.hours, source.days)
    events = observe(rhythm, at_ms, at_ms, time, source.pool, params)
    if rhythm.last_ms == at_ms:
        count_hour(source.hours, source.days, at_ms)
        source.armed = is_armed
    return events


def check(source: SourceStream, now_ms: int, params: RenewalParams) -> list[Event]:
    """Let time pass; returns what happened, in order."""
    if not source.armed:
        return []
    return advance(source.rhythm, now_ms, WeekTime(source.hours, source.days), source.pool, params)


def source_due_ms(source: SourceStream, params: RenewalParams) -> int | None:
    """Say when `check` is wanted next; None: nothing will happen without a new fact."""
    if not source.armed:
        return None
    return next_due_ms(source.rhythm, WeekTime(source.hours, source.days), params)


def source_reading(source: SourceStream, at_ms: int, params: RenewalParams) -> Reading:
    """Compare the open silence with the usual one, in days of the source's own time."""
    return reading(source.rhythm, at_ms, WeekTime(source.hours, source.days), params)


def _remember(programs: list[int], program: int, at_ms: int) -> None:
    if programs and programs[0] == program:
        programs[1] = at_ms
        return
    for index in range(0, len(programs), 2):
        if programs[index] == program:
            del programs[index : index + 2]
            break
    programs[:0] = (program, at_ms)
    del programs[_FULL:]


def _is_armed(source: SourceStream, at_ms: int) -> bool:
    if at_ms - source.started_ms < ARM_MS or len(source.programs) < _FULL:
        return False
    if source.programs[-1] < at_ms - ARM_MS:
        return False
    day = at_ms // DAY_MS
    return source.facts.total(day - ARM_DAYS + 1, day + 1) + source.today_facts >= ARM_FACTS
