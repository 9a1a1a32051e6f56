"""The weekday profile of a stream: learned from what is committed, shrunk to the shipped one, and nothing else."""

from itertools import pairwise
from random import Random

import msgspec
import pytest

from streams.calendar import FLAT_WEEK, WEEK_MS, Calendar, calendar_of, normalised_week
from streams.clock import DAY_MS, MINUTE_MS
from streams.detectors.rate import (
    Alarm,
    Event,
    RateParams,
    RateStream,
    advance,
    follow,
    next_due_ms,
    paced,
    relearn,
    start,
    submit,
    survey_sent,
)
from streams.detectors.rate.weekdays import Weekdays, profile, take_in
from streams.windows import DayCounts
from tests.streams.detectors.simulation import START_MS, arrivals, estimate, known, start_known

PLAIN = calendar_of()
MONDAYS = (7.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
WORKDAYS = (1.4, 1.4, 1.4, 1.4, 1.4, 0.0, 0.0)
START_DAY = START_MS // DAY_MS
#: A weight at which the shipped profile stays what it is.
STUBBORN = 1e6


def instants(random: Random, weekly: float, pattern: tuple[float, ...], weeks: float) -> list[int]:
    """Draw the submissions of a program whose weekdays differ."""
    times = arrivals(random, lambda week: weekly * pattern[int(week * 7) % 7], weekly * max(pattern), weeks)
    return [START_MS + int(at * WEEK_MS) for at in times]


def run(
    facts: list[int], end_ms: int, params: RateParams, calendar: Calendar = PLAIN
) -> tuple[RateStream, list[Event]]:
    """Feed a program of 20 pairs, and let time pass up to an instant."""
    stream, events = start(START_MS, 20, calendar, params), list[Event]()
    for at in facts:
        events += submit(stream, at, at, calendar, params)
    return stream, events + advance(stream, end_ms, calendar, params)


def alarms(events: list[Event]) -> list[Alarm]:
    return [event for event in events if isinstance(event, Alarm)]


def counted(days: dict[int, int]) -> DayCounts:
    """Counts by day of a stream that starts on a Monday."""
    counts = DayCounts()
    for day, count in sorted(days.items()):
        counts.add(START_DAY + day, count, 57)
    return counts


def test_a_profile_is_the_posterior_mean_and_a_few_submissions_hardly_move_it() -> None:
    assert profile([0] * 7, FLAT_WEEK, 35.0) == FLAT_WEEK
    assert profile([35, 0, 0, 0, 0, 0, 0], FLAT_WEEK, 35.0) == (4000, 500, 500, 500, 500, 500, 500)
    shipped = normalised_week(WORKDAYS)
    near = profile([1, 0, 1, 0, 0, 0, 0], shipped, 1_000.0)
    assert all(abs(one - other) <= 10 for one, other in zip(near, shipped, strict=True))
    assert sum(near) == 7_000


def test_only_whole_weeks_that_have_ended_are_counted_and_not_the_first() -> None:
    weekdays, params = Weekdays(), RateParams()
    counts = counted({0: 90, 7: 10, 13: 4, 14: 10, 21: 30})
    take_in(weekdays, counts, START_DAY, START_DAY + 13, PLAIN, params, every=True)
    assert weekdays == Weekdays()
    take_in(weekdays, counts, START_DAY, START_DAY + 22, PLAIN, params, every=True)
    assert (weekdays.counts, weekdays.upto) == ([20, 0, 0, 0, 0, 0, 4], 21)
    assert weekdays.week == profile([20, 0, 0, 0, 0, 0, 4], FLAT_WEEK, 14.0)


def test_a_week_with_a_break_in_it_teaches_no_weekdays() -> None:
    weekdays, calendar = Weekdays(), calendar_of("UTC", (("2024-01-18", "2024-01-19"),))
    take_in(weekdays, counted({7: 10, 14: 10}), START_DAY, START_DAY + 21, calendar, RateParams(), every=True)
    assert (weekdays.counts, weekdays.upto) == ([10, 0, 0, 0, 0, 0, 0], 21)


def test_few_submissions_wait_until_four_weeks_have_passed_and_counts_halve_in_half_a_year() -> None:
    weekdays, params = Weekdays(), RateParams()
    take_in(weekdays, counted({7: 3}), START_DAY, START_DAY + 28, PLAIN, params, every=False)
    assert weekdays == Weekdays()
    take_in(weekdays, counted({7: 3}), START_DAY, START_DAY + 35, PLAIN, params, every=False)
    assert (weekdays.counts, weekdays.upto) == ([3, 0, 0, 0, 0, 0, 0], 35)
    weekdays.counts, weekdays.upto = [41, 8, 0, 0, 0, 0, 0], 175
    take_in(weekdays, DayCounts(), START_DAY, START_DAY + 203, PLAIN, params, every=False)
    assert (weekdays.counts, weekdays.upto) == ([20, 4, 0, 0, 0, 0, 0], 203)


def test_a_program_that_answers_on_mondays_is_left_alone_and_its_stop_is_seen_on_the_next_monday() -> None:
    learned = flat = 0
    for seed in range(4):
        facts = instants(Random(seed), 20.0, MONDAYS, 30.0)
        end = START_MS + 30 * WEEK_MS  # a Monday's start: the first silent one
        stream, events = run(facts, end + DAY_MS, RateParams())
        learned += len(alarms(events))
        flat += len(alarms(run(facts, end, RateParams(weekday_weight=STUBBORN))[1]))
        stop = alarms(advance(stream, end + 3 * DAY_MS, PLAIN, RateParams()))
        assert [alarm.at_ms <= end + DAY_MS for alarm in stop] == [True]
    assert learned == 0
    assert flat > 4


def test_where_weekdays_are_alike_a_stop_is_noticed_as_soon_as_by_the_flat_profile() -> None:
    later = []
    for seed in range(6):
        facts, end = instants(Random(seed), 10.0, (1.0,) * 7, 26.0), START_MS + 40 * WEEK_MS
        both = [alarms(run(facts, end, RateParams(weekday_weight=weight))[1])[-1] for weight in (14.0, STUBBORN)]
        later.append((both[0].at_ms - both[1].at_ms) / DAY_MS)
    assert abs(sum(later) / len(later)) < 1.0


def test_a_drop_and_an_alarm_teach_no_weekdays() -> None:
    params = RateParams()
    facts = instants(Random(7), 20.0, WORKDAYS, 20.0)
    stream, _ = run(facts, facts[-1], params)
    before = stream.weekdays
    assert before is not None
    assert before.counts[5:] == [0, 0]
    known_counts = before.counts.copy()
    events = list[Event]()
    for week in range(20, 24):  # three a week are left, on Sundays
        for hour in (9, 12, 15):
            at = START_MS + week * WEEK_MS + 6 * DAY_MS + hour * 60 * MINUTE_MS
            events += submit(stream, at, at, PLAIN, params)
    assert len(alarms(events)) == 1
    assert stream.weekdays is not None
    assert stream.weekdays.counts[5:] == [0, 0]
    assert sum(stream.weekdays.counts) <= sum(known_counts) + 20
    relearn(stream, START_MS + 26 * WEEK_MS, PLAIN, params)  # a coordinator says that this is normal now
    assert stream.weekdays.counts[6] >= 9


def test_what_happens_after_an_instant_does_not_change_the_profile_that_it_was_judged_by() -> None:
    facts = instants(Random(8), 12.0, WORKDAYS, 30.0)
    params, weeks = RateParams(), list[tuple[int, tuple[int, ...] | None]]()
    stream = start(START_MS, 20, PLAIN, params)
    for at in facts:
        submit(stream, at, at, PLAIN, params)
        assert stream.weekdays is not None
        weeks.append((stream.line.at_ms, stream.weekdays.week))
    for (_, earlier), (changed_ms, later) in pairwise(weeks):
        if later != earlier:
            seen = [at for at in facts if at <= changed_ms]
            again, _ = run(seen, changed_ms + params.lateness_ms, params)
            assert again.weekdays is not None
            assert again.weekdays.week == later
    assert 3 <= len({week for _, week in weeks}) <= 16


def test_the_mean_time_to_a_false_alarm_is_the_threshold_with_a_learned_profile() -> None:
    random, run_lengths = Random(21), list[float]()
    params = known(6.0, 4, far_per_year=52.18 / 30)
    for _ in range(80):
        stream, events = start_known(START_MS, 4, PLAIN, params), list[Event]()
        for at in instants(random, 6.0, (1.3, 1.3, 1.3, 1.3, 1.0, 0.4, 0.4), 400.0):
            events = submit(stream, at, at, PLAIN, params)
            if events:
                break
        run_lengths.append((events[0].at_ms - START_MS) / WEEK_MS - 4)
    got = estimate(run_lengths)
    assert abs(got.mean - 30.0) < 3 * got.error


@pytest.mark.parametrize(("seed", "weekly"), [(1, 3.0), (2, 12.0), (3, 60.0)])
def test_timers_extra_steps_restarts_and_late_arrivals_change_nothing(seed: int, weekly: float) -> None:
    random, calendar = Random(seed), calendar_of("Europe/Berlin", (("2024-03-10", "2024-03-23"),))
    params = RateParams(far_per_year=4.0, prior_rate=weekly / 20, weekday_profile=WORKDAYS, weekday_weight=20.0)
    plain, timed = start(START_MS, 20, calendar, params), start(START_MS, 20, calendar, params)
    said, wanted, now = list[Event](), list[Event](), START_MS
    facts = sorted((at + random.randrange(DAY_MS), at) for at in instants(random, weekly, MONDAYS, 16.0))
    for arrived, at in [*facts, (START_MS + 40 * WEEK_MS, 0)]:
        while (due := next_due_ms(timed, now, calendar, params)) is not None and due <= arrived:
            now = due
            events = advance(timed, now, calendar, params)
            assert all(event.due_ms == due for event in events)
            said += events
        now = arrived
        for stream, events in ((timed, said), (plain, wanted)):
            events += submit(stream, at, arrived, calendar, params) if at else advance(stream, now, calendar, params)
        timed = msgspec.msgpack.decode(msgspec.msgpack.encode(timed), type=RateStream)
        assert timed == plain
    assert said == wanted
    assert alarms(said)
    assert timed.weekdays is not None
    assert timed.weekdays.week is not None


def test_a_pair_is_told_its_programs_profile_for_what_comes_after() -> None:
    params = RateParams(far_per_year=0.1, prior_rate=1.0, recover_on_submission=True, weekday_weight=None)
    now, mondays = START_MS + 6 * WEEK_MS, profile([100, 0, 0, 0, 0, 0, 0], FLAT_WEEK, 35.0)
    told, alone = start(START_MS, 1, PLAIN, params), start(START_MS, 1, PLAIN, params)
    for stream in (told, alone):
        submit(stream, now - WEEK_MS, now - WEEK_MS, PLAIN, params)
    assert follow(young := start(START_MS, 1, PLAIN, params), mondays, now - 4 * WEEK_MS, PLAIN, params) == []
    assert young.weekdays is None  # nothing is tested yet
    assert follow(told, mondays, now, PLAIN, params) == []
    assert paced(told, PLAIN, params) == PLAIN.in_week(mondays)
    assert told.line.at_ms == now - params.lateness_ms
    advance(alone, now, PLAIN, params)
    passed = PLAIN.in_week(mondays).profile_ms(now) - PLAIN.in_week(mondays).profile_ms(told.line.at_ms)
    assert passed == pytest.approx(DAY_MS * 0.26, rel=0.01)  # the day before a Monday
    assert told.line.clock + DAY_MS == 6 * WEEK_MS


def test_surveys_leave_weekdays_alone() -> None:
    params = RateParams(weekday_profile=MONDAYS)
    stream = start(START_MS, 20, PLAIN, params)
    assert paced(stream, PLAIN, params) is PLAIN.in_week(normalised_week(MONDAYS))
    survey_sent(stream, START_MS + DAY_MS, START_MS + DAY_MS, PLAIN, params)
    assert stream.weekdays is None
    assert paced(stream, PLAIN, params) is PLAIN
