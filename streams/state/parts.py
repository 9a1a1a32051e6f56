"""Parts of a record: what changes by itself is stored in a row of its own, so that a fact writes what it changed.

In memory a record is whole. Stored, its own row holds everything but its parts, with something short in their places,
and each part is a row beside it: its key is `d`, the record's key, `/` and the part's name, its value the schema
version and what is in it. A part is named and holds whole fields, so nothing rests on how later code encodes: a field
that it adds to a record or a part is missing in older rows and has its default, a row is written anew whenever its
bytes are others than those stored, and where there is no row of a part, what the record's own row says holds. So
records of version 1, which were stored whole, are read as they are.

Programs, tallies and sources have parts: there are few of them, and many facts change a little of each. Pairs and
people are stored whole while they are short, see `streams.state.long`.
"""

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, Final, get_type_hints

import msgspec

from streams.detectors.rate.surveys import Surveys
from streams.detectors.renewal import GapPool, RenewalStream, SourceStream
from streams.detectors.share import ShareStream
from streams.detectors.share.usual import Usual
from streams.state.counted import Counted
from streams.state.pair import PairState
from streams.state.participant import ParticipantState
from streams.state.program import ProgramState
from streams.state.record import VERSION, OpenHead, Record
from streams.windows import DayCounts

_MARK: Final = b"d"
#: first byte of the key of a part
PART: Final = _MARK[0]
EPISODES: Final = "episodes"
#: In its own row a tally keeps the newest stretch of so many days, counted from 1970-01-01, and the one before.
_STRETCH_DAYS: Final = 8
#: Days of the past in one row of a tally; a multiple of a stretch.
_CHUNK_DAYS: Final = 32

_encode = msgspec.msgpack.Encoder().encode
#: stored rows of the parts of one record, by name
Rows = Mapping[str, bytes]


#: a struct, names of fields of it that were emptied, and what belongs there
Taken = tuple[Any, tuple[str, ...], tuple[Any, ...]]


class Part(ABC):
    """One part of a kind of record."""

    def __init__(self, name: str, fields: Mapping[str, Any], places: tuple[Any, ...] = ()) -> None:
        """
        Args:
            fields: name of each field of the row → its type.
            places: what stands for each of them in the row of what holds them.
        """
        self.name: Final = name
        self.places: Final = places
        stored = [(field, kind | msgspec.UnsetType, msgspec.UNSET) for field, kind in fields.items()]
        row = msgspec.defstruct("Row", [("v", int), *stored], array_like=True, frozen=True)
        self.fields: Final = tuple(fields)
        self._decode: Final[Callable[[bytes], Any]] = msgspec.msgpack.Decoder(row).decode

    def fill(self, owner: Any, raw: bytes) -> None:
        """Set the fields of `owner` that are in a stored row; those that later code added to the part are not."""
        row = self._decode(raw)
        for field in self.fields:
            value = getattr(row, field)
            if value is not msgspec.UNSET:
                setattr(owner, field, value)

    @abstractmethod
    def take(self, record: Any, taken: list[Taken]) -> Mapping[str, tuple[Any, ...]]:
        """Take the part out of a record, and note what has to go back.

        Returns: by name of its rows what belongs there; nothing when the record has no such part.
        """

    @abstractmethod
    def give(self, record: Any, raw: bytes) -> None:
        """Put a stored part into a record that was stored without it."""

    def find(self, rows: Rows) -> Iterable[bytes]:
        """The part's own rows among those of a record, in the order in which they are given."""
        raw = rows.get(self.name)
        return () if raw is None else (raw,)


class Field(Part):
    """One field of the record, which may be None."""

    def __init__(self, field: str, kind: type[Record], place: Any) -> None:
        """`place` stands for it in the record's own row."""
        super().__init__(field, {field: get_type_hints(kind)[field]}, (place,))
        self._place: Final = place

    def take(self, record: Any, taken: list[Taken]) -> Mapping[str, tuple[Any, ...]]:
        value = getattr(record, self.name)
        if not value and value == self._place:
            return {}
        values = (value,)
        taken.append((record, self.fields, values))
        setattr(record, self.name, self._place)
        return {self.name: values}

    def give(self, record: Any, raw: bytes) -> None:
        self.fill(record, raw)


