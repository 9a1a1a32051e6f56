"""The week of a source: how busy its hours and weekdays are, learned, and gaps measured in that time.

Facts of a source come by day and on working days, so eight silent hours mean little at night and much at noon. Each of
the 168 hours of a week (UTC) gets a weight, the product of an hour's and a weekday's share of what was heard, both
shrunk towards an even spread; weights have mean 1, so time passes as fast as plain time on the whole.
"""

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Final

from streams.calendar import WEEK_MS
from streams.clock import HOUR_MS

_HOURS: Final = 168
_PERMILLE: Final = 1_000
_LEAST: Final = 20
#: Events an hour (of 24) or weekday (of 7) is given beforehand, so that little evidence makes an even spread.
_EVEN_HOUR: Final = 4
_EVEN_DAY: Final = 12
#: 1970-01-01 was a Thursday; weeks are counted from the Monday before it.
_MONDAY_MS: Final = 3 * 24 * HOUR_MS
#: Counts are halved once there are so many, so that old habits fade.
_MANY: Final = 4_096

HOURS: Final = 24
DAYS: Final = 7


def hour_of_week(at_ms: int) -> int:
    """Number the hour of an instant, 0 = Monday 00:00 UTC."""
    return (at_ms + _MONDAY_MS) % WEEK_MS // HOUR_MS


def count_hour(hours: list[int], days: list[int], at_ms: int) -> None:
    """Count one event by hour of the day and by weekday."""
    day, hour = divmod(hour_of_week(at_ms), HOURS)
    hours[hour] += 1
    days[day] += 1
    if sum(days) >= _MANY:
        hours[:] = [count // 2 for count in hours]
        days[:] = [count // 2 for count in days]


class WeekTime:
    """Time that passes as fast as a source is busy (an `ActiveTime`)."""

    def __init__(self, hours: Sequence[int], days: Sequence[int]) -> None:
        """Make the weights out of counts by hour (24) and weekday (7)."""
        by_hour = [count + _EVEN_HOUR for count in hours]
        by_day = [count + _EVEN_DAY for count in days]
        total = sum(by_day) * sum(by_hour)
        scaled = [hour * _HOURS * _PERMILLE for hour in by_hour]
        raw = [day * hour // total for day in by_day for hour in scaled]
        self._weights = weights = raw if min(raw) >= _LEAST else [max(_LEAST, value) for value in raw]
        #: weights from Monday 00:00 to the start of each hour, and the week's last
        self._sums = list(accumulate(weights, initial=0))

    def between(self, from_ms: int, to_ms: int) -> int:
        if to_ms <= from_ms:
            return 0
        return (self._at(to_ms) - self._at(from_ms)) // _PERMILLE

    def after(self, from_ms: int, active_ms: int) -> int | None:
        goal = self._at(from_ms) + active_ms * _PERMILLE
        week, rest = divmod(goal, self._sums[-1] * HOUR_MS)
        hour = bisect_right(self._sums, rest // HOUR_MS) - 1
        within = -(-(rest - self._sums[hour] * HOUR_MS) // self._weights[hour])
        return week * WEEK_MS - _MONDAY_MS + hour * HOUR_MS + within

    def _at(self, at_ms: int) -> int:
        """The time passed since a Monday in 1970, in thousandths of a millisecond."""
        week, rest = divmod(at_ms + _MONDAY_MS, WEEK_MS)
        hour, part = divmod(rest, HOUR_MS)
        return (week * self._sums[-1] + self._sums[hour]) * HOUR_MS + self._weights[hour] * part


def week_time(hours: Sequence[int], days: Sequence[int]) -> WeekTime:
    """Give the time of a source by its counts. The same counts give the same object, because it is asked for several
    times between two events, and making it costs more than anything done with it."""
    return _week_time(tuple(hours), tuple(days))


@lru_cache(maxsize=64)
def _week_time(hours: tuple[int, ...], days: tuple[int, ...]) -> WeekTime:
    return WeekTime(hours, days)
