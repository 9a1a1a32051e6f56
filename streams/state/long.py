"""Pairs and people whose record is long are stored in parts, all others whole.

Each row more costs time at a restart and room in memory, and most pairs and people are short. With a long history, or
much that is open, a record grows to a kilobyte, of which a message changes a tenth. Whether a record is long depends on
nothing but the record, so its rows are the same wherever a run is cut into commits.

In memory all rows of a long record stand in one value: an object each would cost more than what most of them hold.
"""

from operator import attrgetter
from typing import Final

import msgspec

from streams.state.pair import PairState
from streams.state.participant import ParticipantState
from streams.state.parts import PARTS, Rows, part_key
from streams.state.record import VERSION, Record

#: By the first byte of the key: the most bytes of a record that is stored whole. Pages, which have no parts, never are
#: longer.
LONGEST_WHOLE: Final = {ord("p"): 640, ord("m"): 384, ord("h"): 640}
#: first byte of the rows of a long record in one value; begins no MessagePack
PACKED: Final = 0xC1
_MARK: Final = bytes([PACKED])
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[bytes | None]).decode

Row = tuple[bytes, bytes | None]
"""Key and value of a stored row, None for one that is deleted."""


class Cut:
    """Where the records of a kind are cut. Gives what `parts.take_apart` gives, for records that nearly every fact has
    to do with: in less time, because nothing is taken out of them and put back."""

    def __init__(self, kind: int, record: type[Record]) -> None:
        fields = record.__struct_fields__
        self._read: Final = attrgetter(*fields)
        self.names: Final = tuple(part.name for part in PARTS[kind])
        self._parts: Final = [([fields.index(field) for field in part.fields], part.places) for part in PARTS[kind]]
        #: of each row: bytes that a record stored whole does not have, the beginning of a part and what stands for it
        self._more: Final = [0, *[2 + sum(len(_encode(place)) for place in part.places) for part in PARTS[kind]]]

    def rows(self, record: Record) -> list[bytes | None]:
        """The record's own row, and that of each of its parts in their order, None where it has none."""
        values = list(self._read(record))
        found: list[bytes | None] = []
        for places, empty in self._parts:
            if len(places) == 1 and values[places[0]] == empty[0]:
                found.append(None)
                continue
            found.append(_encode([VERSION, *[values[place] for place in places]]))
            for place, value in zip(places, empty, strict=True):
                values[place] = value
        return [_encode(values), *found]

    def length(self, rows: list[bytes | None]) -> int:
        """Bytes of the record if it were stored whole."""
        found = 0
        for more, row in zip(self._more, rows, strict=True):
            if row is not None:
                found += len(row) - more
        return found


CUTS: Final = {ord("p"): Cut(ord("p"), PairState), ord("m"): Cut(ord("m"), ParticipantState)}


def pack(kind: int, raw: bytes, parts: Rows) -> bytes:
    """Put the rows of a long record into one value."""
    return _MARK + _encode([raw, *[parts.get(name) for name in CUTS[kind].names]])


def unpack(kind: int, packed: bytes) -> tuple[bytes, dict[str, bytes]]:
    """Give the record's own row, and its parts by name."""
    raw, *rows = _decode(packed[1:])
    assert raw is not None
    return raw, {name: row for name, row in zip(CUTS[kind].names, rows, strict=True) if row is not None}


def write(key: bytes, record: Record, stored: bytes | None) -> tuple[bytes, list[Row]]:
    """Store a record that is long, or was.

    Args:
        stored: as it was stored before.

    Returns: as it is stored now, and the rows that differ.
    """
    cut = CUTS[key[0]]
    after = cut.rows(record)
    if cut.length(after) <= LONGEST_WHOLE[key[0]]:
        value = _encode(record)
        after = [value, *[None] * len(cut.names)]
    else:
        value = _MARK + _encode(after)
    before = [stored, *[None] * len(cut.names)]
    if stored is not None and stored[0] == PACKED:
        before = _decode(stored[1:])
    if after == before:
        return value, []
    keys = (None, *cut.names)
    return value, [
        (key if name is None else part_key(key, name), new)
        for name, old, new in zip(keys, before, after, strict=True)
        if old != new
    ]
