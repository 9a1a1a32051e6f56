"""Event-time windows, all half-open `[start, end)`, and the day buckets that they are sums of.

A fact belongs to the bucket of its own event time, whenever it arrives, so a late fact lands where it belongs and a
replay fills the same buckets. Buckets are local days, numbered from 1970-01-01 (`streams.zones`); a window over
days is a sum of them. Windows over instants tile the whole axis from an origin, before it as well as after.
"""

from typing import Final

from msgspec import Struct

#: Offsets in `DayCounts` are moved back to zero from here on, so that they stay one byte each when stored.
_REBASE_AT: Final = 128


def tumbling(instant: int, size: int, origin: int = 0) -> tuple[int, int]:
    """Find the tumbling window of `size` that holds `instant`; any unit, days or milliseconds, as long as it is one."""
    start = instant - (instant - origin) % size
    return start, start + size


def hopping(instant: int, size: int, hop: int, origin: int = 0) -> list[tuple[int, int]]:
    """List the windows of `size`, one starting every `hop`, that hold `instant`, oldest first; none in a gap."""
    newest = tumbling(instant, hop, origin)[0]
    count = max(0, (newest + size - instant + hop - 1) // hop)
    return [(newest - hop * back, newest - hop * back + size) for back in range(count - 1, -1, -1)]


def trailing(end: int, size: int) -> tuple[int, int]:
    """Give the window of `size` that ends at `end`, which is outside it."""
    return end - size, end


class DayCounts(Struct, array_like=True, gc=False):
    """Counts by day over a trailing stretch of days: two bytes a busy day when stored, none for others."""

    #: the day that offsets count from
    base: int = 0
    #: offset of a day from `base`, its count, next offset, next count, …; offsets rise
    cells: list[int] = []

    def add(self, day: int, count: int, keep_days: int) -> bool:
        """Count something on a day and forget what is older than `keep_days` days up to the newest day.

        Returns: False when the day itself is already too old and nothing was counted.
        """
        cells = self.cells
        if not cells:
            self.base = day
            self.cells = [0, count]
            return True
        offset = day - self.base
        newest = cells[-2]
        if offset == newest:
            cells[-1] += count
        elif offset > newest:
            cells += (offset, count)
            if cells[0] <= offset - keep_days:
                self._drop_before(offset - keep_days + 1)
            if offset >= _REBASE_AT:
                self._rebase()
        elif offset <= newest - keep_days:
            return False
        else:
            index = 0
            while cells[index] < offset:
                index += 2
            if cells[index] == offset:
                cells[index + 1] += count
            else:
                cells[index:index] = (offset, count)
                if offset < 0:
                    self._rebase()
        return True

    def total(self, first_day: int, end_day: int) -> int:
        """Sum the counts of the days in `[first_day, end_day)`."""
        cells = self.cells
        first, end = first_day - self.base, end_day - self.base
        total = 0
        for index in range(len(cells) - 2, -1, -2):
            offset = cells[index]
            if offset < first:
                break
            if offset < end:
                total += cells[index + 1]
        return total

    def count(self, day: int) -> int:
        """Give the count of one day."""
        return self.total(day, day + 1)

    def oldest(self) -> int | None:
        """Name the oldest day that has a count, None when there is none."""
        return self.base + self.cells[0] if self.cells else None

    def newest(self) -> int | None:
        """Name the newest day that has a count, None when there is none."""
        return self.base + self.cells[-2] if self.cells else None

    def remove(self, day: int) -> int:
        """Take a day out and give its count."""
        cells, offset = self.cells, day - self.base
        for index in range(0, len(cells), 2):
            if cells[index] == offset:
                count = cells[index + 1]
                del cells[index : index + 2]
                return count
        return 0

    def fork(self) -> "DayCounts":
        """Copy, so that the copy can be changed alone."""
        return DayCounts(self.base, self.cells.copy())

    def _drop_before(self, offset: int) -> None:
        cells = self.cells
        index = 0
        while cells[index] < offset:
            index += 2
        del cells[:index]

    def _rebase(self) -> None:
        shift = self.cells[0]
        self.base += shift
        self.cells[::2] = [offset - shift for offset in self.cells[::2]]
