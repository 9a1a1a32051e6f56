"""A program's calendar: breaks, clock-stops, and profile time, over local days (`streams.zones`).

Two ideas live here, both in whole milliseconds UTC, so that every machine gets the same answer.

*Clock-stops.* Durations of absence rules stand still inside stops (breaks, pauses, before the start, after the end):
`running_ms` measures such a duration and `due_ms` is its inverse.

*Profile time.* A profile s(t) with mean 1 says how busy each day is expected to be: a weekday pattern, and a value
below 1 inside breaks. Its integral counts profile milliseconds; `WEEK_MS` of them are a profile-week. Detectors
measure exposure in profile time. It is kept as an integer, so that stretches add up exactly however they are cut. Where
weekdays differ a day counts as one, whether the clocks change on it or not.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import date
from functools import lru_cache
from typing import Final

from streams.clock import DAY_MS
from streams.zones import day_number, zone

WEEK_MS: Final = 7 * DAY_MS
#: The end of a stop that has no end. Any later instant is written as this one.
FOREVER: Final = 1 << 62
#: Profile values are whole thousandths.
PERMILLE: Final = 1_000
FLAT_WEEK: Final = (PERMILLE,) * 7
#: A weekday's value times a day's, both in thousandths.
_MILLION: Final = PERMILLE * PERMILLE

Interval = tuple[int, int]

_KEPT_WEEKS: Final = 64
_KEPT_LINES: Final = 128
_CACHED_DAYS: Final = 20_000


def running_ms(anchor_ms: int, now_ms: int, stops: Sequence[Interval]) -> int:
    """Measure the time from `anchor_ms` to `now_ms` outside `stops` (sorted, disjoint); 0 before the anchor."""
    if now_ms <= anchor_ms:
        return 0
    running = now_ms - anchor_ms
    for start, end in stops:
        if start >= now_ms:
            break
        if end > anchor_ms:
            running -= min(end, now_ms) - max(start, anchor_ms)
    return running


def due_ms(anchor_ms: int, duration_ms: int, stops: Sequence[Interval]) -> int | None:
    """Find the smallest instant at which `running_ms` from `anchor_ms` reaches `duration_ms`.

    Returns None when a stop without an end comes first. A duration of 0 is due at the anchor, inside a stop as well.
    """
    due = anchor_ms + duration_ms
    for start, end in stops:
        if end <= anchor_ms:
            continue
        stopped_from = max(start, anchor_ms)
        if stopped_from >= due:
            break
        if end >= FOREVER:
            return None
        due += end - stopped_from
    return due


def union(*groups: Iterable[Interval]) -> tuple[Interval, ...]:
    """Merge intervals of any order into sorted disjoint ones; touching ones become one, empty ones vanish."""
    merged: list[Interval] = []
    for start, end in sorted(interval for group in groups for interval in group):
        if end <= start:
            continue
        if merged and start <= merged[-1][1]:
            if end > merged[-1][1]:
                merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return tuple(merged)


def normalised_week(weights: Sequence[float]) -> tuple[int, ...]:
    """Scale seven weekday weights (Monday first) to whole thousandths with mean 1.

    Raises: ValueError unless there are seven finite weights of at least 0 with a positive sum.
    """
    total = sum(weights)
    if len(weights) != 7 or not all(0 <= weight < float("inf") for weight in weights) or not 0 < total < float("inf"):
        raise ValueError("a weekday pattern is seven weights of at least 0, not all of them 0")
    exact = [weight * 7 * PERMILLE / total for weight in weights]
    whole = [int(value) for value in exact]
    by_remainder = sorted(range(7), key=lambda weekday: (whole[weekday] - exact[weekday], weekday))
    for weekday in by_remainder[: 7 * PERMILLE - sum(whole)]:
        whole[weekday] += 1
    return tuple(whole)


class Calendar:
    """Days, breaks and profile of one program. Use `calendar_of`, so that equal programs share one.

    Attributes:
        breaks: announced breaks as sorted disjoint UTC intervals; they are clock-stops.
        ends_ms: the end of the program's run, None when it has none.
    """

    __slots__ = (
        "_aged",
        "_break_days",
        "_break_value",
        "_instants",
        "_lines",
        "_made_of",
        "_plain",
        "_sums",
        "_ticks",
        "_values",
        "_week",
        "_weekly",
        "breaks",
        "day_of",
        "day_start",
        "ends_ms",
    )

    def __init__(
        self,
        timezone: str = "UTC",
        breaks: Sequence[tuple[str, str]] = (),
        ends_ms: int | None = None,
        weekdays: Sequence[int] = FLAT_WEEK,
        break_value: int = 0,
    ) -> None:
        if len(weekdays) != 7 or min(weekdays) < 0 or sum(weekdays) != 7 * PERMILLE:
            raise ValueError("a weekday pattern is seven values in thousandths with mean 1,000")
        if not 0 <= break_value < PERMILLE:
            raise ValueError("the profile value inside a break is at least 0 and below 1,000 thousandths")
        local = zone(timezone)
        self.day_start = local.day_start
        self.day_of = local.day_of
        self.ends_ms = ends_ms
        days = union((day_number(date.fromisoformat(a)), day_number(date.fromisoformat(b)) + 1) for a, b in breaks)
        self.breaks: tuple[Interval, ...] = union((local.day_start(first), local.day_start(end)) for first, end in days)
        self._made_of = (timezone, tuple(breaks), ends_ms)
        self._week = tuple(weekdays)
        self._sums = tuple(sum(self._week[:weekday]) for weekday in range(7))
        self._lines: dict[int, tuple[int, int, int, int]] = {}
        self._weekly: dict[tuple[int, ...], Calendar] = {}
        self._break_days = days
        self._break_value = break_value
        self._aged: dict[tuple[int, int], int] = {}
        # Where weekdays are alike the profile is a broken line: from _instants[i] on it rises by _values[i] a
        # millisecond, from _ticks[i].
        self._instants: list[int] = []
        self._ticks: list[int] = []
        self._values: list[int] = []
        self._plain = self._week == FLAT_WEEK
        for start, end in self.breaks if self._plain else ():
            before = self._ticks[-1] + PERMILLE * (start - self._instants[-1]) if self._ticks else PERMILLE * start
            self._instants += (start, end)
            self._ticks += (before, before + break_value * (end - start))
            self._values += (break_value, PERMILLE)

    def in_week(self, weekdays: tuple[int, ...]) -> "Calendar":
        """Give the same calendar with another weekday pattern (thousandths, mean 1,000)."""
        if weekdays == self._week:
            return self
        found = self._weekly.get(weekdays)
        if found is None:
            if len(self._weekly) >= _KEPT_WEEKS:
                self._weekly.clear()
            timezone, breaks, ends_ms = self._made_of
            found = self._weekly[weekdays] = calendar_of(timezone, breaks, ends_ms, weekdays, self._break_value)
        return found

    def day_value(self, day: int) -> int:
        """Give the profile's value on a local day, weekdays apart, in thousandths: below 1,000 inside breaks only."""
        for first, end in self._break_days:
            if first <= day < end:
                return self._break_value
        return PERMILLE

    def day_of_age(self, day: int, days: int) -> int:
        """Find the local day at whose end what came on `day` is `days` days old; breaks age at their value."""
        if not self._break_days:
            return day + days
        key = (day, days)
        aged = self._aged.get(key)
        if aged is None:
            age, aged = 0, day
            while age < days * PERMILLE:
                aged += 1
                age += self.day_value(aged)
            if len(self._aged) >= _CACHED_DAYS:
                self._aged.clear()
            self._aged[key] = aged
        return aged

    def profile_ms(self, instant_ms: int) -> int:
        """Integrate the profile up to an instant, in profile milliseconds. Only differences mean anything."""
        if not self._plain:
            found = self._lines.get(instant_ms // DAY_MS)
            if found is None or not found[0] <= instant_ms < found[1]:
                found = self._line_of(instant_ms)
            start, end, before, rise = found
            return (before + rise * (instant_ms - start) // (end - start)) // _MILLION
        if not self._instants:
            return instant_ms
        index = bisect_right(self._instants, instant_ms) - 1
        if index < 0:
            return (self._ticks[0] - PERMILLE * (self._instants[0] - instant_ms)) // PERMILLE
        return (self._ticks[index] + self._values[index] * (instant_ms - self._instants[index])) // PERMILLE

    def instant_at(self, profile_ms: int) -> int:
        """Find the smallest instant at which `profile_ms` reaches a value that it gave; inverse of `profile_ms`."""
        if not self._plain:
            return self._instant_in_week(profile_ms)
        if not self._instants:
            return profile_ms
        wanted = profile_ms * PERMILLE
        index = bisect_left(self._ticks, wanted) - 1
        if index < 0:
            return self._instants[0] - (self._ticks[0] - wanted) // PERMILLE
        return self._instants[index] - (self._ticks[index] - wanted) // self._values[index]

    def _instant_in_week(self, profile_ms: int) -> int:
        wanted = profile_ms * _MILLION
        # Without breaks a day's number is at most three days and a week from its profile days; breaks make it later.
        low, step = profile_ms // DAY_MS - 12, 32
        while self._before(low + step) * DAY_MS < wanted:
            low, step = low + step - 1, 2 * step
        high = low + step - 1
        while high - low > 1:
            middle = (low + high) // 2
            if self._before(middle + 1) * DAY_MS >= wanted:
                high = middle
            else:
                low = middle
        start = self.day_start(high)
        left = (wanted - self._before(high) * DAY_MS) * (self.day_start(high + 1) - start)
        return start - (-left // (self._value(high) * DAY_MS))

    def _line_of(self, instant_ms: int) -> tuple[int, int, int, int]:
        """Find the local day of an instant: its start and end, the profile before it, and by how much it rises."""
        day = self.day_of(instant_ms)
        before, rise = self._before(day) * DAY_MS, self._value(day) * DAY_MS
        found = self.day_start(day), self.day_start(day + 1), before, rise
        if len(self._lines) >= _KEPT_LINES:
            self._lines.clear()
        # By UTC day, of which a local day fills the most part: what is found must be looked at.
        self._lines[instant_ms // DAY_MS] = found
        return found

    def _before(self, day: int) -> int:
        """Add up the profile before a local day, in millionths of a day; a day counts as one however long it lasts."""
        passed = self._of_weekdays(day) * PERMILLE
        for first, end in self._break_days:
            if day <= first:
                break
            inside = self._of_weekdays(min(day, end)) - self._of_weekdays(first)
            passed -= inside * (PERMILLE - self._break_value)
        return passed

    def _of_weekdays(self, day: int) -> int:
        # 1970-01-01 was a Thursday, weekday 3.
        weeks, weekday = divmod(day + 3, 7)
        return weeks * 7 * PERMILLE + self._sums[weekday]

    def _value(self, day: int) -> int:
        return self._week[(day + 3) % 7] * self.day_value(day)


@lru_cache(maxsize=4096)
def calendar_of(
    timezone: str = "UTC",
    breaks: tuple[tuple[str, str], ...] = (),
    ends_ms: int | None = None,
    weekdays: tuple[int, ...] = FLAT_WEEK,
    break_value: int = 0,
) -> Calendar:
    """Give the calendar of a program; equal arguments give the same object, with its caches.

    Args:
        timezone: IANA name of the program's zone.
        breaks: local ISO dates (`from`, `to`), both inclusive; one that ends before it starts is no break.
        ends_ms: end of the run, None when it has none.
        weekdays: profile of a week, Monday first, in thousandths with mean 1,000 (see `normalised_week`).
        break_value: profile inside a break, in thousandths. The shipped 0 expects nothing there: with a value above 0
            a silent holiday of a busy program would be a false alarm.

    Raises: ValueError for an unknown zone, a date that is none, or values out of range.
    """
    return Calendar(timezone, breaks, ends_ms, weekdays, break_value)
