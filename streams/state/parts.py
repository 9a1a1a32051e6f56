"""Parts of a record: what changes by itself is stored in a row of its own, so that a fact writes what it changed.

In memory a record is whole. Stored, its own row holds everything but its parts, with something short in their places,
and each part is a row beside it, or several: the key is `d`, the record's key, `/` and the row's name, the value the
schema version and what is in it. A part is named and holds whole fields, or stretches of a field that are cut where its
content says, so nothing rests on how later code encodes: a field that it adds to a record or a part is missing in older
rows and has its default, a row is written anew whenever its bytes are others than those stored, and where there is no
row of a part, what the record's own row says holds. So records of version 1, which were stored whole, are read as they
are.

Which records have which parts stands in `streams.state.layout`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, Final, get_type_hints

import msgspec

from streams.state.record import Record

_MARK: Final = b"d"
EPISODES: Final = "episodes"
#: first byte of the key of a part
PART: Final = _MARK[0]
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
        self.kinds: Final = fields
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
        """Put a stored row of the part into a record that was stored without it."""

    def restore(self, record: Any, rows: Rows) -> None:
        """Put the part into a record that was stored without it, when it is among the stored rows."""
        for raw in self.find(rows):
            self.give(record, raw)

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
        inside = self.inside(record)
        if inside is None:
            return {}
        values: tuple[Any, ...] = (self._read(inside),) if self._is_one else self._read(inside)
        taken.append((inside, self.fields, values))
        for field, place in self._empty:
            setattr(inside, field, place)
        return {self.name: values}

    def give(self, record: Any, raw: bytes) -> None:
        self.fill(self.inside(record), raw)

    def inside(self, record: Any) -> Any:
        """The struct, None when the record has none."""
        for step in self._path:
            if record is None:
                return None
            record = getattr(record, step)
        return record

    def put(self, record: Any, values: Iterable[Any]) -> None:
        """Set the fields."""
        inside = self.inside(record)
        for field, value in zip(self.fields, values, strict=True):
            setattr(inside, field, value)


class Together(Part):
    """Fields of several structs in one row, because the same facts change them all; None for a struct that the record
    does not have."""

    def __init__(self, name: str, inner: tuple[Inner, ...]) -> None:
        super().__init__(name, {field: kind | None for each in inner for field, kind in each.kinds.items()})
        self._inner: Final = inner

    def take(self, record: Any, taken: list[Taken]) -> Mapping[str, tuple[Any, ...]]:
        values: list[Any] = []
        for each in self._inner:
            values += each.take(record, taken).get(each.name) or [None] * len(each.fields)
        return {self.name: tuple(values)}

    def give(self, record: Any, raw: bytes) -> None:
        row = self._decode(raw)
        for each in self._inner:
            values = [getattr(row, field) for field in each.fields]
            if None not in values and msgspec.UNSET not in values:
                each.put(record, values)


class Lifted(Part):
    """Fields of a struct inside a part that stand in the record's own row: they change with facts that change that row
    anyway, while the rest of the part stays as it is. In memory the field that holds them there is None."""

    def __init__(self, name: str, inner: Inner) -> None:
        super().__init__(name, {})
        self.inner: Final = inner

    def take(self, record: Any, taken: list[Taken]) -> Mapping[str, tuple[Any, ...]]:
        values = self.inner.take(record, taken).get(self.inner.name)
        if values is not None:
            taken.append((record, (self.name,), (None,)))
            setattr(record, self.name, values)
        return {}

    def give(self, _record: Any, _raw: bytes) -> None:
        raise AssertionError("it has no row")

    def restore(self, record: Any, _rows: Rows) -> None:
        values = getattr(record, self.name)
        if values is not None:
            self.inner.put(record, values)
            setattr(record, self.name, None)


def episode_rows(rows: Rows) -> list[str]:
    """Names of the rows of episodes among those of a record."""
    if EPISODES in rows:
        return [EPISODES]
    return [name for name in rows if name.startswith(EPISODES)]


def part_key(owner: bytes, name: str) -> bytes:
    """Key of the row of a part of the record with the key `owner`."""
    return _MARK + owner + b"/" + name.encode()


def is_part(key: bytes) -> bool:
    return key[:1] == _MARK


def split_part_key(key: bytes) -> tuple[bytes, str]:
    """Key of the record, and name of the part."""
    owner, _, name = key[1:].rpartition(b"/")
    return owner, name.decode()
