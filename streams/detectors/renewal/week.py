"""The week of a source: how busy its hours and weekdays are, learned, and gaps measured in that time.

Facts of a source come by day and on working days, so eight silent hours mean little at night and much at noon. Each of
the 168 hours of a week (UTC) gets a weight, the product of an hour's and a weekday's share of what was heard, both
shrunk towards an even spread; weights have mean 1, so time passes as fast as plain time on the whole.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, chain
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
        by_hour = [(count + _EVEN_HOUR) for count in hours]
        by_day = [(count + _EVEN_DAY) for count in days]
        raw = [day * hour for day in by_day for hour in by_hour]
        total = sum(raw)
        weights = [max(_LEAST, value * _HOURS * _PERMILLE // total) for value in raw]
        #: ticks from Monday 00:00 to the start of each hour, the week's total last; a tick is 1/1000 ms
        self._ticks = list(accumulate(chain((0,), (weight * HOUR_MS for weight in weights))))
        self._weights = weights

    def between(self, from_ms: int, to_ms: int) -> int:
        if to_ms <= from_ms:
            return 0
        return (self._at(to_ms) - self._at(from_ms)) // _PERMILLE

    def after(self, from_ms: int, active_ms: int) -> int | None:
        goal = self._at(from_ms) + active_ms * _PERMILLE
        week, rest = divmod(goal, self._ticks[-1])
        low, high = 0, _HOURS
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._ticks[middle] <= rest else (low, middle)
        within = -(-(rest - self._ticks[low]) // self._weights[low])
        return week * WEEK_MS - _MONDAY_MS + low * HOUR_MS + within

    def _at(self, at_ms: int) -> int:
        week, rest = divmod(at_ms + _MONDAY_MS, WEEK_MS)
        hour, part = divmod(rest, HOUR_MS)
        return int(week * self._ticks[-1] + self._ticks[hour] + self._weights[hour] * part)


def week_time(hours: Sequence[int], days: Sequence[int]) -> WeekTime:
    """Give the time of a source by its counts. The same counts give the same object, because it is asked for several
    times between two events, and making it costs more than anything done with it."""
    return _week_time(tuple(hours), tuple(days))


@lru_cache(maxsize=64)
def _week_time(hours: tuple[int, ...], days: tuple[int, ...]) -> WeekTime:
    return WeekTime(hours, days)