class Inner(Part):
    """Fields of a struct inside the record."""

    def __init__(self, name: str, path: tuple[str, ...], kind: type, places: Mapping[str, Any]) -> None:
        """
        Args:
            path: attributes that lead to the struct, any of which may be None.
            kind: of the struct.
            places: its fields that are the part, and what stands for them in the row of what holds them.
        """
        hints = get_type_hints(kind)
        super().__init__(name, {field: hints[field] for field in places}, tuple(places.values()))
        self._path: Final = path
        self._empty: Final = tuple(places.items())
        self._read: Final = attrgetter(*places)
        self._is_one: Final = len(places) == 1

    def take(self, record: Any, taken: list[Taken]) -> Mapping[str, tuple[Any, ...]]:
        for step in self._path:
            record = getattr(record, step)
            if record is None:
                return {}
        values: tuple[Any, ...] = (self._read(record),) if self._is_one else self._read(record)
        taken.append((record, self.fields, values))
        for field, place in self._empty:
            setattr(record, field, place)
        return {self.name: values}

    def give(self, record: Any, raw: bytes) -> None:
        for step in self._path:
            record = getattr(record, step)
        self.fill(record, raw)


class Past(Part):
    """The cells of a tally before its two newest stretches of days: they seldom change. They stand in a row for each
    `_CHUNK_DAYS` days since 1970, which counts its days from the first of them, so that it stays as it is while
    older days are forgotten and newer ones come."""

    def __init__(self) -> None:
        super().__init__("past", {"cells": list[int], "base": int})

    def take(self, record: Any, taken: list[Taken]) -> Mapping[str, tuple[Any, ...]]:
        cells, step = record.cells, record.width + 1
        if not cells:
            return {}
        offsets, base = cells[::step], record.base
        newest = base + offsets[-1]
        end = bisect_left(offsets, newest - newest % _STRETCH_DAYS - _STRETCH_DAYS - base)
        if not end:
            return {}
        taken.append((record, ("cells",), (cells,)))
        record.cells = cells[end * step :]
        rows, start = {}, 0
        while start < end:
            number = (base + offsets[start]) // _CHUNK_DAYS
            first = number * _CHUNK_DAYS - base
            after = bisect_left(offsets, first + _CHUNK_DAYS, start, end)
            chunk = cells[start * step : after * step]
            chunk[::step] = [offset - first for offset in offsets[start:after]]
            rows[f"{self.name}-{number}"] = (chunk, number * _CHUNK_DAYS)
            start = after
        return rows

    def give(self, record: Any, raw: bytes) -> None:
        row = self._decode(raw)
        cells, shift = row.cells, 0 if row.base is msgspec.UNSET else row.base - record.base
        if shift:
            step = record.width + 1
            cells[::step] = [offset + shift for offset in cells[::step]]
        record.cells = cells + record.cells

    def find(self, rows: Rows) -> Iterable[bytes]:
        """Newest first. Version 2 had all of the past in one row, without a number."""
        numbers = [(int(name.partition("-")[2] or 0), name) for name in rows if name.partition("-")[0] == self.name]
        return [rows[name] for _, name in sorted(numbers, reverse=True)]


# What stands in the place of a part. Whole numbers take one byte where the floats they are read as take nine.
_NO_RISK: Final[Any] = (0, 0, 0, 0)
_NO_RHYTHM: Final = RenewalStream(0, 0, 0, _NO_RISK, gaps=0, weeks=0, newest=0, wait_ms=0)
_NO_POOL: Final = GapPool(0, 0, 0, 0)
_NOT_USUAL: Final = Usual(0, 0, 0, *([0] * (len(Usual.__struct_fields__) - 3)))
_NO_DAYS: Final = DayCounts()

