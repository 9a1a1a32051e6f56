"""Which event ids have been seen: seven days of 64-bit hashes, packed.

Two forms of the same thing. What is stored: chunks of at most 16 hashes (128 B) per day, of which only the last is
ever rewritten, so a fact costs 68 B of state on average, whatever the size of its program; of these, memory keeps what
the next commit may have to write. What is looked up: all hashes, told apart by their lowest bits into buckets of some
hundred, in each of which `bytearray.find` looks for one. That takes as long as a loop over an open-addressing table
and 10 B a hash, where a table beside the days takes 22 to 30 and a Python `set` 70. Buckets are split one by one as
hashes become more (linear hashing: Litwin 1980, VLDB 6, 212-223), and a forgotten day is cut out of each, so there is
no moment at which all are put elsewhere.

A false repeat needs two ids of one week and partition with the same 64-bit hash: at a million facts a week, once in
37 million weeks.
"""

from array import array
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import compress
from operator import add, iconcat, sub
from struct import Struct
from typing import Final

KEEP_DAYS: Final = 7
#: hashes in a stored chunk
CHUNK: Final = 16
#: bytes of a hash
_WHOLE: Final = 8
_CHUNK_BYTES: Final = CHUNK * _WHOLE
#: bytes of a hash in its bucket: all but the lowest, which the number of the bucket says
_MARK: Final = 7
#: buckets at first: what the lowest byte tells apart
_FEWEST: Final = 256
#: hashes in a bucket on average
_LOAD: Final = 96
#: bytes of hashes that are put into buckets at a time, at a restart
_BLOCK: Final = 32_768
_low: Final = Struct("<I4x").unpack
_whole: Final = Struct("<Q").unpack
#: by the place of a bit in a byte: that bit of every byte, as 0 or 1, and the opposite
_BIT: Final = [bytes(byte >> place & 1 for byte in range(256)) for place in range(8)]
_NOT: Final = bytes([1, *[0] * 255])


def digest_of(topic: int, program_id: str, event_id: str) -> bytes:
    """64-bit hash of an event's identity: topic, program and event id."""
    digest = _begun(topic, program_id).copy()
    digest.update(event_id.encode())
    return digest.digest()


def fingerprint(topic: int, program_id: str, event_id: str) -> int:
    """The hash as a number, never 0."""
    (mark,) = _whole(digest_of(topic, program_id, event_id))
    return mark or 1


@lru_cache(maxsize=1 << 14)
def _begun(topic: int, program_id: str) -> blake2b:
    """The hash up to the event id: going on from a copy takes half the time of starting anew."""
    return blake2b(f"{topic}/{program_id}/".encode(), digest_size=_WHOLE)


@lru_cache(maxsize=512)
def _cut(amount: int, skipped: int = 0) -> Callable[[bytes | bytearray], tuple[bytes, ...]]:
    """What cuts so many hashes apart, each after some bytes that are left out."""
    return Struct(f"{skipped}x{_MARK}s" * amount).unpack


class _Day:
    """Hashes of one day.

    Attributes:
        tail: those that the next commit may have to write, from the chunk `first` on, in the order in which they came.
        counts: how many are in each bucket; without meaning for the day that lies last, which has what others leave.
    """

    __slots__ = ("counts", "first", "tail")

    def __init__(self) -> None:
        self.first = 0
        self.tail = bytearray()
        self.counts = array("I")

    @property
    def amount(self) -> int:
        return self.first * CHUNK + len(self.tail) // _WHOLE

    def chunk(self, number: int) -> bytes:
        begin = (number - self.first) * _CHUNK_BYTES
        return bytes(self.tail[begin : begin + _CHUNK_BYTES])

    def trim(self) -> None:
        """Keep only the chunk that is not full."""
        first = self.amount // CHUNK
        del self.tail[: (first - self.first) * _CHUNK_BYTES]
        self.first = first


