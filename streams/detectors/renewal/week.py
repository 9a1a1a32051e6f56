"""The week of a source: how busy its hours and weekdays are, learned, and gaps measured in that time.

Facts of a source come by day and on working days, so eight silent hours mean little at night and much at noon. Each of
the 168 hours of a week (UTC) gets a weight, the product of an hour's and a weekday's share of what was heard, both
shrunk towards an even spread; weights have mean 1, so time passes as fast as plain time on the whole.
"""

from collections.abc import Sequence
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
#: Up to so long a gap is measured hour by hour.
_SHORT_MS: Final = 24 * HOUR_MS

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
    """Time that passes as fast as a source is busy (an `ActiveTime`).

    It holds for one gap only, since each event changes the weights, and most gaps are a few hours. So hours are weighed
    one by one as they are passed, and all of a week only for a gap that is longer than `_SHORT_MS`.
    """

    __slots__ = ("_days", "_hours", "_sums", "_total")

    def __init__(self, hours: Sequence[int], days: Sequence[int]) -> None:
        """Take counts by hour (24) and weekday (7), which may not change while this is in use."""
        self._hours, self._days = hours, days
        self._total = (sum(days) + DAYS * _EVEN_DAY) * (sum(hours) + HOURS * _EVEN_HOUR)
        #: weights from Monday 00:00 to the start of each hour, and the week's last; made when first asked for
        self._sums: list[int] | None = None

    def between(self, from_ms: int, to_ms: int) -> int:
        if to_ms <= from_ms:
            return 0
        if to_ms - from_ms > _SHORT_MS:
            return (self._at(to_ms) - self._at(from_ms)) // _PERMILLE
        passed, number = 0, (from_ms + _MONDAY_MS) // HOUR_MS
        while (end_ms := (number + 1) * HOUR_MS - _MONDAY_MS) < to_ms:
            passed += self._weight(number) * (end_ms - from_ms)
            from_ms, number = end_ms, number + 1
        return (passed + self._weight(number) * (to_ms - from_ms)) // _PERMILLE

    def after(self, from_ms: int, active_ms: int) -> int | None:
        left = active_ms * _PERMILLE
        if active_ms > _SHORT_MS:
            left += self._at(from_ms)
            weeks, left = divmod(left, self._week()[-1] * HOUR_MS)
            from_ms = weeks * WEEK_MS - _MONDAY_MS
        number = (from_ms + _MONDAY_MS) // HOUR_MS
        while True:
            weight, end_ms = self._weight(number), (number + 1) * HOUR_MS - _MONDAY_MS
            if left <= weight * (end_ms - from_ms):
                return from_ms - (-left // weight)
            left -= weight * (end_ms - from_ms)
            from_ms, number = end_ms, number + 1

    def _weight(self, number: int) -> int:
        """Weight of an hour, in thousandths; hours are numbered from a Monday 00:00."""
        day, hour = divmod(number % _HOURS, HOURS)
        by_hour = (self._hours[hour] + _EVEN_HOUR) * _HOURS * _PERMILLE
        return max(_LEAST, (self._days[day] + _EVEN_DAY) * by_hour // self._total)

    def _week(self) -> list[int]:
        if self._sums is None:
            self._sums = list(accumulate(map(self._weight, range(_HOURS)), initial=0))
        return self._sums

    def _at(self, at_ms: int) -> int:
        """The time passed since a Monday in 1970, in thousandths of a millisecond."""
        sums = self._week()
        week, rest = divmod(at_ms + _MONDAY_MS, WEEK_MS)
        hour, part = divmod(rest, HOUR_MS)
        return (week * sums[-1] + sums[hour]) * HOUR_MS + (sums[hour + 1] - sums[hour]) * part
