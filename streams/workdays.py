"""Working days: Monday to Friday in the zone of a program, without the days of its breaks."""

from typing import Final

from streams.calendar import PERMILLE, Calendar

_FRIDAY: Final = 4
#: No announced break is longer than this; what lies behind one that is counts as working days again.
_SEARCHED_DAYS: Final = 3_660


def is_working_day(calendar: Calendar, day: int) -> bool:
    """Whether a local day is a working day."""
    return (day + 3) % 7 <= _FRIDAY and calendar.day_value(day) == PERMILLE  # 1970-01-01 was a Thursday


def after_working_days(calendar: Calendar, start_ms: int, days: int) -> int:
    """Find the instant that is a number of working days after another, at the same time of day.

    What starts on a weekend or in a break starts with the next working day, at 00:00. The time of day is counted from
    local midnight, so on a day on which the clocks change it may be an hour off.

    Args:
        calendar: the program's, with its announced breaks.
        start_ms: instant, ms UTC.
        days: at least 0.
    """
    day = calendar.day_of(start_ms)
    time_of_day = start_ms - calendar.day_start(day)
    if not is_working_day(calendar, day):
        day, time_of_day = _next_working_day(calendar, day), 0
    for _ in range(days):
        day = _next_working_day(calendar, day)
    return min(calendar.day_start(day) + time_of_day, calendar.day_start(day + 1) - 1)


def _next_working_day(calendar: Calendar, day: int) -> int:
    for later in range(day + 1, day + _SEARCHED_DAYS):
        if is_working_day(calendar, later):
            return later
    return day + 1
