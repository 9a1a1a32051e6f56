"""Local days of time zones, in whole milliseconds UTC.

Day `d` is the local date `d` days after 1970-01-01 and covers `[day_start(d), day_start(d + 1))`. It has 23 or 25 hours
where the clocks change, and none at all where a zone skipped a date. Zone data comes from the `tzdata` package and
never from the machine, so that two machines cannot disagree about midnight.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

from streams.clock import DAY_MS, MINUTE_MS

_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_MS: Final = timedelta(milliseconds=1)
_CACHED_DAYS: Final = 20_000


def day_number(local_date: date) -> int:
    """Count days from 1970-01-01 to a local date."""
    return local_date.toordinal() - _EPOCH_ORDINAL


def day_date(day: int) -> date:
    """Name the local date of a day number; inverse of `day_number`."""
    return date.fromordinal(day + _EPOCH_ORDINAL)


class Zone:
    """Local days of one time zone. Use `zone`, which keeps one per name."""

    __slots__ = ("_guess_ms", "_info", "_last", "_starts", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._info: ZoneInfo | None = None if name == "UTC" else _load_zone(name)
        self._starts: dict[int, int] = {}
        self._guess_ms = 0
        #: start, end and number of the day that was found last: facts mostly come on the day of the one before
        self._last = (0, 0, 0)

    def day_start(self, day: int) -> int:
        """Find the first instant of a local day.

        Where midnight does not exist this is the instant the clocks jumped, where it exists twice the first of the two.
        """
        if self._info is None:
            return day * DAY_MS
        start = self._starts.get(day)
        if start is None:
            midnight = datetime.combine(day_date(day), datetime.min.time(), tzinfo=self._info)
            start = (midnight - _EPOCH) // _ONE_MS
            if len(self._starts) >= _CACHED_DAYS:
                self._starts.clear()
            self._starts[day] = start
        return start

    def day_of(self, instant_ms: int) -> int:
        """Find the local day of an instant, consistent with `day_start` even where clocks go back over midnight."""
        if self._info is None:
            return instant_ms // DAY_MS
        start, end, day = self._last
        if start <= instant_ms < end:
            return day
        # The offset of the last call is nearly always still right, and wrong by a day at most.
        day = (instant_ms - self._guess_ms) // DAY_MS
        start = self.day_start(day)
        while start > instant_ms:
            day -= 1
            start = self.day_start(day)
        end = self.day_start(day + 1)
        while end <= instant_ms:
            day, start, end = day + 1, end, self.day_start(day + 2)
        self._last, self._guess_ms = (start, end, day), start - day * DAY_MS
        return day

    def clock_start(self, day: int, minute: int) -> int:
        """Find the first instant of a local day at which the clock shows `minute` minutes after midnight, or more.

        Where the clocks jump over it this is the jump; the day's end where its clock never gets there.
        """
        start, end = self.day_start(day), self.day_start(day + 1)
        if self._info is None:
            return start + minute * MINUTE_MS
        shown = datetime.combine(day_date(day), time(minute // 60, minute % 60), tzinfo=self._info)
        found = (shown - _EPOCH) // _ONE_MS
        if self.local(found).replace(tzinfo=None) != shown.replace(tzinfo=None):
            # A time that does not exist: between its two readings (with the offset after and before) lies the jump.
            before, offset = (shown.replace(fold=1) - _EPOCH) // _ONE_MS, shown.utcoffset()
            while found - before > 1:
                middle = (found + before) // 2
                if self.local(middle).utcoffset() == offset:
                    before = middle
                else:
                    found = middle
        return min(max(found, start), end)

    def local(self, instant_ms: int) -> datetime:
        """Show an instant as this zone's clock does."""
        return (_EPOCH + timedelta(milliseconds=instant_ms)).astimezone(self._info or UTC)


def _load_zone(name: str) -> ZoneInfo:
    try:
        if name in _zone_names():
            with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
                return ZoneInfo.from_file(data, key=name)
    except OSError as error:
        raise ValueError(f"no data for time zone {name!r}") from error
    raise ValueError(f"unknown time zone {name!r}")


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


@lru_cache(maxsize=1024)
def zone(name: str) -> Zone:
    """Give the zone of an IANA name. Raises ValueError for a name that the `tzdata` package does not have."""
    return Zone(name)
