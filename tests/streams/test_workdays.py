"""Working days of a program: weekends, breaks, time of day."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.calendar import calendar_of
from streams.workdays import after_working_days, is_working_day

BERLIN = ZoneInfo("Europe/Berlin")


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()) * 1_000


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        ("2026-01-05T15:00", 3, "2026-01-08T15:00"),  # Monday to Thursday
        ("2026-01-08T15:00", 3, "2026-01-13T15:00"),  # over a weekend, time of day kept
        ("2026-01-09T23:59", 1, "2026-01-12T23:59"),
        ("2026-01-10T10:00", 3, "2026-01-15T00:00"),  # a Saturday counts as Monday 00:00
        ("2026-01-11T23:00", 1, "2026-01-13T00:00"),
        ("2026-03-27T09:00", 1, "2026-03-30T09:00"),  # the clocks change on the Sunday between
        ("2026-12-22T12:00", 3, "2027-01-05T12:00"),  # 24 December to 3 January is a break
        ("2026-12-25T12:00", 3, "2027-01-07T00:00"),  # opened inside it: from the first working day after it, 00:00
    ],
)
def test_working_days_skip_weekends_and_breaks_and_keep_the_time_of_day(start: str, days: int, end: str) -> None:
    calendar = calendar_of("Europe/Berlin", (("2026-12-24", "2027-01-03"),))
    assert after_working_days(calendar, instant(start), days) == instant(end)


@given(st.integers(1_600_000_000_000, 1_900_000_000_000), st.integers(0, 15))
def test_the_end_is_a_working_day_and_later_with_more_days(start_ms: int, days: int) -> None:
    calendar = calendar_of("America/New_York", (("2024-07-01", "2024-08-15"),))
    end = after_working_days(calendar, start_ms, days)
    assert end >= start_ms
    assert is_working_day(calendar, calendar.day_of(end))
    assert after_working_days(calendar, start_ms, days + 1) > end
