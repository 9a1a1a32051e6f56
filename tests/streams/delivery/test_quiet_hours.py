"""Quiet hours and digest times at every change of the clocks of every zone, 2020 to 2030."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.clock import DAY_MS, HOUR_MS, MINUTE_MS
from streams.delivery.digest import name_digest, next_digest_ms
from streams.delivery.people import Recipient
from streams.delivery.quiet_hours import quiet_until
from streams.zones import Zone, zone

FROM = datetime(2020, 1, 1, tzinfo=UTC)
YEARS = 10
NAMES = sorted(set(files("tzdata").joinpath("zones").read_text("utf-8").split()))


def ms(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@lru_cache
def changes() -> list[tuple[str, int]]:
    """Every change of offset: one zone of those with equal histories, and the instant to the minute."""
    found: list[tuple[str, int]] = []
    seen: set[tuple[object, ...]] = set()
    for name in NAMES:
        info = ZoneInfo(name)
        history = tuple((FROM + timedelta(days=day)).astimezone(info).utcoffset() for day in range(365 * YEARS + 4))
        if history in seen:
            continue
        seen.add(history)
        for day, (before, after) in enumerate(pairwise(history)):
            if before != after:
                low, high = FROM + timedelta(days=day), FROM + timedelta(days=day + 1)
                while high - low > timedelta(minutes=1):
                    middle = low + (high - low) / 2
                    if middle.astimezone(info).utcoffset() == before:
                        low = middle
                    else:
                        high = middle
                found.append((name, ms(high) // MINUTE_MS * MINUTE_MS))
    return found


def minute_of(local: Zone, instant_ms: int) -> int:
    shown = local.local(instant_ms)
    return shown.hour * 60 + shown.minute


def check_first(local: Zone, day: int, minute: int) -> None:
    """`clock_start` is the first instant of the day at which the clock shows the minute or more."""
    start, end = local.day_start(day), local.day_start(day + 1)
    found = local.clock_start(day, minute)
    assert start <= found <= end
    assert found == end or minute_of(local, found) >= minute
    for instant in range(start, found, 7 * MINUTE_MS):
        assert minute_of(local, instant) < minute or local.day_of(instant) != local.day_of(start + (end - start) // 2)


def test_there_are_changes_to_look_at() -> None:
    assert len(changes()) > 600
    assert len({name for name, _ in changes()}) > 40


def test_a_time_of_day_is_found_on_every_day_with_a_change() -> None:
    for name, change in changes():
        local = zone(name)
        for day in {local.day_of(change - 1), local.day_of(change)}:
            for minute in (0, 30, 90, 120, 150, 179, 180, 1380, 1439):
                check_first(local, day, minute)


def test_quiet_hours_over_every_change_end_once_and_never_too_late() -> None:
    for name, change in changes():
        local = zone(name)
        for quiet in ((20 * 60, 7 * 60), (60, 150), (150, 130), (0, 180), (1380, 30)):
            released: set[int] = set()
            for step in range(-30, 31, 2):
                instant = change + step * HOUR_MS // 2
                until = quiet_until(local, quiet, instant)
                assert until >= instant
                assert quiet_until(local, quiet, until) == until, "what is released is not quiet"
                # Where the clocks jump over the only free minutes of a day, that day has none.
                assert until - instant <= (2 * DAY_MS if quiet == (150, 130) else DAY_MS)
                if until > instant:
                    released.add(local.day_of(until))
                    assert minute_of(local, until) >= min(quiet[1], 1439) or until == local.day_start(
                        local.day_of(until)
                    )
            assert len(released) <= 3, "thirty hours touch three local days at most"


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    instant=st.integers(ms(FROM), ms(FROM) + YEARS * 365 * DAY_MS),
    start=st.integers(0, 1439),
    end=st.integers(0, 1439),
)
def test_whatever_is_held_is_released_by_the_first_instant_that_is_not_quiet(
    name: str, instant: int, start: int, end: int
) -> None:
    if start == end:
        return
    local = zone(name)
    until = quiet_until(local, (start, end), instant)
    assert quiet_until(local, (start, end), until) == until
    for between in range(instant, until, 11 * MINUTE_MS):
        assert quiet_until(local, (start, end), between) == until


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    instant=st.integers(ms(FROM), ms(FROM) + YEARS * 365 * DAY_MS),
    minute=st.integers(0, 1439),
    days=st.frozensets(st.integers(0, 6), min_size=1),
)
def test_a_digest_is_due_on_a_digest_day_within_a_week_and_each_day_has_one(
    name: str, instant: int, minute: int, days: frozenset[int]
) -> None:
    local = zone(name)
    person = Recipient(id="c", ways=(), digest_minute=minute, digest_weekdays=days)
    due = next_digest_ms(local, person, instant)
    assert instant <= due <= instant + 8 * DAY_MS
    assert next_digest_ms(local, person, due) == due
    following = next_digest_ms(local, person, due, local.day_of(due))
    assert following > due
    assert name_digest(local, "c", "email", following) != name_digest(local, "c", "email", due)


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-03-28T23:30:00+01:00", "2026-03-29T07:00:00+02:00"),  # a night of 10 hours instead of 11
        ("2026-10-24T23:30:00+02:00", "2026-10-25T07:00:00+01:00"),
        ("2026-06-01T12:00:00+02:00", "2026-06-01T12:00:00+02:00"),
        ("2026-06-01T20:00:00+02:00", "2026-06-02T07:00:00+02:00"),  # the start belongs to the quiet
        ("2026-06-01T07:00:00+02:00", "2026-06-01T07:00:00+02:00"),  # the end does not
    ],
)
def test_a_night_in_berlin(at: str, until: str) -> None:
    instants = [ms(datetime.fromisoformat(text)) for text in (at, until)]
    assert quiet_until(zone("Europe/Berlin"), (20 * 60, 7 * 60), instants[0]) == instants[1]
