"""A pair's rhythm: when it is called lost, and what cannot change that."""

from itertools import pairwise, permutations
from random import Random

import msgspec
import pytest

from streams.calendar import FOREVER
from streams.clock import DAY_MS, HOUR_MS
from streams.detectors.renewal import (
    Event,
    GapPool,
    RenewalParams,
    RenewalStream,
    Returned,
    RunningTime,
    Silent,
    Worse,
    advance,
    next_due_ms,
    observe,
    reading,
    relearn,
    start,
)
from tests.streams.detectors.simulation import START_MS

PLAIN = RunningTime()
PARAMS = RenewalParams()
FORTNIGHT = 14 * DAY_MS


def _regular(held: int, gap_ms: int = FORTNIGHT, time: RunningTime = PLAIN) -> tuple[RenewalStream, GapPool]:
    pool = GapPool()
    stream = start(START_MS, pool, PARAMS)
    for number in range(1, held):
        at = START_MS + number * gap_ms
        assert observe(stream, at, at, time, pool, PARAMS) == []
    # The last one has waited for those that might be under way.
    advance(stream, START_MS + (held - 1) * gap_ms + PARAMS.lateness_ms, time, pool, PARAMS)
    return stream, pool


def _timers(stream: RenewalStream, pool: GapPool, until_ms: int, time: RunningTime = PLAIN) -> list[Event]:
    """Live as the engine does: look when asked to, never otherwise."""
    events: list[Event] = []
    while (due := next_due_ms(stream, time, PARAMS)) is not None and due <= until_ms:
        events += advance(stream, due, time, pool, PARAMS)
    return events


def test_a_lost_rhythm_is_noticed_and_gets_worse() -> None:
    stream, pool = _regular(8)
    last = stream.last_ms
    silent, worse = _timers(stream, pool, last + 1_000 * DAY_MS)
    assert isinstance(silent, Silent)
    assert isinstance(worse, Worse)
    days = (silent.at_ms - last) / DAY_MS
    assert 30 < days < 70
    assert silent.due_ms == silent.at_ms + PARAMS.lateness_ms
    assert silent.reading.gap_days == pytest.approx(days, abs=0.01)
    assert silent.reading.usual_days == pytest.approx(14.0, rel=0.1)
    assert silent.reading.weeks >= silent.reading.threshold_weeks == pytest.approx(521.8)
    assert worse.reading.weeks >= 4 * worse.reading.threshold_weeks
    assert stream.alarm_ms == silent.at_ms
    assert stream.worsened
    assert next_due_ms(stream, PLAIN, PARAMS) is None


def test_two_meetings_make_no_rhythm_and_three_do() -> None:
    for held, armed in ((1, False), (2, False), (3, True)):
        stream, pool = _regular(held)
        assert bool(_timers(stream, pool, START_MS + 2_000 * DAY_MS)) is armed


def test_the_alarm_comes_at_the_minute_and_not_before() -> None:
    stream, pool = _regular(6)
    due = _timers(*_regular(6), START_MS + 2_000 * DAY_MS)[0].due_ms
    assert advance(stream, due - 1, PLAIN, pool, PARAMS) == []
    assert [event.due_ms for event in advance(stream, due, PLAIN, pool, PARAMS)] == [due]


