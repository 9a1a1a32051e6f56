"""How a stored record is cut into rows, so that a fact writes what it changed and not all that stands beside it.

The bytes of a record are cut into *pieces*, each a row of its own: the first under the record's key, the others under
that key, a NUL and a letter. Pieces in order, joined, are the record, wherever the cuts lie; and where they lie follows
from the record alone, so equal records are equal rows, whenever they were written. What is large and changes by itself
is cut out; what stands between stays together. A piece that is too short to be worth a key stays with the one before.
"""

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, Final

import msgspec

#: Names of the pieces behind the first. Where records are to be cut otherwise, all of these are replaced by others, so
#: that what was stored before is known and written anew as a whole.
NAMES: Final = tuple(b"abcdefghijklmnopqrst"[place : place + 1] for place in range(20))
#: a shorter piece is left to the one before it
SHORTEST: Final = 20
#: Most records have no episodes or few words in them: from so many bytes on they are cut out.
LONG_EPISODES: Final = 96

_SEPARATOR: Final = b"\x00"
_encode = msgspec.msgpack.Encoder().encode

#: fields to be cut out of a struct, in their order, and what is cut out inside each
Cuts = Mapping[str, Any]
#: record, its bytes → where all pieces but the last end
Cut = Callable[[Any, bytes], tuple[int, ...]]


def cutting(cuts: Cuts) -> Cut:
    """Make what finds the ends of the pieces of a kind of record. Its episodes are cut out where they are long."""

    def ends(record: Any, raw: bytes) -> tuple[int, ...]:
        found = [*_episodes(record, raw)]
        _find(record, raw, found[1], cuts, found)
        last = len(raw)
        for place in range(len(found) - 1, -1, -1):
            if last - found[place] < SHORTEST or not found[place]:
                found[place] = last
            last = found[place]
        return tuple(found)

    return ends


def cutting_one(name: str) -> Cut:
    """The same for one field of a record with a good deal before it, at a fraction of the price."""
    read = attrgetter(name)

    def ends(record: Any, raw: bytes) -> tuple[int, ...]:
        first, second = _episodes(record, raw) if record.episodes else (0, 0)
        value, size = read(record), len(raw)
        third = fourth = size
        if value is not None:
            encoded = _encode(value)
            third = raw.find(encoded, second)
            fourth = third + len(encoded)
            if size - fourth < SHORTEST:
                fourth = size
        return (first or third, second or third, third, fourth)

    return ends


def cutting_none(record: Any, raw: bytes) -> tuple[int, ...]:
    """The same for a kind of record of which nothing but its episodes is cut out."""
    first, second = _episodes(record, raw) if record.episodes else (0, 0)
    return (first, second) if second else (len(raw), len(raw))


def _episodes(record: Any, raw: bytes) -> tuple[int, int]:
    """Where the episodes of a record begin and end, if they are long."""
    encoded = _encode(record.episodes)
    if len(encoded) < LONG_EPISODES:
        return 0, 0
    start = raw.find(encoded)
    return start, start + len(encoded)


def _find(struct: Any, raw: bytes, start: int, cuts: Cuts, found: list[int]) -> None:
    """Add where what is cut out of a struct begins and ends. It is looked for by its bytes, from `start` on: the very
    bytes may stand earlier by chance, then a piece is another one than was meant, and nothing else happens."""
    for name, inner in cuts.items():
        value = getattr(struct, name)
        encoded = b"" if value is None else _encode(value)
        if len(encoded) < SHORTEST:
            found += [start] * (2 + _count(inner))
            continue
        start = raw.find(encoded, start)
        found.append(start)
        if inner:
            _find(value, raw, start, inner, found)
        start += len(encoded)
        found.append(start)


def _count(cuts: Cuts) -> int:
    return sum(2 + _count(inner) for inner in cuts.values())


def piece_key(key: bytes, name: bytes) -> bytes:
    """Key of the row of a piece; the first has no name and stands under the record's own."""
    return key + _SEPARATOR + name if name else key


def record_key(row: bytes) -> tuple[bytes, bytes]:
    """Take the key of a row apart: key of the record, and name of the piece, empty for the first."""
    key, _, name = row.partition(_SEPARATOR)
    return key, name


def join(pieces: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Put a record together from its pieces and their names, in any order."""
    return b"".join([piece for _, piece in sorted(pieces)])
