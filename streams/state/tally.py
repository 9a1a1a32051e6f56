"""Counts of a whole program by day, so that a window over the program is a sum and never a scan of its people.

A tally stands in a record of its own beside the program, so that a fact rewrites the few hundred bytes of the tallies
it belongs to and not all of them.
"""

from bisect import bisect_left
from typing import Final

from streams.state.record import Record

#: How long coordinators' answers are kept: the longest window of `rule.noisy`.
KEPT_ANSWER_DAYS: Final = 366
#: Days are dropped by so many at a time, counted from 1970-01-01: they stand in one stored row, see
#: `streams.state.parts`, which is then deleted instead of being written anew every day with one day less.
CHUNK_DAYS: Final = 16


class Tally(Record, kw_only=True):
    """Counters in `width` columns by day over a trailing stretch of days; days without a count take no space.

    What is counted, and whose, stands in the key. Days are numbered from 1970-01-01, in the program's zone or in UTC as
    the writer of the tally says. Counts may be negative when something counted before is moved to another day.
    """

    width: int = 1
    #: the day that offsets count from
    base: int = 0
    #: offset of a day, then its `width` counts; next offset, …; offsets rise
    cells: list[int] = []
    #: offset of the oldest day that counts; older ones are forgotten, and dropped when all of their chunk are
    since: int = 0

    def add(self, day: int, counts: tuple[int, ...], keep_days: int) -> bool:
        """Add to the counts of a day, and forget what is older than `keep_days` days up to the newest day.

        Returns: False when the day itself is already too old and nothing was counted.
        """
        cells, step = self.cells, self.width + 1
        if not cells:
            self.base, self.cells = day, [0, *counts]
            return True
        offset, newest = day - self.base, cells[-step]
        if offset > newest:
            cells += (offset, *counts)
            self._forget(offset - keep_days + 1)
            return True
        if offset <= newest - keep_days:
            return False
        place = len(cells) - step
        while place > 0 and cells[place] > offset:
            place -= step
        if cells[place] == offset:
            if step == 2:  # the tally that nearly every fact adds to
                cells[place + 1] += counts[0]
                return True
            for column, count in enumerate(counts, place + 1):
                cells[column] += count
        else:
            place = place + step if cells[place] < offset else place
            cells[place:place] = (offset, *counts)
            if offset < 0:
                self._rebase()
        return True

    def totals(self, first_day: int, end_day: int) -> list[int]:
        """Sum each column over the days in `[first_day, end_day)`."""
        cells, step = self.cells, self.width + 1
        offsets = cells[::step]
        first = bisect_left(offsets, max(self.since, first_day - self.base)) * step
        end = bisect_left(offsets, end_day - self.base) * step
        return [sum(cells[first + column : end : step]) for column in range(1, step)]

    def days(self, first_day: int, end_day: int) -> list[int]:
        """List the days in `[first_day, end_day)` that have an entry, oldest first."""
        offsets = self.cells[:: self.width + 1]
        first = max(self.since, first_day - self.base)
        found = offsets[bisect_left(offsets, first) : bisect_left(offsets, end_day - self.base)]
        return [self.base + offset for offset in found]

    def oldest(self, first_day: int) -> int | None:
        """Name the oldest day from `first_day` on that has an entry, None when there is none."""
        first = max(self.since, first_day - self.base)
        return next((self.base + offset for offset in self.cells[:: self.width + 1] if offset >= first), None)

    def _forget(self, offset: int) -> None:
        """Forget the days before an offset."""
        if offset <= self.since:
            return
        self.since = offset
        whole = offset - (self.base + offset) % CHUNK_DAYS
        if self.cells[0] < whole:
            cells, place = self.cells, 0
            while cells[place] < whole:
                place += self.width + 1
            del cells[:place]
            self._rebase()

    def _rebase(self) -> None:
        """Count offsets from the oldest day that is there."""
        cells, step = self.cells, self.width + 1
        shift = cells[0]
        self.base += shift
        cells[::step] = [each - shift for each in cells[::step]]
        self.since = max(0, self.since - max(0, shift))
