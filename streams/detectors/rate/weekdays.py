"""How a program's week looks: a weekday profile, learned from its own submissions and shrunk to the shipped one.

Whole weeks of seven local days are counted by weekday, so that every weekday had the same chance; a week with a day of
an announced break in it is left out. The posterior mean of a Dirichlet law gives the profile: the shipped profile is
worth `weekday_weight` submissions. A profile only ever holds for what comes after the submissions that taught it, and
they are taken in only where the baseline's counts are committed as well: a drop, or an alarm, teaches nothing.

Counts are forgotten by halving them every 26 weeks. The profile changes when a quarter more is known, or four weeks
have passed, so that it changes a few times a year and not with every week.

Source: Gelman et al. (2013), Bayesian Data Analysis, section 3.4, for the Dirichlet law.
"""

from typing import Final

from msgspec import Struct

from streams.calendar import PERMILLE, Calendar, normalised_week
from streams.detectors.rate.exposure import KEEP_DAYS
from streams.detectors.rate.parameters import RateParams
from streams.windows import DayCounts

_HALF_LIFE_DAYS: Final = 182
_ENOUGH_DAYS: Final = 28
#: Share of what is known that must be added before the profile changes, as its inverse.
_ENOUGH_MORE: Final = 4


class Weekdays(Struct, array_like=True, gc=False):
    """The profile in force, and for a stream that learns it the counts behind it, Monday first."""

    #: thousandths with mean 1,000; None = the shipped one
    week: tuple[int, ...] | None = None
    #: submissions by weekday; empty = none yet
    counts: list[int] = []
    #: days since the start of the stream up to which submissions have been taken in, or never will be; the first week
    #: is left out, with its launch day
    upto: int = 7


def fork(weekdays: Weekdays) -> Weekdays:
    """Copy, so that the copy can be changed alone."""
    return Weekdays(weekdays.week, weekdays.counts.copy(), weekdays.upto)


def take_in(
    weekdays: Weekdays,
    counts: DayCounts,
    start_day: int,
    today: int,
    calendar: Calendar,
    params: RateParams,
    every: bool,
) -> None:
    """Learn from the whole weeks before `today` that have not been looked at.

    Args:
        counts: submissions by local day.
        start_day: first local day of the stream.
        every: take them in even if they are few.
    """
    weight = params.weekday_weight
    begin = start_day + weekdays.upto
    if weight is None or today - begin < 7:
        return
    begin = max(begin, today - KEEP_DAYS + 1)  # what is older is not kept
    end = begin + (today - begin) // 7 * 7
    if not every and today - begin < _ENOUGH_DAYS:
        known = weight + sum(weekdays.counts)
        if counts.total(begin, end) * _ENOUGH_MORE < known:
            return
    learned = weekdays.counts or [0] * 7
    for first in range(begin, end, 7):
        days = range(first, first + 7)
        if all(calendar.day_value(day) == PERMILLE for day in days):
            for day in days:
                # 1970-01-01 was a Thursday, weekday 3.
                learned[(day + 3) % 7] += counts.count(day)
    upto = end - start_day
    halvings = upto // _HALF_LIFE_DAYS - weekdays.upto // _HALF_LIFE_DAYS
    weekdays.counts, weekdays.upto = [count >> halvings for count in learned], upto
    weekdays.week = profile(weekdays.counts, params.week, weight)


def profile(counts: list[int], shipped: tuple[int, ...], weight: float) -> tuple[int, ...]:
    """Shrink counts by weekday to the shipped profile, which is worth `weight` submissions; thousandths, mean 1,000."""
    share = weight / (7 * PERMILLE)
    return normalised_week([share * value + count for value, count in zip(shipped, counts, strict=True)])


def may_change(
    weekdays: Weekdays, counts: DayCounts, more: int, start_day: int, today: int, params: RateParams
) -> bool:
    """Tell whether the profile may change before the end of `today`, with `more` submissions; True says nothing."""
    begin = start_day + weekdays.upto
    if params.weekday_weight is None or today + 1 - begin < 7:
        return False
    if today + 1 - begin >= _ENOUGH_DAYS:
        return True
    known = params.weekday_weight + sum(weekdays.counts)
    return (counts.total(begin, today + 1) + more) * _ENOUGH_MORE >= known