def test_extra_looks_and_a_store_at_every_step_change_nothing() -> None:
    random, decoder = Random(5), msgspec.msgpack.Decoder(RenewalStream)
    plain, pool = start(START_MS, GapPool(), PARAMS), GapPool()
    other, other_pool = start(START_MS, GapPool(), PARAMS), GapPool()
    now, seen, looked = START_MS, list[Event](), list[Event]()
    for _ in range(60):
        gap = round(random.gammavariate(2.0, 7.0) * DAY_MS) * (6 if random.random() < 0.05 else 1)
        for part in range(1, 8):
            looked += advance(other, now + gap * part // 8, PLAIN, other_pool, PARAMS)
            other = decoder.decode(msgspec.msgpack.encode(other))
        now += gap
        seen += observe(plain, now, now, PLAIN, pool, PARAMS)
        looked += observe(other, now, now, PLAIN, other_pool, PARAMS)
    assert seen == looked
    assert any(isinstance(event, Silent) for event in seen)
    assert msgspec.msgpack.encode(plain) == msgspec.msgpack.encode(other)
    assert pool == other_pool
    assert len(msgspec.msgpack.encode(plain)) < 150


def test_the_timer_is_never_later_than_what_happens() -> None:
    random = Random(6)
    for _ in range(20):
        stream, pool = start(START_MS, GapPool(), PARAMS), GapPool()
        twin, twin_pool = start(START_MS, GapPool(), PARAMS), GapPool()
        now, by_timer, by_fact = START_MS, list[Event](), list[Event]()
        for _ in range(25):
            now += round(random.gammavariate(1.0, 14.0) * DAY_MS)
            by_timer += _timers(stream, pool, now)
            by_timer += observe(stream, now, now, PLAIN, pool, PARAMS)
            by_fact += observe(twin, now, now, PLAIN, twin_pool, PARAMS)
        assert by_timer == by_fact


def test_a_pause_stops_the_clock() -> None:
    stream, pool = _regular(8)
    last = stream.last_ms
    plain = _timers(*_regular(8), last + 1_000 * DAY_MS)[0]
    paused = RunningTime(((last + 5 * DAY_MS, last + 105 * DAY_MS),))
    assert _timers(stream, pool, last + 1_000 * DAY_MS, paused)[0].at_ms == plain.at_ms + 100 * DAY_MS
    stream, pool = _regular(8)
    assert _timers(stream, pool, last + 1_000 * DAY_MS, RunningTime(((last + 5 * DAY_MS, FOREVER),))) == []


def test_a_gap_with_a_pause_in_it_counts_as_the_short_gap_it_was() -> None:
    plain, _ = _regular(6)
    time = RunningTime(((START_MS + 15 * DAY_MS, START_MS + 45 * DAY_MS),))
    pool = GapPool()
    stream = start(START_MS, pool, PARAMS)
    for number in range(1, 6):
        at = START_MS + number * FORTNIGHT + (30 * DAY_MS if number > 1 else 0)
        observe(stream, at, at, time, pool, PARAMS)
    advance(stream, at + PARAMS.lateness_ms, time, pool, PARAMS)
    assert (stream.gaps, stream.weeks, stream.risk) == (plain.gaps, plain.weeks, plain.risk)


def test_a_meeting_ends_it_and_a_late_one_says_that_it_never_was() -> None:
    stream, pool = _regular(8)
    silent = _timers(stream, pool, START_MS + 1_000 * DAY_MS)[0]
    later = silent.due_ms + 40 * DAY_MS
    last = stream.last_ms
    back = observe(stream, later, later, PLAIN, pool, PARAMS)[-1]
    assert isinstance(back, Returned)
    assert (back.at_ms, back.due_ms) == (later, later)
    assert back.gap_days == pytest.approx((later - last) / DAY_MS, abs=0.01)
    assert not stream.alarm_ms
    assert next_due_ms(stream, PLAIN, PARAMS) is not None

    stream, pool = _regular(8)
    silent = _timers(stream, pool, stream.last_ms + 100 * DAY_MS)[0]
    heard, took_place = silent.due_ms + 3 * DAY_MS, silent.at_ms - 6 * DAY_MS
    assert observe(stream, took_place, heard, PLAIN, pool, PARAMS)[-1].at_ms == took_place < silent.at_ms


def test_a_meeting_under_way_accuses_nobody() -> None:
    stream, pool = _regular(8)
    silent = _timers(*_regular(8), START_MS + 1_000 * DAY_MS)[0]
    # It takes place an hour after R reached the threshold, and is heard of before the alarm was due.
    took_place = silent.at_ms + HOUR_MS
    events = observe(stream, took_place, silent.due_ms - HOUR_MS, PLAIN, pool, PARAMS)
    events += advance(stream, silent.due_ms + 5 * DAY_MS, PLAIN, pool, PARAMS)
    assert events == []
    assert stream.last_ms == took_place


def test_the_order_of_arrival_within_the_lateness_changes_nothing() -> None:
    held = [START_MS + number * 10 * HOUR_MS for number in range(1, 3)] + [START_MS + 21 * HOUR_MS]
    results = set()
    for order in permutations(held):
        stream, pool = _regular(1)
        for at in order:
            observe(stream, at, START_MS + 24 * HOUR_MS, PLAIN, pool, PARAMS)
        events = _timers(stream, pool, START_MS + 2_000 * DAY_MS)
        results.add((msgspec.msgpack.encode(stream), tuple(events)))
    assert len(results) == 1


def test_one_meeting_noted_twice_is_one() -> None:
    once, _ = _regular(4)
    twice, pool = _regular(4)
    again = twice.last_ms + 2 * HOUR_MS
    observe(twice, again, again, PLAIN, pool, PARAMS)
    advance(twice, again + 2 * DAY_MS, PLAIN, pool, PARAMS)
    assert (twice.events, twice.last_ms, twice.risk, twice.gaps) == (once.events, once.last_ms, once.risk, once.gaps)


def test_a_dismissed_alarm_makes_the_gap_normal() -> None:
    stream, pool = _regular(8)
    silent = _timers(stream, pool, stream.last_ms + 100 * DAY_MS)[0]
    relearn(stream, silent.due_ms + DAY_MS, PLAIN, pool, PARAMS)
    assert not stream.alarm_ms
    again = _timers(stream, pool, START_MS + 2_000 * DAY_MS)
    assert isinstance(again[0], Silent)
    assert again[0].at_ms - stream.last_ms > 2 * (silent.at_ms - stream.last_ms)


def test_regular_programs_teach_their_shape_and_mean() -> None:
    random = Random(7)

    def life(shape: float, mean_days: float) -> tuple[GapPool, RenewalStream]:
        pool = GapPool()
        for _ in range(40):
            now = START_MS
            stream = start(now, pool, PARAMS)
            for _ in range(20):
                now += max(DAY_MS, round(random.gammavariate(shape, mean_days / shape) * DAY_MS))
                observe(stream, now, now, PLAIN, pool, PARAMS)
            advance(stream, now + 2 * DAY_MS, PLAIN, pool, PARAMS)
        return pool, start(START_MS, pool, PARAMS)

    clumsy, regular = life(1.5, 20.0)[1], life(7.0, 10.0)[1]
    assert clumsy.shape == pytest.approx(1.6, abs=0.4)
    assert regular.shape == pytest.approx(6.5, abs=1.2)
    assert clumsy.usual_weeks * 7 == pytest.approx(20.0, rel=0.15)
    assert regular.usual_weeks * 7 == pytest.approx(10.0, rel=0.15)


def test_state_stays_small_for_years() -> None:
    stream, pool = _regular(3)
    now = stream.last_ms
    for _ in range(130):
        now += FORTNIGHT
        observe(stream, now, now, PLAIN, pool, PARAMS)
    assert len(msgspec.msgpack.encode(stream)) < 150
    assert stream.gaps < 25
    assert reading(stream, now + 7 * DAY_MS, PLAIN, PARAMS).gap_days == pytest.approx(7.0, abs=14.1)


def test_queue_is_bounded() -> None:
    stream, pool = _regular(3)
    now = stream.last_ms + 1
    for number in range(200):
        at = now + number * DAY_MS
        observe(stream, at, now, PLAIN, pool, PARAMS)
    assert len(stream.queue) <= 16


@pytest.mark.parametrize(
    "wrong", [{"prior_cv": 0.0}, {"prior_shape": 0.1}, {"min_events": 1}, {"far_per_year": 0.0}, {"worse_at": 1.0}]
)
def test_parameters_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"is|lies|are"):
        RenewalParams(**wrong)  # type: ignore[arg-type]


def test_solved_gaps_grow_with_the_threshold() -> None:
    days = []
    for far in (1.0, 0.5, 0.1, 0.02):
        params = RenewalParams(far_per_year=far)
        stream, pool = start(START_MS, GapPool(), params), GapPool()
        for number in range(1, 8):
            at = START_MS + number * FORTNIGHT
            observe(stream, at, at, PLAIN, pool, params)
        events = advance(stream, START_MS + 3_000 * DAY_MS, PLAIN, pool, params)
        days.append(next(event.at_ms for event in events if isinstance(event, Silent)) - stream.last_ms)
    assert all(a < b for a, b in pairwise(days))
