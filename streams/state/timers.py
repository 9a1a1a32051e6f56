"""Wake-up times of a partition's records, given back in their order.

What is due in the day that has begun stands in a heap. Later days lie packed and unsorted: most of what a partition
waits for is weeks away and often replaced before it is due, and a tuple in a heap takes 100 B where it takes 13 here.
"""

import heapq
from array import array
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from streams.clock import DAY_MS

NOTHING_DUE: Final = 1 << 62


class _Day:
    """Timers of one later day, in the order in which they came: ms after its beginning beside keys."""

    __slots__ = ("afters", "first_ms", "keys")

    def __init__(self) -> None:
        self.first_ms = NOTHING_DUE
        self.afters = array("I")
        self.keys: list[bytes] = []


class Timers:
    """(due instant in ms UTC, record key), earliest first and at the same instant in the order of keys.

    Attributes:
        next_ms: the earliest due instant, `NOTHING_DUE` when there is none.
    """

    __slots__ = ("_heap", "_later", "_until_ms", "next_ms")

    def __init__(self) -> None:
        self.next_ms = NOTHING_DUE
        self._heap: list[tuple[int, bytes]] = []
        #: the heap holds what is due before this, a midnight; `_later` the rest, by day since 1970
        self._until_ms = 0
        self._later: dict[int, _Day] = {}

    def __len__(self) -> int:
        return len(self._heap) + sum(len(day.keys) for day in self._later.values())

    def push(self, due_ms: int, key: bytes) -> None:
        if due_ms < self._until_ms:
            heapq.heappush(self._heap, (due_ms, key))
        else:
            number, after = divmod(due_ms, DAY_MS)
            day = self._later.get(number)
            if day is None:
                day = self._later[number] = _Day()
            if due_ms < day.first_ms:
                day.first_ms = due_ms
            day.afters.append(after)
            day.keys.append(key)
        if due_ms < self.next_ms:
            self.next_ms = due_ms

    def fill(self, timers: Iterable[tuple[int, bytes]]) -> None:
        """Push many into timers that are empty, at once."""
        days: defaultdict[int, list[tuple[int, bytes]]] = defaultdict(list)
        for timer in timers:
            days[timer[0] // DAY_MS].append(timer)
        for number, theirs in days.items():
            day, begin_ms = _Day(), number * DAY_MS
            day.afters = array("I", [due_ms - begin_ms for due_ms, _ in theirs])
            day.keys = [key for _, key in theirs]
            day.first_ms = begin_ms + min(day.afters)
            self._later[number] = day
        self.next_ms = min((day.first_ms for day in self._later.values()), default=NOTHING_DUE)

    def pop(self) -> tuple[int, bytes]:
        """Take the earliest. Raises IndexError when there is none."""
        heap = self._heap
        if not heap and self._later:
            number = self.next_ms // DAY_MS
            day = self._later.pop(number)
            begin_ms = number * DAY_MS
            heap = self._heap = [(begin_ms + after, key) for after, key in zip(day.afters, day.keys, strict=True)]
            heapq.heapify(heap)
            self._until_ms = (number + 1) * DAY_MS
        popped = heapq.heappop(heap)
        if heap:
            self.next_ms = heap[0][0]
        else:
            self.next_ms = self._later[min(self._later)].first_ms if self._later else NOTHING_DUE
        return popped
