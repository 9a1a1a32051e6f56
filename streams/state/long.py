"""Pairs and people whose record is long are stored in parts, all others whole.

Each row more costs time at a restart and room in memory, and most pairs and people are short. With a long history, or
much that is open, a record grows to a kilobyte, of which a message changes a tenth. Whether a record is long depends on
nothing but the record, so its rows are the same wherever a run is cut into commits.

In memory all rows of a long record stand in one value: an object each would cost more than what most of them hold.
"""

from collections.abc import Iterable
from itertools import zip_longest
from operator import attrgetter
from typing import Any, Final

import msgspec

from streams.state.layout import PARTS, give_back
from streams.state.numbered import Digests, chunks, whole_chunks
from streams.state.pair import PairState
from streams.state.participant import ParticipantState
from streams.state.parts import Lifted, Rows, Taken, part_key
from streams.state.record import VERSION, Record

#: By the first byte of the key: the most bytes of a record that is stored whole. Pages, which have no parts, never are
#: longer.
LONGEST_WHOLE: Final = {ord("p"): 512, ord("m"): 384, ord("h"): 640}
#: first byte of the rows of a long record in one value; begins no MessagePack
PACKED: Final = 0xC1
_MARK: Final = bytes([PACKED])
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[bytes | None]).decode

Row = tuple[bytes, bytes | None]
"""Key and value of a stored row, None for one that is deleted."""


class Cut:
    """Where the records of a kind are cut. Gives what `layout.take_apart` gives, for records that nearly every fact has
    to do with: in less time, because little is taken out of them and put back.

    Attributes:
        digests: the history of the record, whose full chunks stand end to end in its last row here, not in one each.
        names: of the rows between the record's own and that one.
    """

    def __init__(self, kind: int, record: type[Record]) -> None:
        fields = record.__struct_fields__
        self._read: Final = attrgetter(*fields)
        (self.digests,) = [part for part in PARTS[kind] if isinstance(part, Digests)]
        self._history: Final = fields.index(self.digests.field)
        self._lifted: Final = [part for part in PARTS[kind] if isinstance(part, Lifted)]
        parts = [part for part in PARTS[kind] if part is not self.digests and not isinstance(part, Lifted)]
        self.names: Final = tuple(part.name for part in parts)
        self._parts: Final = [([fields.index(field) for field in part.fields], part.places) for part in parts]
        #: of each row: bytes that a record stored whole does not have, the beginning of a part and what stands for it
        self._more: Final = [0, *[2 + _length(part.places) for part in parts]]

    def rows(self, record: Record) -> list[bytes | None]:
        """The record's own row, that of each of its parts in the order of `names` and the full chunks of its history;
        None where it has none."""
        found: list[bytes | None] = []
        taken: list[Taken] = []
        for part in self._lifted:
            part.take(record, taken)
        values = list(self._read(record))
        history, older = values[self._history], None
        if end := whole_chunks(history):
            older, values[self._history] = history[:end], history[end:]
        for places, empty in self._parts:
            if len(places) == 1 and values[places[0]] == empty[0]:
                found.append(None)
                continue
            found.append(_encode([VERSION, *[values[place] for place in places]]))
            for place, value in zip(places, empty, strict=True):
                values[place] = value
        give_back(taken)
        return [_encode(values), *found, older]

    def length(self, rows: list[bytes | None], record: Record) -> int:
        """Bytes of the record if it were stored whole."""
        *rows, older = rows
        found = 0
        for more, row in zip(self._more, rows, strict=True):
            if row is not None:
                found += len(row) - more
        for part in self._lifted:
            if part.inner.inside(record) is not None:
                found -= _length(part.inner.places)
        if older is None:
            return found
        whole: bytes = getattr(record, self.digests.field)
        return found + len(_encode(whole)) - len(_encode(whole[len(older) :]))


def _length(places: Iterable[Any]) -> int:
    return sum(len(_encode(place)) for place in places)


CUTS: Final = {ord("p"): Cut(ord("p"), PairState), ord("m"): Cut(ord("m"), ParticipantState)}


def pack(kind: int, raw: bytes, parts: Rows) -> bytes:
    """Put the rows of a long record into one value."""
    cut = CUTS[kind]
    return _MARK + _encode([raw, *[parts.get(name) for name in cut.names], cut.digests.join(parts) or None])


def unpack(kind: int, packed: bytes) -> tuple[bytes, dict[str, bytes]]:
    """Give the record's own row, and its parts by name."""
    raw, parts, older = take_out(kind, packed)
    digests = CUTS[kind].digests
    for number, chunk in enumerate(chunks(older)):
        parts[digests.row_name(number)] = _encode((VERSION, chunk))
    return raw, parts


def take_out(kind: int, packed: bytes) -> tuple[bytes, dict[str, bytes], bytes]:
    """Give the record's own row, its parts by name and the full chunks of its history."""
    raw, *rows, older = _decode(packed[1:])
    assert raw is not None
    return raw, {name: row for name, row in zip(CUTS[kind].names, rows, strict=True) if row is not None}, older or b""


def remember(kind: int, record: Record, older: bytes) -> None:
    """Put the full chunks of its history into a record that has the rest of it."""
    field = CUTS[kind].digests.field
    setattr(record, field, older + getattr(record, field))


def write(key: bytes, record: Record, stored: bytes | None) -> tuple[bytes, list[Row]]:
    """Store a record that is long, or was.

    Args:
        stored: as it was stored before.

    Returns: as it is stored now, and the rows that differ.
    """
    cut = CUTS[key[0]]
    after = cut.rows(record)
    if cut.length(after, record) <= LONGEST_WHOLE[key[0]]:
        value = _encode(record)
        after = [value, *[None] * (len(cut.names) + 1)]
    else:
        value = _MARK + _encode(after)
    before = [stored, *[None] * (len(cut.names) + 1)]
    if stored is not None and stored[0] == PACKED:
        before = _decode(stored[1:])
    if after == before:
        return value, []
    keys = (None, *cut.names)
    rows = [
        (key if name is None else part_key(key, name), new)
        for name, old, new in zip(keys, before[:-1], after[:-1], strict=True)
        if old != new
    ]
    if after[-1] != before[-1]:
        rows += _chunks(key, cut.digests, before[-1] or b"", after[-1] or b"")
    return value, rows


def _chunks(key: bytes, digests: Digests, before: bytes, after: bytes) -> list[Row]:
    """The rows of chunks of a history that differ."""
    pairs = zip_longest(chunks(before), chunks(after))
    return [
        (part_key(key, digests.row_name(number)), None if new is None else _encode((VERSION, new)))
        for number, (old, new) in enumerate(pairs)
        if old != new
    ]
