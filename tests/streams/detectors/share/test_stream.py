"""The share of positive answers: when it is said to have fallen, and what cannot change that."""

from itertools import permutations
from random import Random

import msgspec
import pytest

from streams.calendar import Calendar, calendar_of
from streams.clock import DAY_MS, HOUR_MS
from streams.detectors.share import (
    Event,
    Fell,
    Recovered,
    ShareParams,
    ShareStream,
    advance,
    begin_earlier,
    mean,
    next_due_ms,
    reading,
    relearn,
    reset,
    start,
    submit,
)
from tests.streams.detectors.simulation import START_MS

CALENDAR = calendar_of()
PARAMS = ShareParams()


def _answered(
    days: int, every: int = 10, negative: int = 2, seed: int = 1, calendar: Calendar = CALENDAR
) -> ShareStream:
    """Give a stream that heard two answers a day, of `every` of which `negative` were not positive."""
    stream, random = start(START_MS, calendar, PARAMS), Random(seed)
    for day in range(days):
        for hour in (9, 15):
            at = START_MS + day * DAY_MS + hour * HOUR_MS
            assert submit(stream, float(random.randrange(5) > 0), at, at, calendar, PARAMS) == []
    return stream


def _negative(stream: ShareStream, from_day: int, days: int, daily: int = 2) -> list[Event]:
    events: list[Event] = []
    for day in range(from_day, from_day + days):
        for hour in range(daily):
            at = START_MS + day * DAY_MS + (9 + hour) * HOUR_MS
            events += submit(stream, 0.0, at, at, CALENDAR, PARAMS)
    return events


def test_a_fall_is_noticed_within_days_and_says_what_it_saw() -> None:
    stream = _answered(120)
    usual = mean(stream)
    assert usual == pytest.approx(0.8, abs=0.06)
    events = _negative(stream, 120, 14)
    assert [type(event) for event in events] == [Fell]
    fell = events[0]
    assert isinstance(fell, Fell)
    assert (fell.at_ms - START_MS) / DAY_MS - 120 <= 7
    assert fell.due_ms == fell.at_ms + PARAMS.lateness_ms
    assert fell.weeks >= fell.threshold_weeks == pytest.approx(104.36)
    assert fell.reading.usual_low < fell.reading.usual == pytest.approx(usual, abs=0.01)
    assert fell.reading.mean is not None
    assert fell.reading.mean < usual
    assert stream.alarm_ms == fell.at_ms
    # What is usual is frozen while the alarm is on.
    assert mean(stream) == pytest.approx(fell.reading.usual, abs=1e-5)


def test_nothing_is_said_in_the_first_four_weeks() -> None:
    stream = start(START_MS, CALENDAR, PARAMS)
    assert _negative(stream, 0, 27, daily=10) == []
    low = reading(stream, START_MS + 27 * DAY_MS, CALENDAR).usual
    assert low < 0.1


def test_it_recovers_after_four_good_weeks_that_lie_after_the_alarm() -> None:
    stream = _answered(120)
    fell = _negative(stream, 120, 10)[0]
    events: list[Event] = []
    for day in range(130, 200):
        for hour in (9, 15):
            at = START_MS + day * DAY_MS + hour * HOUR_MS
            events += submit(stream, 1.0, at, at, CALENDAR, PARAMS)
    assert [type(event) for event in events] == [Recovered]
    assert 28 <= (events[0].at_ms - fell.at_ms) / DAY_MS <= 45
    assert not stream.alarm_ms


def test_recovery_comes_by_the_clock_alone() -> None:
    stream = _answered(120)
    _negative(stream, 120, 10)
    for day in range(131, 134):
        for hour in range(9, 16):
            at = START_MS + day * DAY_MS + hour * HOUR_MS
            submit(stream, 1.0, at, at, CALENDAR, PARAMS)
    assert stream.alarm_ms
    events: list[Event] = []
    for _ in range(100):
        due = next_due_ms(stream, CALENDAR, PARAMS)
        if due is None:
            break
        events += advance(stream, due, CALENDAR, PARAMS)
    assert [type(event) for event in events] == [Recovered]
    assert next_due_ms(stream, CALENDAR, PARAMS) is None


def test_the_timer_is_the_end_of_the_day_and_exact() -> None:
    calendar = calendar_of("Europe/Berlin")
    stream = start(START_MS, calendar, PARAMS)
    at = START_MS + 50 * DAY_MS + 12 * HOUR_MS
    submit(stream, 0.0, at, at, calendar, PARAMS)
    due = calendar.day_start(calendar.day_of(at) + 1) + PARAMS.lateness_ms
    assert next_due_ms(stream, calendar, PARAMS) == due
    advance(stream, due - 1, calendar, PARAMS)
    assert stream.risk == (0.0, 0.0, 0.0, 0.0)
    advance(stream, due, calendar, PARAMS)
    assert min(stream.risk) > 0.0
    assert next_due_ms(stream, calendar, PARAMS) is None