class Seen:
    """Hashes of the last `KEEP_DAYS` days, by day of the engine's clock (days since 1970)."""

    __slots__ = ("_buckets", "_day", "_days", "_dirty", "_half", "_is_last", "_mask", "_new", "_places")

    def __init__(self) -> None:
        self._days: dict[int, _Day] = {}
        self._dirty: dict[tuple[int, int], None] = {}
        #: the day that was written to last (-1: none), whether it lies last in the buckets, and its hashes that are not
        #: in its `tail` yet
        self._day = -1
        self._is_last = True
        self._new: list[bytes] = []
        self._make_buckets(_FEWEST)

    def _make_buckets(self, number: int) -> None:
        """Make empty buckets, `_FEWEST` at least."""
        #: the hashes of each bucket, day behind day in the order of `_days`; `_half` of them are what the lowest bits
        #: tell apart, and behind these stands one for each that was split by the next bit
        self._buckets = [bytearray() for _ in range(number)]
        self._half = 1 << number.bit_length() - 1
        self._mask = 2 * self._half - 1
        #: the buckets by all bits of the mask: what was not split stands there twice
        self._places = [*self._buckets, *self._buckets[number - self._half : self._half]]

    def __len__(self) -> int:
        return sum(day.amount for day in self._days.values()) + len(self._new)

    def add(self, digest: bytes, day: int) -> bool:
        """Remember a hash (8 bytes) under a day; returns False, and changes nothing, when it is known already."""
        bucket, mark = self._places[_low(digest)[0] & self._mask], digest[1:]
        found = bucket.find(mark)
        while found >= 0:
            if not found % _MARK:
                return False
            found = bucket.find(mark, found + 1)  # what it found is the end of one hash and the beginning of another
        if day != self._day:
            self._open(day)
            bucket = self._places[_low(digest)[0] & self._mask]  # it may have been split
        if self._is_last:
            bucket += mark
        else:
            self._insert(digest)
        self._new.append(digest)
        return True

    def _open(self, day: int) -> None:
        """Go over to another day."""
        self._settle()
        if day not in self._days:
            self._count_last()
            self._days[day] = known = _Day()
            known.counts = array("I", bytes(4 * len(self._buckets)))
        self._day, self._is_last = day, day == next(reversed(self._days))

    def _settle(self) -> None:
        """Put what was added under its day, and split as many buckets as it takes to keep them short."""
        if self._new:
            known = self._days[self._day]
            number = known.amount // CHUNK
            known.tail += b"".join(self._new)
            self._new = []
            self._mark(self._day, number, known.amount)
            for _ in range(len(self) // _LOAD - len(self._buckets)):
                self._split()

    def _count_last(self) -> None:
        """Count the hashes of the day that lies last in the buckets, before it no longer does."""
        *others, last = self._days.values() or [_Day()]
        counts = [len(bucket) // _MARK for bucket in self._buckets]
        for other in others:
            counts = list(map(sub, counts, other.counts))
        last.counts = array("I", counts)

    def _insert(self, digest: bytes) -> None:
        """Put a hash into its bucket behind those of its day, which others follow: days come in order only where there
        is a clock."""
        place = _low(digest)[0] & self._mask
        if place >= len(self._buckets):
            place -= self._half
        end = 0
        for day, each in self._days.items():
            end += each.counts[place]
            if day == self._day:
                each.counts[place] += 1
                break
        self._buckets[place][_MARK * end : _MARK * end] = digest[1:]

    def _split(self) -> None:
        """Split the first bucket that has not been split by the bit at hand."""
        buckets, half = self._buckets, self._half
        place = len(buckets) - half
        bit = half.bit_length() - 9  # within what is kept of a hash
        bucket = buckets[place]
        is_upper = bucket[bit // 8 :: _MARK].translate(_BIT[bit % 8])
        marks = _cut(len(bucket) // _MARK)(bucket)
        begin = 0
        for each in self._days.values():
            end = begin + each.counts[place]
            upper = is_upper.count(1, begin, end)
            each.counts[place] -= upper
            each.counts.append(upper)
            begin = end
        bucket[:] = b"".join(compress(marks, is_upper.translate(_NOT)))
        self._places[place + half] = bytearray(b"".join(compress(marks, is_upper)))
        buckets.append(self._places[place + half])
        if len(buckets) == 2 * half:
            self._half, self._mask = 2 * half, 4 * half - 1
            self._places = [*buckets, *buckets]

    def expire(self, today: int) -> None:
        """Forget the days before `today - KEEP_DAYS`; cheap while no day falls out."""
        first = today - KEEP_DAYS
        if all(day >= first for day in self._days):
            return
        self._settle()
        self._count_last()
        self._day = -1
        starts = array("I", bytes(4 * len(self._buckets)))
        for day, each in list(self._days.items()):
            if day >= first:
                starts = array("I", map(add, starts, each.counts))
                continue
            for bucket, start, count in zip(self._buckets, starts, each.counts, strict=True):
                del bucket[_MARK * start : _MARK * (start + count)]
            del self._days[day]
            self._mark(day, 0, each.amount)

    def _mark(self, day: int, first: int, amount: int) -> None:
        """Mark the chunks of so many hashes of a day as changed, from one of them on."""
        for number in range(first, -(-amount // CHUNK)):
            self._dirty[day, number] = None

    def dirty(self) -> Iterator[tuple[int, int, bytes | None]]:
        """Chunks changed since the last call as (day, number, packed hashes); None where the day was forgotten."""
        self._settle()
        changed, self._dirty = self._dirty, {}
        for day, number in changed:
            known = self._days.get(day)
            yield day, number, None if known is None else known.chunk(number)
        for day in {day for day, _ in changed} & self._days.keys():
            self._days[day].trim()

    def restore(self, days: Mapping[int, Sequence[bytes]]) -> None:
        """Fill an empty memory from the stored chunks of each day, in the order of their numbers."""
        amount = sum(len(chunk) for chunks in days.values() for chunk in chunks) // _WHOLE
        self._make_buckets(max(amount // _LOAD, _FEWEST))
        for day, chunks in days.items():
            hashes = b"".join(chunks)
            for begin in range(0, len(hashes), _BLOCK):
                block = hashes[begin : begin + _BLOCK]
                places = map(self._mask.__and__, array("I", block)[::2])
                marks = _cut(len(block) // _WHOLE, 1)(block)
                # Adds each mark to its bucket, in half the time that a loop takes.
                deque(map(iconcat, map(self._places.__getitem__, places), marks), maxlen=0)
            self._days[day] = known = _Day()
            self._count_last()
            known.tail += hashes
            if any(len(chunk) > _CHUNK_BYTES for chunk in chunks):
                self._mark(day, 0, known.amount)  # chunks of twice the size, as they were once: the day is written anew
            else:
                known.trim()
