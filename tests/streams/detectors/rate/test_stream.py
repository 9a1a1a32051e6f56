"""Order of work, lateness, storage and timers of one stream."""

from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.calendar import WEEK_MS, Calendar, calendar_of, normalised_week
from streams.clock import DAY_MS, HOUR_MS, MINUTE_MS
from streams.detectors.rate import (
    Alarm,
    Event,
    HighAfter,
    RateParams,
    RateStream,
    Recovered,
    advance,
    mean_rate,
    next_due_ms,
    reading,
    relearn,
    set_pairs,
    start,
    submit,
)
from streams.detectors.rate.mixture import CALM, mean_weeks
from tests.streams.detectors.simulation import START_MS, known, start_known

PLAIN = calendar_of()
PAIR = RateParams(
    far_per_year=0.1, prior_rate=0.35, high_after_ms=None, recover_on_submission=True, weekday_weight=None
)


def stored(stream: RateStream) -> RateStream:
    """Store and restore."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(stream), type=RateStream)


def random_facts(random: Random, weekly: float, weeks: float, pairs: int) -> list[tuple[int, int, int | None]]:
    """Draw (arrival, event time, new number of pairs or None for a submission), some late, some far too late."""
    facts: list[tuple[int, int, int | None]] = []
    at = 0.0
    while (at := at + random.expovariate(weekly)) < weeks:
        instant = START_MS + int(at * WEEK_MS)
        late = random.choice((0, 0, 0, random.randrange(DAY_MS), random.randrange(6 * DAY_MS)))
        pairs = max(0, pairs + random.choice((-2, -1, 1, 2)))
        facts.append((instant + late, instant, pairs if random.random() < 0.15 else None))
    return sorted(facts, key=lambda fact: fact[:2])


def feed(stream: RateStream, fact: tuple[int, int, int | None], calendar: Calendar, params: RateParams) -> list[Event]:
    arrived, at, pairs = fact
    if pairs is None:
        return submit(stream, at, arrived, calendar, params)
    return set_pairs(stream, at, pairs, arrived, calendar, params)


CALENDARS = (
    PLAIN,
    calendar_of("Europe/Berlin", (("2024-03-10", "2024-03-23"),)),
    calendar_of("America/New_York", (("2024-04-01", "2024-04-14"),), None, normalised_week((2, 2, 2, 2, 1, 0, 0)), 100),
    calendar_of("UTC", (), START_MS + 30 * WEEK_MS),
)
weekly_rates = st.sampled_from([0.3, 1.0, 4.0, 12.0, 45.0, 120.0])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), weekly_rates, st.sampled_from(CALENDARS), st.sampled_from([0, DAY_MS]), st.booleans())
def test_the_timer_is_never_later_than_what_happens(
    seed: int, weekly: float, calendar: Calendar, lateness: int, one_pair: bool
) -> None:
    """Driven by its timer alone, as the engine does, a stream says everything at the very instant it falls due."""
    random = Random(seed)
    pairs = 1 if one_pair else 8
    params = RateParams(
        far_per_year=4.0,
        prior_rate=weekly / pairs,
        lateness_ms=lateness,
        recover_on_submission=one_pair,
        high_after_ms=None if one_pair else 14 * DAY_MS,
    )
    timed, plain = start(START_MS, pairs, calendar, params), start(START_MS, pairs, calendar, params)
    said: list[Event] = []
    wanted: list[Event] = []
    calls = 0
    facts = random_facts(random, weekly, min(30.0, max(10.0, 150.0 / weekly)), pairs)
    end = facts[-1][0] + 30 * WEEK_MS if facts else START_MS + 30 * WEEK_MS
    now = START_MS
    for fact in [*facts, (end, end, 0)]:
        while (due := next_due_ms(timed, now, calendar, params)) is not None and due <= fact[0]:
            assert due >= now
            now = due
            events = advance(timed, now, calendar, params)
            assert all(event.due_ms == due for event in events)
            said += events
            calls += 1
            assert calls < 20_000
        now = fact[0]
        events = feed(timed, fact, calendar, params)
        # Only a submission that ends a pair's alarm says something at once.
        assert all(isinstance(event, Recovered) and event.due_ms == now for event in events)
        said += events
        wanted += feed(plain, fact, calendar, params)
    assert [event[:2] for event in said] == [event[:2] for event in wanted]
    assert msgspec.msgpack.encode(timed) == msgspec.msgpack.encode(plain)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), weekly_rates, st.sampled_from(CALENDARS))
def test_extra_clock_steps_and_a_restart_at_every_fact_change_nothing_to_the_last_bit(
    seed: int, weekly: float, calendar: Calendar
) -> None:
    random = Random(seed)
    params = RateParams(far_per_year=4.0, prior_rate=weekly / 8)
    plain = stepped = start(START_MS, 8, calendar, params)
    stepped = stored(plain)
    wanted: list[Event] = []
    got: list[Event] = []
    before = START_MS
    for fact in random_facts(random, weekly, min(30.0, max(10.0, 150.0 / weekly)), 8):
        wanted += feed(plain, fact, calendar, params)
        for _ in range(4):
            before += random.randrange(max(1, (fact[0] - before) // 2))
            got += advance(stepped, before, calendar, params)
        got += feed(stepped, fact, calendar, params)
        stepped = stored(stepped)
        before = max(before, fact[0])
        assert msgspec.msgpack.encode(stepped) == msgspec.msgpack.encode(plain)
    assert got == wanted


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_order_within_the_lateness_does_not_matter(seed: int) -> None:
    random = Random(seed)
    params = RateParams(prior_rate=0.5)
    facts = [(START_MS + random.randrange(20 * WEEK_MS)) for _ in range(80)]
    prompt, late = start(START_MS, 8, PLAIN, params), start(START_MS, 8, PLAIN, params)
    wanted: list[Event] = []
    got: list[Event] = []
    for at in sorted(facts):
        wanted += submit(prompt, at, at, PLAIN, params)
    for arrived, at in sorted((at + random.randrange(DAY_MS), at) for at in facts):
        got += submit(late, at, arrived, PLAIN, params)
    end = START_MS + 21 * WEEK_MS
    wanted += advance(prompt, end, PLAIN, params)
    got += advance(late, end, PLAIN, params)
    assert got == wanted
    assert msgspec.msgpack.encode(prompt) == msgspec.msgpack.encode(late)


def test_what_arrives_too_late_only_teaches_the_baseline() -> None:
    params = known(5.0, 20, lateness_ms=DAY_MS)
    stream = start_known(START_MS, 20, PLAIN, params)
    now = START_MS + 4 * WEEK_MS + 3 * DAY_MS
    advance(stream, now, PLAIN, params)
    before = stored(stream)
    submit(stream, now - DAY_MS - 1, now, PLAIN, params)
    assert stream.baseline.waiting_events == before.baseline.waiting_events + 1
    before.baseline.waiting_events += 1
    assert stream == before


def test_a_crossing_inside_a_silence_is_found_before_the_event_that_ends_it() -> None:
    params = known(5.0, 20)
    silent = start_known(START_MS, 20, PLAIN, params)
    answered = stored(silent)
    back = START_MS + 30 * WEEK_MS
    (alarm,) = [event for event in advance(silent, back, PLAIN, params) if isinstance(event, Alarm)]
    events = submit(answered, back, back, PLAIN, params)
    assert events[0] == alarm
    assert alarm.at_ms % MINUTE_MS == 0
    assert alarm.weeks == pytest.approx(104.36, rel=0.001)
    assert alarm.reading.seen == 0
    assert alarm.reading.expected == pytest.approx(20, rel=0.2)


def test_an_event_at_the_crossing_minute_comes_after_the_test() -> None:
    params = known(5.0, 20)
    stream = start_known(START_MS, 20, PLAIN, params)
    due = next_due_ms(stored(stream), START_MS + 4 * WEEK_MS + 3 * DAY_MS, PLAIN, params)
    while due is not None and not (events := advance(stored(stream), due, PLAIN, params)):
        due = next_due_ms(stored(stream), due, PLAIN, params)
    assert due is not None
    assert events[0].at_ms == due
    early, late = stored(stream), stored(stream)
    assert submit(early, due - MINUTE_MS, due - MINUTE_MS, PLAIN, params) == []
    assert not advance(early, due, PLAIN, params)
    assert [event.at_ms for event in submit(late, due, due, PLAIN, params)] == [due]


def test_nothing_is_tested_in_the_first_four_weeks() -> None:
    params = known(50.0, 20, far_per_year=52.0, daily_above=1e9)
    stream = start_known(START_MS, 20, PLAIN, params)
    assert advance(stream, START_MS + 4 * WEEK_MS, PLAIN, params) == []
    assert stream.risk == CALM
    (alarm,) = advance(stream, START_MS + 5 * WEEK_MS, PLAIN, params)[:1]
    assert alarm.at_ms > START_MS + 4 * WEEK_MS


def test_busy_programs_are_tested_at_local_midnight_only() -> None:
    calendar = calendar_of("America/New_York")
    params = known(45.0, 20)
    stream = start_known(START_MS, 20, calendar, params)
    alarm = advance(stream, START_MS + 9 * WEEK_MS, calendar, params)[0]
    assert alarm.at_ms == calendar.day_start(calendar.day_of(alarm.at_ms))


def test_a_start_burst_teaches_nothing() -> None:
    params = RateParams(prior_rate=0.25)
    burst, none = start(START_MS, 20, PLAIN, params), start(START_MS, 20, PLAIN, params)
    for hour in range(24 * 27):
        submit(burst, START_MS + hour * HOUR_MS, START_MS + hour * HOUR_MS, PLAIN, params)
    for stream in (burst, none):
        advance(stream, START_MS + 5 * WEEK_MS, PLAIN, params)
    assert mean_rate(burst, params) == mean_rate(none, params)


def test_the_last_two_weeks_are_mute() -> None:
    params = known(5.0, 20)
    for ends, expected in ((START_MS + 9 * WEEK_MS, 1), (START_MS + 7 * WEEK_MS, 0)):
        calendar = calendar_of("UTC", (), ends)
        stream = start_known(START_MS, 20, calendar, params)
        events = advance(stream, START_MS + 20 * WEEK_MS, calendar, params)
        assert len([event for event in events if isinstance(event, Alarm)]) == expected
        if not expected:
            late = START_MS + 4 * WEEK_MS + 6 * DAY_MS
            assert next_due_ms(start_known(START_MS, 20, calendar, params), late, calendar, params) is None


def test_an_announced_break_is_not_a_silence() -> None:
    params = known(5.0, 20)
    calendar = calendar_of("UTC", (("2024-02-05", "2024-12-31"),))
    stream = start_known(START_MS, 20, calendar, params)
    assert advance(stream, START_MS + 50 * WEEK_MS, calendar, params) == []


def test_without_active_pairs_nothing_is_expected() -> None:
    params = known(5.0, 20)
    stream = start_known(START_MS, 0, PLAIN, params)
    assert next_due_ms(stream, START_MS, PLAIN, params) is None
    assert advance(stream, START_MS + 400 * WEEK_MS, PLAIN, params) == []


def alarmed(params: RateParams) -> tuple[RateStream, int]:
    stream = start_known(START_MS, 20, PLAIN, params)
    for day in range(140):
        submit(stream, START_MS + day * DAY_MS, START_MS + day * DAY_MS, PLAIN, params)
    return stream, advance(stream, START_MS + 155 * DAY_MS, PLAIN, params)[0].at_ms


def test_an_alarm_gets_worse_after_14_days_and_freezes_the_baseline() -> None:
    params = known(7.0, 20)
    stream, at = alarmed(params)
    frozen = msgspec.msgpack.encode((stream.baseline, stream.risk))
    events = advance(stream, at + 60 * DAY_MS, PLAIN, params)
    assert [(type(event), event.at_ms) for event in events] == [(HighAfter, at + 14 * DAY_MS)]
    submit(stream, at + 60 * DAY_MS, at + 60 * DAY_MS, PLAIN, params)
    assert msgspec.msgpack.encode((stream.baseline, stream.risk)) == frozen


@pytest.mark.parametrize(("every_hours", "recovers"), [(24, True), (29, True), (31, False)])
def test_recovery_needs_four_weeks_after_the_alarm_at_80_percent(every_hours: int, recovers: bool) -> None:
    params = known(7.0, 20)
    stream, at = alarmed(params)
    events: list[Event] = []
    for step in range(29 * 24 // every_hours + 1):
        now = at + step * every_hours * HOUR_MS
        events += submit(stream, now, now, PLAIN, params)
    events += advance(stream, at + 29 * DAY_MS, PLAIN, params)
    back = [event for event in events if isinstance(event, Recovered)]
    assert bool(back) == recovers
    if recovers:
        assert back[0].at_ms - at >= 28 * DAY_MS
        assert back[0].reading.days == 28
        assert back[0].reading.seen >= 0.8 * back[0].reading.expected
        assert not stream.alarm_ms
        assert mean_weeks(stream.risk) < 2.0


def test_recovery_needs_five_expected() -> None:
    params = known(1.2, 20, far_per_year=4.0)
    stream = start_known(START_MS, 20, PLAIN, params)
    at = advance(stream, START_MS + 60 * WEEK_MS, PLAIN, params)[0].at_ms
    for day in range(480, 600, 4):
        events = submit(stream, START_MS + day * DAY_MS, START_MS + day * DAY_MS, PLAIN, params)
        assert not any(isinstance(event, Recovered) for event in events)
    assert stream.alarm_ms == at


def test_a_dismissed_alarm_relearns_from_the_last_eight_weeks() -> None:
    params = RateParams(prior_rate=0.35, lateness_ms=0)
    stream = start(START_MS, 20, PLAIN, params)
    alarms = 0
    for day in range(220):
        if day < 140 or day % 2 == 0:
            alarms += len(submit(stream, START_MS + day * DAY_MS, START_MS + day * DAY_MS, PLAIN, params))
    assert alarms
    relearn(stream, START_MS + 220 * DAY_MS, PLAIN, params)
    assert not stream.alarm_ms
    assert stream.risk == CALM
    assert stream.baseline.events == 28.0
    assert stream.baseline.exposure == pytest.approx(20 * 8, rel=0.02)


def test_one_submission_ends_the_alarm_of_a_pair_at_once() -> None:
    stream = start(START_MS, 1, PLAIN, PAIR, 0.5)
    now = START_MS
    for _ in range(40):
        now += 10 * DAY_MS
        submit(stream, now, now, PLAIN, PAIR)
    silent = now + 60 * WEEK_MS
    (alarm,) = advance(stream, silent, PLAIN, PAIR)
    assert isinstance(alarm, Alarm)
    assert next_due_ms(stream, silent, PLAIN, PAIR) is None
    (back,) = submit(stream, silent, silent, PLAIN, PAIR)
    assert (type(back), back.at_ms, back.due_ms) == (Recovered, silent, silent)
    assert (stream.alarm_ms, stream.risk) == (0, CALM)


def test_a_pair_that_answered_while_the_alarm_was_deciding_is_not_accused() -> None:
    stream = start(START_MS, 1, PLAIN, PAIR, 0.5)
    probe = stored(stream)
    at = advance(probe, START_MS + 200 * WEEK_MS, PLAIN, PAIR)[0].at_ms
    assert submit(stream, at + HOUR_MS, at + HOUR_MS, PLAIN, PAIR) == []
    assert advance(stream, at + 3 * DAY_MS, PLAIN, PAIR) == []
    assert mean_weeks(stream.risk) < 1.0


def test_a_pair_starts_from_its_programs_rate() -> None:
    eager, lazy = start(START_MS, 1, PLAIN, PAIR, 0.8), start(START_MS, 1, PLAIN, PAIR, 0.05)
    assert mean_rate(eager, PAIR) == pytest.approx(0.8)
    assert mean_rate(lazy, PAIR) == pytest.approx(0.05)


def test_state_is_small() -> None:
    random = Random(3)
    pair = start(START_MS, 1, PLAIN, PAIR, 0.35)
    params = RateParams(prior_rate=0.5)
    program = start(START_MS, 100, PLAIN, params)
    now, largest_pair, largest_program = START_MS, 0, 0
    for day in range(400):
        now = START_MS + day * DAY_MS
        if random.random() < 0.05:
            submit(pair, now, now, PLAIN, PAIR)
        set_pairs(program, now, 100 + random.randrange(9), now, PLAIN, params)
        for _ in range(30 if day % 20 else 400):
            at = now + random.randrange(DAY_MS)
            submit(program, at, at, PLAIN, params)
        largest_pair = max(largest_pair, len(msgspec.msgpack.encode(pair)))
        largest_program = max(largest_program, len(msgspec.msgpack.encode(program)))
    assert largest_pair < 180
    assert largest_program < 1_500


def test_a_reading_says_what_was_expected_and_seen() -> None:
    params = known(7.0, 20)
    stream, at = alarmed(params)
    got = reading(stream, at, PLAIN, params)
    assert (got.days, got.units, got.surveys, got.dispersion) == (28, 20, False, 1.0)
    assert got.rate == pytest.approx(0.35, rel=0.01)
    assert got.expected == pytest.approx(28, rel=0.05)
    assert got.seen < got.expected


@pytest.mark.parametrize(
    "wrong",
    [
        {"far_per_year": 0.0},
        {"prior_rate": float("nan")},
        {"prior_response_rate": 1.0},
        {"prior_cv": 1.5},
        {"answer_days": 10},
        {"recover_weeks": 9},
        {"lateness_ms": -1},
    ],
)
def test_parameters_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"is|are|lies"):
        RateParams(**wrong)  # type: ignore[arg-type]
