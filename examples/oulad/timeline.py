"""Days of a course put on today's calendar: when a day of 2013 happens in a year that ends now.

Every presentation is shifted by whole weeks, so that weekdays stay what they were. The two of October end within the
week before `end`. Those of February are brought 30 weeks nearer (they ended before the others began), so that one year
holds all four from their start to their end: a pair that was matched before anybody looked proves nothing about first
meetings.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from examples.oulad.source import Presentation

TIMEZONE: Final = "Europe/London"
YEAR_DAYS: Final = 364
"""Facts begin so many days before the newest presentation ends; what was known by then is loaded at once."""

CHRISTMAS: Final = (date(2013, 12, 21), date(2014, 1, 1))
"""First and last local date of the break that the October presentations span, in the years of the data."""

_ZONE: Final = ZoneInfo(TIMEZONE)
_NEWEST_END: Final = date(2014, 6, 30)
_NEARER: Final = {"2013B": timedelta(weeks=30), "2013J": timedelta()}
_DAYTIME_STARTS: Final = 8
_DAYTIME_HOURS: Final = 14
_HOUR_MS: Final = 3_600_000
_SECOND: Final = timedelta(seconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Timeline:
    """Places (presentation, day, part of the day) on a calendar whose year is over at `end`."""

    def __init__(self, end: datetime) -> None:
        """Choose the shift.

        Args:
            end: the moment the year ends, usually now; aware.

        Raises: ValueError when `end` is naive.
        """
        if end.tzinfo is None:
            raise ValueError("`end` needs an offset")
        weeks, _ = divmod((end.astimezone(_ZONE).date() - _NEWEST_END).days, 7)
        self._shift = timedelta(weeks=weeks)
        self._noons_ms: dict[tuple[str, int], int] = {}
        first_day = _NEWEST_END + self._shift - timedelta(days=YEAR_DAYS)
        self.begin_ms: Final = _local_ms(first_day, 0)
        """When the first fact arrives, ms UTC."""

    def day_on(self, presentation: Presentation, day: int) -> date:
        """Return the local date of a day of the course, 0 being the first."""
        return presentation.first_day + self._shift + _NEARER[presentation.code] + timedelta(days=day)

    def midnight_ms(self, presentation: Presentation, day: int) -> int:
        """Return the local midnight at which a day of the course begins, ms UTC."""
        return _local_ms(self.day_on(presentation, day), 0)

    def noon_ms(self, presentation: Presentation, day: int) -> int:
        """Return the local noon of a day of the course, ms UTC."""
        place = (presentation.code, day)
        noon_ms = self._noons_ms.get(place)
        if noon_ms is None:
            noon_ms = self._noons_ms[place] = _local_ms(self.day_on(presentation, day), 12)
        return noon_ms

    def daytime_ms(self, presentation: Presentation, day: int, part: float) -> int:
        """Return an instant between 08:00 and 22:00 local time, ms UTC; `part` runs from 0 to 1 between them."""
        hours = _DAYTIME_STARTS - 12 + _DAYTIME_HOURS * part
        return self.noon_ms(presentation, day) + int(hours * _HOUR_MS)

    def evening_ms(self, presentation: Presentation, day: int, part: float) -> int:
        """Return an instant between 22:00 and 23:00 local time, after all that happens in the daytime, ms UTC."""
        return self.noon_ms(presentation, day) + int((10 + part) * _HOUR_MS)

    def breaks(self, presentation: Presentation) -> list[tuple[date, date]]:
        """Return first and last local date of every break of the presentation."""
        moved = self._shift + _NEARER[presentation.code]
        over = presentation.first_day + timedelta(days=presentation.length_days)
        first, last = CHRISTMAS
        return [(first + moved, last + moved)] if presentation.first_day <= first and last < over else []


def _local_ms(day: date, hour: int) -> int:
    local = datetime.combine(day, time(hour), tzinfo=_ZONE)
    return ((local - _EPOCH) // _SECOND) * 1_000
