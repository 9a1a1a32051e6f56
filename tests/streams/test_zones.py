"""Local days: where clocks change, where midnight is missing, and where a date is."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.clock import HOUR_MS
from streams.zones import day_date, day_number, zone

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "America/St_Johns",
)
instants = st.integers(min_value=0, max_value=2_200_000_000_000)


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@given(st.sampled_from(ZONES), instants)
def test_local_days_tile_time_without_gap_or_overlap(name: str, instant: int) -> None:
    local = zone(name)
    day = local.day_of(instant)
    assert local.day_start(day) <= instant < local.day_start(day + 1)


@given(st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"]), instants)
def test_a_local_day_is_the_local_date(name: str, instant: int) -> None:
    there = datetime.fromtimestamp(instant / 1000, ZoneInfo(name))
    assert day_date(zone(name).day_of(instant)) == there.date()


def test_days_on_which_the_clocks_change_have_23_and_25_hours() -> None:
    berlin = zone("Europe/Berlin")
    spring, autumn = day_number(datetime(2026, 3, 29).date()), day_number(datetime(2026, 10, 25).date())  # noqa: DTZ001
    assert berlin.day_start(spring) == ms("2026-03-28T23:00")
    assert berlin.day_start(spring + 1) - berlin.day_start(spring) == 23 * HOUR_MS
    assert berlin.day_start(autumn + 1) - berlin.day_start(autumn) == 25 * HOUR_MS


def test_a_midnight_that_does_not_exist_begins_where_the_clocks_jumped() -> None:
    sao_paulo = zone("America/Sao_Paulo")
    jumped = day_number(datetime(2018, 11, 4).date())  # noqa: DTZ001
    assert sao_paulo.day_start(jumped) == ms("2018-11-04T03:00")
    assert sao_paulo.day_of(ms("2018-11-04T03:00") - 1) == jumped - 1


def test_a_date_that_a_zone_skipped_lasts_no_time() -> None:
    skipped = day_number(datetime(2011, 12, 30).date())  # noqa: DTZ001
    assert zone("Pacific/Apia").day_start(skipped) == zone("Pacific/Apia").day_start(skipped + 1)


@pytest.mark.parametrize("name", ["Mars/Olympus", "../../etc/passwd", "", "zone.tab"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        zone(name)