#: By the first byte of the record's key, inner parts before those that hold them.
PARTS: Final[Mapping[int, tuple[Part, ...]]] = {
    ord("g"): (
        Inner("surveys", ("sentiment", "surveys"), Surveys, {"sent": _NO_DAYS, "answered": _NO_DAYS}),
        Field("sentiment", ProgramState, None),
        Inner("usual", ("tone",), ShareStream,
              {"usual": _NOT_USUAL, "answers": _NO_DAYS, "totals": _NO_DAYS, "risk": _NO_RISK}),
        Field("tone", ProgramState, None),
        Inner("profile", (), ProgramState,
              {"changed_ms": 0, "kind": "", "starts_ms": 0, "ends_ms": 0, "next_starts_ms": 0, "timezone": "",
               "breaks": [], "coordinator_ids": [], "backup_coordinator_ids": [], "safeguarding_contact_id": None}),
        Inner("sums", (), ProgramState, {"counted": Counted(ratings=[]), "gaps": _NO_POOL}),
        Field(EPISODES, ProgramState, ()),
    ),
    ord("p"): (
        Field("sentiment", PairState, None),
        Inner("meetings", (), PairState,
              {"matched": None, "held": None, "bookings": (), "held_seen": b"", "rhythm": None}),
        Field(EPISODES, PairState, ()),
    ),
    ord("m"): (
        Inner("surveys", (), ParticipantState,
              {"surveys": (), "submitted": (), "answered_seen": b"", "asked": (), "settled": ()}),
        Field(EPISODES, ParticipantState, ()),
    ),
    ord("t"): (Past(),),
    ord("s"): (
        Inner("facts", ("stream",), SourceStream, {"facts": _NO_DAYS}),
        Inner("habit", ("stream",), SourceStream,
              {"rhythm": _NO_RHYTHM, "pool": _NO_POOL, "hours": [], "days": []}),
    ),
}  # fmt: skip
_OUTER_FIRST: Final = {kind: tuple(reversed(parts)) for kind, parts in PARTS.items()}


class _Version(msgspec.Struct, array_like=True):
    v: int


_decode_version = msgspec.msgpack.Decoder(_Version).decode
_decode_open = msgspec.msgpack.Decoder(tuple[int, list[OpenHead]]).decode


def part_key(owner: bytes, name: str) -> bytes:
    """Key of the row of a part of the record with the key `owner`."""
    return _MARK + owner + b"/" + name.encode()


def is_part(key: bytes) -> bool:
    return key[:1] == _MARK


def split_part_key(key: bytes) -> tuple[bytes, str]:
    """Key of the record, and name of the part."""
    owner, _, name = key[1:].rpartition(b"/")
    return owner, name.decode()


def take_apart(kind: int, record: Record) -> tuple[bytes, dict[str, bytes]]:
    """Encode a record: its own row, and its parts by name. The record is afterwards as it was.

    Args:
        kind: first byte of its key, one of `PARTS`.
    """
    taken: list[Taken] = []
    rows: dict[str, bytes] = {}
    for part in PARTS[kind]:
        for name, values in part.take(record, taken).items():
            rows[name] = _encode((VERSION, *values))
    raw = _encode(record)
    for owner, fields, values in taken:
        for place, field in enumerate(fields):
            setattr(owner, field, values[place])
    return raw, rows


def put_together(kind: int, record: Record, rows: Rows) -> None:
    """Put the stored parts of a record into it. Raises `msgspec.DecodeError` when one is damaged."""
    for part in _OUTER_FIRST.get(kind, ()):
        for raw in part.find(rows):
            part.give(record, raw)


def version_of(raw: bytes) -> int:
    """Schema version of the row of a part."""
    return _decode_version(raw).v


def open_heads(raw: bytes) -> list[OpenHead]:
    """The beginnings of the episodes in the row of the part `EPISODES`."""
    return _decode_open(raw)[1]
