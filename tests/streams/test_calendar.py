from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.calendar import FLAT_WEEK, FOREVER, WEEK_MS, calendar_of, due_ms, normalised_week, running_ms, union
from streams.clock import DAY_MS
from streams.zones import day_number

intervals = st.lists(st.tuples(st.integers(0, 1_000), st.integers(0, 1_000)), max_size=8)


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@given(intervals, st.integers(-10, 1_100))
def test_a_union_holds_exactly_the_instants_of_its_parts_and_is_sorted_and_disjoint(
    parts: list[tuple[int, int]], instant: int
) -> None:
    merged = union(parts[:3], parts[3:])
    assert any(a <= instant < b for a, b in merged) == any(a <= instant < b for a, b in parts)
    assert all(a < b for a, b in merged)
    assert all(left[1] < right[0] for left, right in pairwise(merged))


@given(intervals, st.integers(0, 1_000), st.integers(0, 1_000))
def test_running_time_counts_the_instants_outside_stops(parts: list[tuple[int, int]], anchor: int, length: int) -> None:
    stops = union(parts)
    outside = sum(1 for t in range(anchor, anchor + length) if not any(a <= t < b for a, b in stops))
    assert running_ms(anchor, anchor + length, stops) == outside
    assert running_ms(anchor, anchor - length, stops) == 0


@given(intervals, st.integers(0, 1_000), st.integers(0, 500))
def test_due_is_the_first_instant_at_which_running_time_reaches_the_duration(
    parts: list[tuple[int, int]], anchor: int, duration: int
) -> None:
    stops = union(parts)
    due = due_ms(anchor, duration, stops)
    assert due is not None
    assert running_ms(anchor, due, stops) == duration
    assert due == anchor or running_ms(anchor, due - 1, stops) < duration


def test_a_stop_without_an_end_is_never_outlasted() -> None:
    stops = ((100, 200), (300, FOREVER))
    assert due_ms(0, 201, stops) is None
    assert due_ms(0, 200, stops) == 300
    assert due_ms(400, 1, stops) is None
    assert due_ms(400, 0, stops) == 400
    assert running_ms(0, 10_000, stops) == 200


def test_breaks_are_local_dates_with_both_ends_inside() -> None:
    calendar = calendar_of("Europe/Berlin", (("2026-12-21", "2027-01-03"), ("2027-01-04", "2027-01-04")))
    assert calendar.breaks == ((ms("2026-12-20T23:00"), ms("2027-01-04T23:00")),)


@pytest.mark.parametrize("break_value", [0, 250])
def test_profile_time_runs_at_the_break_value_inside_breaks(break_value: int) -> None:
    calendar = calendar_of("UTC", (("2026-01-11", "2026-01-17"),), break_value=break_value)
    before, inside, after = ms("2026-01-04"), ms("2026-01-14"), ms("2026-01-25")
    passed = calendar.profile_ms(inside) - calendar.profile_ms(before)
    assert passed == WEEK_MS + 3 * DAY_MS * break_value // 1000
    assert calendar.profile_ms(after) - calendar.profile_ms(before) == 2 * WEEK_MS + WEEK_MS * break_value // 1000


def test_a_week_of_profile_time_passes_in_a_week_whatever_the_weekdays() -> None:
    calendar = calendar_of("UTC", weekdays=normalised_week((5, 5, 5, 5, 3, 0, 0)))
    monday = ms("2026-02-02")
    assert calendar.profile_ms(monday + WEEK_MS) - calendar.profile_ms(monday) == WEEK_MS
    assert calendar.profile_ms(monday + 5 * DAY_MS) == calendar.profile_ms(monday + 7 * DAY_MS)


@settings(max_examples=60)
@given(
    st.sampled_from(["UTC", "Europe/Berlin"]),
    st.sampled_from([FLAT_WEEK, normalised_week((1, 1, 1, 1, 1, 0, 0)), normalised_week((3, 1, 4, 1, 5, 9, 2))]),
    st.sampled_from([0, 333]),
    st.integers(ms("2025-01-01"), ms("2027-01-01")),
    st.integers(0, 90 * DAY_MS),
)
def test_an_instant_and_its_profile_time_are_inverse(
    name: str, weekdays: tuple[int, ...], break_value: int, instant: int, wait: int
) -> None:
    calendar = calendar_of(name, (("2025-12-20", "2026-01-06"),), None, weekdays, break_value)
    profile = calendar.profile_ms(instant) + wait
    found = calendar.instant_at(profile)
    assert calendar.profile_ms(found) >= profile > calendar.profile_ms(found - 1)


def test_profile_differences_do_not_depend_on_which_day_was_asked_for_first() -> None:
    breaks = (("2025-12-20", "2026-01-06"),)
    early = calendar_of("Europe/Berlin", breaks, None, normalised_week((3, 1, 4, 1, 5, 9, 2)), 77)
    late = calendar_of("Europe/Berlin", breaks, 1, normalised_week((3, 1, 4, 1, 5, 9, 2)), 77)
    first, last = ms("2024-07-01T13:17"), ms("2027-07-01T05:43")
    early.profile_ms(first)
    late.profile_ms(last)
    assert early.profile_ms(last) - early.profile_ms(first) == late.profile_ms(last) - late.profile_ms(first)


def test_age_stands_still_in_a_break_and_grows_at_its_value() -> None:
    sent = day_number(datetime(2026, 1, 8).date())  # noqa: DTZ001
    assert calendar_of("UTC").day_of_age(sent, 7) == sent + 7
    assert calendar_of("UTC", (("2026-01-10", "2026-01-13"),)).day_of_age(sent, 7) == sent + 11
    assert calendar_of("UTC", (("2026-01-10", "2026-01-13"),), break_value=500).day_of_age(sent, 7) == sent + 9


@pytest.mark.parametrize("weights", [(1, 1, 1), (0,) * 7, (1, 1, 1, 1, 1, 1, -1), (float("nan"),) * 7])
def test_a_weekday_pattern_that_is_none_is_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="weekday pattern"):
        normalised_week(weights)


@given(st.lists(st.floats(0, 1e6), min_size=7, max_size=7).filter(lambda weights: sum(weights) > 1e-3))
def test_a_normalised_week_has_mean_one(weights: list[float]) -> None:
    week = normalised_week(weights)
    assert sum(week) == 7_000
    assert min(week) >= 0
