"""A source's silence: armed late, measured in the source's own week, over when facts come again."""

from random import Random
from statistics import median

import msgspec
import pytest

from streams.calendar import WEEK_MS
from streams.clock import DAY_MS, HOUR_MS
from streams.detectors.renewal import (
    Event,
    Returned,
    Silent,
    SourceStream,
    check,
    hear,
    source_due_ms,
    source_params,
    source_reading,
    start_source,
)
from streams.detectors.renewal.week import WeekTime, count_hour
from tests.streams.detectors.renewal_simulation import SourceLife, source_facts, source_silences
from tests.streams.detectors.simulation import START_MS

PARAMS = source_params(0.1)


def _heard(days: int, programs: int = 3, daily: int = 8) -> SourceStream:
    source = start_source(START_MS)
    for day in range(days):
        for number in range(daily):
            at = START_MS + day * DAY_MS + (8 + number) * HOUR_MS
            assert hear(source, at, number % programs, PARAMS) == []
    return source


def _silence(source: SourceStream) -> list[Event]:
    """Look when asked to, never otherwise."""
    events: list[Event] = []
    while (due := source_due_ms(source, PARAMS)) is not None and due < START_MS + 1_000 * DAY_MS:
        events += check(source, due, PARAMS)
    return events


def test_a_source_that_was_busy_every_day_is_missed_within_two_days() -> None:
    source = _heard(60)
    silent = _silence(source)[0]
    assert isinstance(silent, Silent)
    assert silent.at_ms - source.rhythm.last_ms < 2 * DAY_MS
    assert source.rhythm.alarm_ms == silent.at_ms
    assert source_reading(source, silent.at_ms, PARAMS).weeks >= PARAMS.threshold
    back = silent.at_ms + 10 * HOUR_MS
    assert [type(event) for event in hear(source, back, 1, PARAMS) if not isinstance(event, Silent)][-1] is Returned
    assert not source.rhythm.alarm_ms


def test_nothing_is_said_before_four_weeks_of_thirty_facts_of_three_programs() -> None:
    assert _silence(_heard(28)) == []
    assert _silence(_heard(30)) != []
    assert _silence(_heard(60, programs=2)) == []
    assert _silence(_heard(60, daily=1)) == []
    source = start_source(START_MS)
    for number in range(60):
        hear(source, START_MS + number * 20 * HOUR_MS, number % 3, PARAMS)
    assert _silence(source) != []


def test_a_program_that_went_quiet_does_not_count() -> None:
    source = _heard(60)
    for day in range(60, 95):
        for number in range(8):
            hear(source, START_MS + day * DAY_MS + (8 + number) * HOUR_MS, number % 2, PARAMS)
    assert _silence(source) == []


def test_a_store_at_every_fact_changes_nothing() -> None:
    facts = sorted(source_facts(SourceLife(20, days=90), Random(1)))
    plain, stored = start_source(facts[0]), start_source(facts[0])
    decoder = msgspec.msgpack.Decoder(SourceStream)
    for number, at in enumerate(facts):
        events = hear(plain, at, number % 4, PARAMS)
        assert hear(stored, at, number % 4, PARAMS) == events
        stored = decoder.decode(msgspec.msgpack.encode(stored))
    assert msgspec.msgpack.encode(plain) == msgspec.msgpack.encode(stored)
    assert len(msgspec.msgpack.encode(plain)) < 450
    assert _silence(plain) == _silence(stored) != []


def test_the_clock_alone_gives_the_same_alarm_as_looking_often() -> None:
    lazy, eager = _heard(60), _heard(60)
    alarms = _silence(lazy)
    often = [event for hour in range(300) for event in check(eager, START_MS + (60 * 24 + hour) * HOUR_MS, PARAMS)]
    assert often == alarms[: len(often)]
    assert often


def test_false_alarms_stay_below_the_target_by_night_and_at_weekends() -> None:
    for daily, runs in ((5, 12), (30, 8)):
        alarms = [len(source_silences(SourceLife(daily), Random(f"{daily}/{run}"))) for run in range(runs)]
        assert sum(alarms) / runs <= 0.26


@pytest.mark.parametrize(("daily", "hours"), [(20, 70), (200, 26)])
def test_a_source_that_stops_is_noticed(daily: int, hours: float) -> None:
    life = SourceLife(daily, days=110, stop_day=100)
    waits = [wait for run in range(4) for day, wait in source_silences(life, Random(run)) if day > 100]
    assert len(waits) >= 4
    assert median(waits) < hours


def test_hours_passed_one_by_one_and_by_the_whole_week_are_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(5)
    gaps = [(START_MS + random.randrange(9 * WEEK_MS), random.randrange(25 * HOUR_MS)) for _ in range(300)]
    gaps += [(START_MS + number * HOUR_MS, length * HOUR_MS) for number in range(200) for length in (1, 8, 24)]
    for spread in (1, 40):  # with the second, the hours of the night weigh as little as any may
        hours, days = [0] * 24, [0] * 7
        for _ in range(600):
            count_hour(hours, days, START_MS + random.randrange(spread * HOUR_MS) + 9 * HOUR_MS)
        time = WeekTime(hours, days)
        by_hours = [(time.between(at, at + wait), time.after(at, wait)) for at, wait in gaps]
        with monkeypatch.context() as patch:
            patch.setattr("streams.detectors.renewal.week._SHORT_MS", 0)
            assert by_hours == [(time.between(at, at + wait), time.after(at, wait)) for at, wait in gaps]


def test_the_week_of_a_source_is_its_own_inverse_and_keeps_the_pace() -> None:
    hours, days = [0] * 24, [0] * 7
    for day in range(28):
        for hour in range(9, 18):
            if day % 7 < 5:
                count_hour(hours, days, START_MS + day * DAY_MS + hour * HOUR_MS)
    time = WeekTime(hours, days)
    assert time.between(START_MS, START_MS + 52 * WEEK_MS) == pytest.approx(52 * WEEK_MS, rel=0.02)
    noon, night = START_MS + 12 * HOUR_MS, START_MS + 2 * HOUR_MS
    assert time.between(noon, noon + HOUR_MS) > 4 * time.between(night, night + HOUR_MS)
    random = Random(4)
    for _ in range(200):
        at, wait = START_MS + random.randrange(9 * WEEK_MS), random.randrange(3 * WEEK_MS)
        reached = time.after(at, wait)
        assert reached is not None
        assert time.between(at, reached) >= wait > time.between(at, reached - 1) or wait == 0
