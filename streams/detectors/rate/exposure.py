"""The exposure of a stream: how many pairs were active, integrated over profile time.

Nothing is done day by day. While the number of pairs stays the same the integral is a straight line in profile time, so
one point and a slope are enough; only days on which the number changed leave a knot behind. Any window back to
`KEEP_DAYS` is a difference of two points of that broken line. All sums are whole milliseconds.
"""

from typing import Final

from msgspec import Struct

from streams.calendar import Calendar

#: Windows of up to 8 weeks are asked for, and the day that is running.
KEEP_DAYS: Final = 57
#: Every change of the last four weeks is kept; older knots are thinned to one a week.
_EXACT_DAYS: Final = 30
_UNCHANGED: Final = -1


class ExposureLine(Struct, array_like=True, gc=False):
    """The integral up to `at_ms`, and what is needed to read it at day starts before and instants after."""

    at_ms: int
    #: local day of the start; other days are counted from it
    start_day: int
    #: pairs active from `at_ms` on
    pairs: int = 0
    #: pair-milliseconds of profile time up to `at_ms`
    exposure: int = 0
    #: profile milliseconds with any active pair up to `at_ms`: the clock that rules ages
    clock: int = 0
    #: day of the newest change while that day has not ended, else -1
    changed_day: int = _UNCHANGED
    #: day, exposure at its start, next day, …
    knots: list[int] = []


def start(at_ms: int, calendar: Calendar) -> ExposureLine:
    """Begin at an instant without pairs."""
    return ExposureLine(at_ms, calendar.day_of(at_ms))


def exposure_at(line: ExposureLine, instant_ms: int, calendar: Calendar) -> int:
    """Read the integral at an instant not before the newest change."""
    return line.exposure + line.pairs * (calendar.profile_ms(instant_ms) - calendar.profile_ms(line.at_ms))


def move(line: ExposureLine, to_ms: int, calendar: Calendar) -> int:
    """Move on to an instant that is not earlier; returns the profile milliseconds passed."""
    passed = calendar.profile_ms(to_ms) - calendar.profile_ms(line.at_ms)
    changed = line.changed_day
    if changed != _UNCHANGED:
        end_ms = calendar.day_start(line.start_day + changed + 1)
        if end_ms <= to_ms:
            line.knots += (changed + 1, exposure_at(line, end_ms, calendar))
            line.changed_day = _UNCHANGED
    line.at_ms = to_ms
    if line.pairs:
        line.exposure += line.pairs * passed
        line.clock += passed
    return passed


def change(line: ExposureLine, pairs: int, calendar: Calendar) -> None:
    """Set the number of active pairs from `at_ms` on."""
    if pairs == line.pairs:
        return
    day = calendar.day_of(line.at_ms) - line.start_day
    knots = line.knots
    if not knots and (day or line.exposure):
        knots += (0, 0)
        if day > 1:
            # The first day is not a whole one, so it needs a stretch of its own.
            knots += (1, _before_today(line, 1, calendar))
    if knots:
        if knots[-2] != day:
            knots += (day, _before_today(line, day, calendar))
        line.changed_day = day
        _thin(knots, day)
    line.pairs = pairs


def _before_today(line: ExposureLine, day: int, calendar: Calendar) -> int:
    """Read the integral at the start of a day since which the number of pairs has not changed."""
    passed = calendar.profile_ms(line.at_ms) - calendar.profile_ms(_start_of(line, day, calendar))
    return max(0, line.exposure - line.pairs * passed)


def exposure_before(line: ExposureLine, day: int, calendar: Calendar) -> int:
    """Read the integral at the start of a local day, at most the next one after `at_ms`; 0 before the start."""
    day -= line.start_day
    knots = line.knots
    if day <= 0:
        return 0 if not knots else knots[1]
    if not knots or day > knots[-2] or (day == knots[-2] and line.changed_day == _UNCHANGED):
        return max(0, exposure_at(line, calendar.day_start(line.start_day + day), calendar))
    index = len(knots) - 2
    while index and knots[index] > day:
        index -= 2
    if knots[index] >= day:
        return knots[index + 1]
    left = calendar.profile_ms(_start_of(line, knots[index], calendar))
    here = calendar.profile_ms(_start_of(line, day, calendar))
    right = calendar.profile_ms(_start_of(line, knots[index + 2], calendar))
    rise = knots[index + 3] - knots[index + 1]
    return knots[index + 1] + (rise * (here - left) // (right - left) if right > left else 0)


def fork(line: ExposureLine) -> ExposureLine:
    """Copy, so that the copy can be changed alone."""
    return ExposureLine(
        line.at_ms, line.start_day, line.pairs, line.exposure, line.clock, line.changed_day, line.knots.copy()
    )


def _start_of(line: ExposureLine, day: int, calendar: Calendar) -> int:
    """Give the start of a day counted from the line's own; the first day begins with the line."""
    return calendar.day_start(line.start_day + day)


def _thin(knots: list[int], today: int) -> None:
    """Drop knots that no window reaches but the newest of them; keep one a week of those older than four weeks."""
    while len(knots) > 2 and knots[2] <= today - KEEP_DAYS:
        del knots[:2]
    index = 2
    while index < len(knots) and knots[index] < today - _EXACT_DAYS:
        if index + 2 < len(knots) and knots[index + 2] - knots[index - 2] <= 7:
            del knots[index : index + 2]
        else:
            index += 2
