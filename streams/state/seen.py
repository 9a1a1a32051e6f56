"""Which event ids have been seen: seven days of 64-bit hashes, packed.

Two forms of the same thing. What is stored: chunks of at most 16 hashes (128 B) per day, of which only the last is
ever rewritten, so a fact costs 68 B of state on average, whatever the size of its program; in memory a day is one
array. What is looked up: one open-addressing table over all days, 12 to 28 B per hash, where a Python `set` would take
70. Hashes of a day that fell out stay in the table until it is full or until one of them might be taken for a repeat;
only then is it rebuilt from the days.

A false repeat needs two ids of one week and partition with the same 64-bit hash: at a million facts a week, once in
37 million weeks.
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from struct import Struct
from typing import Final

KEEP_DAYS: Final = 7
#: hashes in a stored chunk
CHUNK: Final = 16
_SMALLEST: Final = 256
_unpack: Final = Struct("<Q").unpack


def fingerprint(topic: int, program_id: str, event_id: str) -> int:
    """64-bit hash of an event's identity: topic, program and event id. Never 0, which marks a free place."""
    digest = _begun(topic, program_id).copy()
    digest.update(event_id.encode())
    (mark,) = _unpack(digest.digest())
    return mark or 1


@lru_cache(maxsize=1 << 14)
def _begun(topic: int, program_id: str) -> blake2b:
    """The hash up to the event id: going on from a copy takes half the time of starting anew."""
    return blake2b(f"{topic}/{program_id}/".encode(), digest_size=8)


class Seen:
    """Hashes of the last `KEEP_DAYS` days, by day of the engine's clock (days since 1970)."""

    __slots__ = ("_day", "_days", "_dirty", "_is_stale", "_mask", "_newest", "_room", "_table", "_used")

    def __init__(self) -> None:
        #: day → its hashes in the order in which they came
        self._days: dict[int, array[int]] = {}
        self._dirty: dict[tuple[int, int], None] = {}
        self._table = array("Q", bytes(8 * _SMALLEST))
        self._mask = _SMALLEST - 1
        self._used = 0
        self._is_stale = False
        #: what was written to last: the day (-1: its chunk may not be marked as changed), its hashes, and how many more
        #: its last chunk holds
        self._day = -1
        self._newest = array("Q")
        self._room = 0

    def __len__(self) -> int:
        return sum(map(len, self._days.values()))

    def add(self, value: int, day: int) -> bool:
        """Remember a hash under a day; returns False, and changes nothing, when it is known already."""
        table, mask = self._table, self._mask
        place = value & mask
        while held := table[place]:
            if held == value:
                if not self._is_stale:
                    return False
                self._rebuild()
                return self.add(value, day)
            place = (place + 1) & mask
        table[place] = value
        self._used += 1
        if not self._room or day != self._day:
            self._open(day)
        self._newest.append(value)
        self._room -= 1
        if self._used * 3 > mask * 2:
            self._rebuild()
        return True

    def _open(self, day: int) -> None:
        """Find the chunk that the next hash of a day goes into, and mark it as changed."""
        hashes = self._days.get(day)
        if hashes is None:
            hashes = self._days[day] = array("Q")
        number, used = divmod(len(hashes), CHUNK)
        self._day, self._newest, self._room = day, hashes, CHUNK - used
        self._dirty[day, number] = None

    def expire(self, today: int) -> None:
        """Forget the days before `today - KEEP_DAYS`; cheap while no day falls out."""
        first = today - KEEP_DAYS
        gone = sorted(day for day in self._days if day < first)
        if not gone:
            return
        self._day = -1
        for day in gone:
            self._mark(day, len(self._days.pop(day)))
        self._is_stale = True

    def _mark(self, day: int, amount: int) -> None:
        """Mark the chunks of so many hashes of a day as changed."""
        for number in range(-(-amount // CHUNK)):
            self._dirty[day, number] = None

    def dirty(self) -> Iterator[tuple[int, int, bytes | None]]:
        """Chunks changed since the last call as (day, number, packed hashes); None where the day was forgotten."""
        changed, self._dirty, self._day = self._dirty, {}, -1
        for day, number in changed:
            hashes = self._days.get(day)
            yield day, number, None if hashes is None else hashes[number * CHUNK : (number + 1) * CHUNK].tobytes()

    def restore(self, days: Mapping[int, Sequence[bytes]]) -> None:
        """Fill an empty memory from the stored chunks of each day, in the order of their numbers."""
        for day, chunks in days.items():
            hashes = self._days[day] = array("Q", b"".join(chunks))
            if any(len(chunk) > 8 * CHUNK for chunk in chunks):
                self._mark(day, len(hashes))  # chunks of twice the size, as they were once: the day is written anew
        self._rebuild()

    def _rebuild(self) -> None:
        size, count = _SMALLEST, len(self)
        while size * 9 < count * 16:
            size *= 2
        table, mask = array("Q", bytes(8 * size)), size - 1
        for hashes in self._days.values():
            for value in hashes:
                place = value & mask
                while table[place]:
                    place = (place + 1) & mask
                table[place] = value
        self._table, self._mask, self._used, self._is_stale = table, mask, count, False
