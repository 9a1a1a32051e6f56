"""Which event ids have been seen: seven days of 64-bit hashes, packed.

Two forms of the same thing. What is stored: chunks of at most 16 hashes (128 B) per day, of which only the last is
ever rewritten, so a fact costs 68 B of state on average, whatever the size of its program. What is looked up: one
open-addressing table over all days, 12 to 28 B per hash, where a Python `set` would take 70. Hashes of a day that fell
out stay in the table until it is full or until one of them might be taken for a repeat; only then is it rebuilt from
the chunks.

A false repeat needs two ids of one week and partition with the same 64-bit hash: at a million facts a week, once in
37 million weeks.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from struct import Struct
from typing import Final

KEEP_DAYS: Final = 7
#: Stored chunks of 256 B, as they were once, are kept as they are until their day falls out.
CHUNK_BYTES: Final = 128
_SMALLEST: Final = 256
_BLOCK: Final = 1_024
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

    __slots__ = ("_day", "_days", "_dirty", "_is_stale", "_mask", "_table", "_tail", "_used")

    def __init__(self) -> None:
        #: day → its chunks by number; only the last one of a day may grow
        self._days: dict[int, list[bytes | bytearray]] = {}
        self._dirty: dict[tuple[int, int], None] = {}
        self._table = array("Q", bytes(8 * _SMALLEST))
        self._mask = _SMALLEST - 1
        self._used = 0
        self._is_stale = False
        #: the chunk that was written last, and its day; -1 while it may not be marked as changed
        self._day = -1
        self._tail = bytearray()

    def __len__(self) -> int:
        return sum(sum(map(len, chunks)) for chunks in self._days.values()) // 8

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
        if day != self._day or len(self._tail) >= CHUNK_BYTES:
            self._open(day)
        self._tail += value.to_bytes(8, "little")
        if self._used * 3 > mask * 2:
            self._rebuild()
        return True

    def _open(self, day: int) -> None:
        """Choose the chunk that the next hash of a day goes into, and mark it as changed."""
        chunks = self._days.setdefault(day, [])
        if not chunks or len(chunks[-1]) >= CHUNK_BYTES:
            if chunks:
                chunks[-1] = bytes(chunks[-1])  # it takes less memory than what can grow
            tail = bytearray()
            chunks.append(tail)
        else:
            tail = chunks[-1] = bytearray(chunks[-1])
        self._day, self._tail = day, tail
        self._dirty[day, len(chunks) - 1] = None

    def expire(self, today: int) -> None:
        """Forget the days before `today - KEEP_DAYS`; cheap while no day falls out."""
        first = today - KEEP_DAYS
        gone = sorted(day for day in self._days if day < first)
        if not gone:
            return
        self._day = -1
        for day in gone:
            for number in range(len(self._days.pop(day))):
                self._dirty[day, number] = None
        self._is_stale = True

    def dirty(self) -> Iterator[tuple[int, int, bytes | None]]:
        """Chunks changed since the last call as (day, number, packed hashes); None where the day was forgotten."""
        changed, self._dirty, self._day = self._dirty, {}, -1
        for day, number in changed:
            chunks = self._days.get(day, ())
            yield day, number, bytes(chunks[number]) if number < len(chunks) else None

    def restore(self, days: Mapping[int, Iterable[bytes]]) -> None:
        """Fill an empty memory from the stored chunks of each day, in the order of their numbers."""
        self._days = {day: list(chunks) for day, chunks in days.items()}
        self._rebuild()

    def _rebuild(self) -> None:
        size, count = _SMALLEST, len(self)
        while size * 9 < count * 16:
            size *= 2
        table, mask = array("Q", bytes(8 * size)), size - 1
        for chunks in self._days.values():
            for start in range(0, len(chunks), _BLOCK):
                for value in array("Q", b"".join(chunks[start : start + _BLOCK])):
                    place = value & mask
                    while table[place]:
                        place = (place + 1) & mask
                    table[place] = value
        self._table, self._mask, self._used, self._is_stale = table, mask, count, False