def test_extra_looks_and_a_store_at_every_answer_change_nothing() -> None:
    random, decoder = Random(3), msgspec.msgpack.Decoder(ShareStream)
    plain, other = start(START_MS, CALENDAR, PARAMS), start(START_MS, CALENDAR, PARAMS)
    now, seen, looked, largest = START_MS, list[Event](), list[Event](), 0
    for number in range(900):
        wait = int(random.expovariate(1.0) * 8 * HOUR_MS)
        for part in range(1, 4):
            looked += advance(other, now + wait * part // 4, CALENDAR, PARAMS)
        other = decoder.decode(msgspec.msgpack.encode(other))
        now += wait
        value = random.randrange(5) / 4 if number % 300 < 220 else 0.0
        seen += submit(plain, value, now, now, CALENDAR, PARAMS)
        looked += submit(other, value, now, now, CALENDAR, PARAMS)
        largest = max(largest, len(msgspec.msgpack.encode(plain)))
    assert seen == looked
    assert any(isinstance(event, Fell) for event in seen)
    assert msgspec.msgpack.encode(plain) == msgspec.msgpack.encode(other)
    assert largest < 600


def test_the_order_of_arrival_within_the_lateness_changes_nothing() -> None:
    day = START_MS + 40 * DAY_MS
    answers = [
        (day + 3 * HOUR_MS, 1.0),
        (day + 9 * HOUR_MS, 0.0),
        (day + 23 * HOUR_MS, 0.25),
        (day + 25 * HOUR_MS, 0.0),
    ]
    results = set()
    for order in permutations(answers):
        stream = _answered(40)
        for at, value in order:
            submit(stream, value, at, day + 26 * HOUR_MS, CALENDAR, PARAMS)
        advance(stream, day + 10 * DAY_MS, CALENDAR, PARAMS)
        results.add(msgspec.msgpack.encode(stream))
    assert len(results) == 1


def test_a_stream_begins_with_the_oldest_of_the_first_answers_whichever_comes_first() -> None:
    day = START_MS + 40 * DAY_MS
    answers = [(day + 23 * HOUR_MS, 1.0), (day - HOUR_MS, 0.0), (day + HOUR_MS, 0.25)]
    results = set()
    for order in permutations(answers):
        stream = start(order[0][0], CALENDAR, PARAMS)
        for at, value in order:
            begin_earlier(stream, at, CALENDAR)
            submit(stream, value, at, day + 22 * HOUR_MS, CALENDAR, PARAMS)
        advance(stream, day + 10 * DAY_MS, CALENDAR, PARAMS)
        results.add(msgspec.msgpack.encode(stream))
    assert len(results) == 1
    begin_earlier(stream, day - 5 * DAY_MS, CALENDAR)  # too late: days are judged
    assert stream.start_ms == day - HOUR_MS


def test_what_arrives_too_late_only_teaches() -> None:
    stream, twin = _answered(120), _answered(120)
    now = START_MS + 124 * DAY_MS
    advance(stream, now, CALENDAR, PARAMS)
    advance(twin, now, CALENDAR, PARAMS)
    for _ in range(40):
        assert submit(stream, 0.0, START_MS + 100 * DAY_MS, now, CALENDAR, PARAMS) == []
    assert stream.risk == twin.risk
    for one in (stream, twin):
        for day in range(124, 140):
            submit(one, 1.0, START_MS + day * DAY_MS, START_MS + day * DAY_MS, CALENDAR, PARAMS)
    assert mean(stream) < mean(twin)


def test_a_dismissed_alarm_makes_the_last_weeks_usual() -> None:
    stream = _answered(120)
    before = mean(stream)
    _negative(stream, 120, 20)
    assert stream.alarm_ms
    relearn(stream, START_MS + 141 * DAY_MS, CALENDAR, PARAMS)
    assert not stream.alarm_ms
    assert mean(stream) < before - 0.1


def test_a_reset_keeps_what_is_usual_and_drops_the_suspicion() -> None:
    stream = _answered(120)
    _negative(stream, 120, 20)
    usual = mean(stream)
    reset(stream)
    assert (stream.alarm_ms, stream.risk, mean(stream)) == (0, (0.0, 0.0, 0.0, 0.0), usual)


def test_a_slow_fall_does_not_hide_in_what_is_usual() -> None:
    stream, random, events = _answered(120), Random(9), list[Event]()
    for day in range(120, 300):
        share = max(0.4, 0.8 - 0.4 * (day - 120) / 60)
        for hour in (9, 15):
            at = START_MS + day * DAY_MS + hour * HOUR_MS
            events += submit(stream, float(random.random() < share), at, at, CALENDAR, PARAMS)
    assert isinstance(events[0], Fell)
    assert (events[0].at_ms - START_MS) / DAY_MS < 175


def test_time_in_a_break_is_no_time() -> None:
    calendar = calendar_of(breaks=(("2024-02-20", "2024-03-20"),))
    stream = _answered(40, calendar=calendar)
    advance(stream, START_MS + 43 * DAY_MS, calendar, PARAMS)
    before = stream.risk
    at = START_MS + 80 * DAY_MS + HOUR_MS  # the day after the break
    submit(stream, 1.0, at, at, calendar, PARAMS)
    advance(stream, at + 3 * DAY_MS, calendar, PARAMS)
    assert sum(stream.risk) < sum(before) + 4 * 12 / 7


@pytest.mark.parametrize(
    "wrong", [{"prior_mean": 1.0}, {"far_per_year": 0.0}, {"prior_answers": 0.5}, {"recover_days": 6}]
)
def test_parameters_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"is|lies|are"):
        ShareParams(**wrong)  # type: ignore[arg-type]
