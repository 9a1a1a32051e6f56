"""The state table of one partition: keyed records, cold as stored bytes, hot as objects while they are worked on.

A cold record costs its encoded size plus two dictionary slots. A record becomes hot when it is first asked for; a
flush encodes what may have changed, hands over the rows that did and, when too many are hot, lets all of them go cold.
Decoding what was encoded gives the same record back, so being hot or cold changes nothing but speed.

Some records are stored in several rows: see `streams.state.parts`.
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from operator import attrgetter
from typing import Final

import msgspec

from streams.state.history import Page
from streams.state.layout import open_heads, put_together, take_apart, version_of
from streams.state.long import LONGEST_WHOLE, PACKED, pack, remember, take_out, unpack, write
from streams.state.pair import PairState
from streams.state.participant import ParticipantState
from streams.state.parts import PART, Rows, episode_rows, part_key, split_part_key
from streams.state.probe import Probe
from streams.state.program import ProgramState
from streams.state.record import VERSION, Head, Record, open_ids
from streams.state.room import with_room, without_room
from streams.state.source import SourceState
from streams.state.tally import Tally

HOT_LIMIT: Final = 20_000

_KINDS: Final[dict[int, type[Record]]] = {
    ord("p"): PairState,
    ord("m"): ParticipantState,
    ord("g"): ProgramState,
    ord("h"): Page,
    ord("t"): Tally,
    ord("s"): SourceState,
}
#: of the keys of records and of their parts
FIRST_BYTES: Final = frozenset((*_KINDS, PART))
_ELEMENTS: Final = {first: len(kind.__struct_fields__) for first, kind in _KINDS.items()}
_DECODE: Final = {first: msgspec.msgpack.Decoder(kind).decode for first, kind in _KINDS.items()}
_decode_head = msgspec.msgpack.Decoder(Head).decode
_decode_heads = msgspec.msgpack.Decoder(list[Head]).decode
_BLOCK: Final = 1_024
_version = attrgetter("v")
_encode_into = msgspec.msgpack.Encoder().encode_into


class NewerStateError(Exception):
    """State was written by later code than this. Run that version or a later one."""


class IncompleteStateError(Exception):
    """A record that was stored in several rows is without its own."""


def pair_key(program_id: str, pair_id: str) -> bytes:
    return f"p{program_id}/{pair_id}".encode()


def participant_key(program_id: str, participant_id: str) -> bytes:
    return f"m{program_id}/{participant_id}".encode()


def tally_key(program_id: str, name: str) -> bytes:
    return f"t{program_id}/{name}".encode()


def source_key(topic: str) -> bytes:
    """Key of what is remembered of a fact topic, across programs."""
    return f"s*/{topic}".encode()


def program_key(program_id: str) -> bytes:
    return f"g{program_id}".encode()


def is_record(key: bytes) -> bool:
    """Whether a row is a record or a part of one."""
    return key[0] in FIRST_BYTES


def program_of(key: bytes) -> str:
    """Program id inside a record's key."""
    return key[1:].partition(b"/")[0].decode()


def subject_of(key: bytes) -> str:
    """Pair or participant id inside a record's key; the program id for a program."""
    program, _, subject = key[1:].partition(b"/")
    return (subject or program).decode()


def decode_record(key: bytes, raw: bytes, parts: Rows | None = None) -> Record:
    """Decode a stored record and its parts. Raises `NewerStateError` when later code wrote it, `msgspec.DecodeError`
    when it is damaged."""
    try:
        record = _DECODE[key[0]](raw)
    except msgspec.ValidationError:
        version = msgspec.msgpack.decode(raw)[0]
        if version > VERSION:
            raise newer(version) from None
        raise
    if record.v != VERSION:
        if record.v > VERSION:
            raise newer(record.v)
        record.v = VERSION  # it is written as this code writes it, if it is written again
    if parts:
        put_together(key[0], record, parts)
    return record


def _heads_of(raws: list[bytes]) -> list[Head]:
    """The heads of many records, decoded as if they stood in one list: that takes a third of the time."""
    try:
        return _decode_heads(b"\xdd" + len(raws).to_bytes(4, "big") + b"".join(raws))
    except msgspec.DecodeError:
        return [_decode_head(raw) for raw in raws]  # one is damaged, and only by itself is it sure which


def newer(version: int) -> NewerStateError:
    return NewerStateError(f"state record has version {version}, this code reads up to {VERSION}")


class Table:
    """Records by key. Whoever changes a record says so with `touch`.

    Attributes:
        hot: records as objects. A view, which looks several up for each fact, may look here before it asks `get`.
        dirty: keys of what changed since the last flush; likewise, and with the record where it is at hand, which saves
            a flush looking it up among the many that are hot.
    """

    __slots__ = ("_by_program", "_cold", "_gone", "_parts", "_probe", "dirty", "hot")

    def __init__(self) -> None:
        #: the record's own row; of a pair or person that has parts, all rows in one value
        self._cold: dict[bytes, bytes] = {}
        #: stored rows of the parts of any other record, by its key and their names
        self._parts: dict[bytes, dict[str, bytes]] = {}
        #: keys of rows of parts of deleted records
        self._gone: list[bytes] = []
        self.hot: dict[bytes, Record] = {}
        self.dirty: dict[bytes, Record | None] = {}
        #: keys by what stands before their slash, made when first asked for; may name records that are gone
        self._by_program: dict[bytes, list[bytes]] | None = None
        self._probe = Probe()

    def __len__(self) -> int:
        return len(self._cold) + sum(1 for key in self.dirty if key in self.hot and key not in self._cold)

    @property
    def dirty_count(self) -> int:
        return len(self.dirty)

    def get(self, key: bytes) -> Record | None:
        record = self.hot.get(key)
        if record is None:
            raw = self._cold.get(key)
            if raw is None:
                return None
            record = self.hot[key] = self._decode(key, raw)
        return record

    def own_key(self, key: bytes) -> bytes:
        """The table's own object of a key, for whoever keeps keys as long as the table does: views make others, and one
        of them takes 64 B. The given one where there is no such record yet."""
        probe = self._probe
        probe.wanted = key
        return probe.found if probe in self._cold else key

    def peek(self, key: bytes) -> Record | None:
        """Read a record without making it hot: for going through many. What is read so may not be changed."""
        record = self.hot.get(key)
        if record is None and (raw := self._cold.get(key)) is not None:
            return self._decode(key, raw)
        return record

    def put(self, key: bytes, record: Record) -> None:
        if self._by_program is not None and key not in self.hot and key not in self._cold:
            self._by_program.setdefault(key.partition(b"/")[0], []).append(key)
        self.hot[key] = record
        self.dirty[key] = record

    def touch(self, key: bytes) -> None:
        self.dirty.setdefault(key)

    def delete(self, key: bytes) -> None:
        self.hot.pop(key, None)
        raw = self._cold.pop(key, None)
        if raw is not None:
            self._gone += [part_key(key, name) for name in self._rows_of(key, raw)[1]]
            self._parts.pop(key, None)
        self.dirty[key] = None

    def keys(self, prefix: bytes) -> list[bytes]:
        """All keys with a prefix, sorted."""
        found = [key for key in self._cold if key.startswith(prefix)]
        found += [key for key in self.dirty if key.startswith(prefix) and key in self.hot and key not in self._cold]
        return sorted(found)

    def of_program(self, first: bytes, program_id: str, after: bytes = b"") -> Iterator[tuple[bytes, Record]]:
        """Records of one kind in one program in the order of their keys, from behind `after` on, without making them
        hot. Costs what is gone through, not what the partition holds; meanwhile no record may be made."""
        index = self._by_program
        if index is None:
            index = self._by_program = {}
            for key in self.keys(b""):
                index.setdefault(key.partition(b"/")[0], []).append(key)
        keys = index.get(first + program_id.encode(), [])
        keys.sort()  # nearly in order already
        last = after
        for place in range(bisect_right(keys, after), len(keys)):
            key = keys[place]
            record = self.peek(key) if key != last else None  # made, deleted and made again, it stands there twice
            last = key
            if record is not None:
                yield key, record

    def restore(self, rows: dict[bytes, bytes]) -> tuple[list[tuple[int, bytes]], dict[str, bytes]]:
        """Fill an empty table from the rows of records and parts; the dictionary is taken over.

        Returns: what a restart has to know of all records: (instant at which it wants to be woken, key) of each that
            does, and the key of each open intervention by its id.

        Raises: `NewerStateError` when later code wrote a row, `msgspec.DecodeError` when one is damaged,
            `IncompleteStateError` when one is missing without which others say nothing.
        """
        parts_of = [key for key in rows if key[0] == PART]
        for key in parts_of:
            owner, name = split_part_key(key)
            self._parts.setdefault(owner, {})[name] = rows.pop(key)
        if len(parts_of) > len(rows):
            rows = dict(rows)  # a dictionary keeps the room of what was taken out of it
        for owner in self._parts:
            if owner not in rows:
                raise IncompleteStateError(f"parts of record {owner.decode()!r} are there, but not the record itself")
        self._cold, self._by_program = rows, None
        armed: list[tuple[int, bytes]] = []
        opened: dict[str, bytes] = {}
        keys, raws = iter(rows), iter(rows.values())
        while block := list(islice(raws, _BLOCK)):
            heads, theirs = _heads_of(block), list(islice(keys, _BLOCK))
            version = max(map(_version, heads))
            if version > VERSION:
                raise newer(version)
            armed += [(head.armed_ms, key) for head, key in zip(heads, theirs, strict=True) if head.armed_ms]
            for head, key in [each for each in zip(heads, theirs, strict=True) if each[0].episodes]:
                opened |= dict.fromkeys(open_ids(head.episodes), key)
        for key, parts in list(self._parts.items()):
            version = max(map(version_of, parts.values()))
            if version > VERSION:
                raise newer(version)
            for name in episode_rows(parts):
                opened |= dict.fromkeys(open_ids(open_heads(parts[name])), key)
            if key[0] in LONGEST_WHOLE:
                rows[key] = pack(key[0], rows[key], self._parts.pop(key))
        return armed, opened

    def items(self) -> Iterator[tuple[bytes, Record]]:
        """Every record, without making it hot."""
        for key in self.keys(b""):
            record = self.hot.get(key)
            yield key, record if record is not None else self._decode(key, self._cold[key])

    def stored(self) -> Iterator[tuple[bytes, bytes]]:
        """Every row of a record or of a part as it was last encoded; what has changed since is not in it."""
        for key, stored in self._cold.items():
            raw, parts = self._rows_of(key, stored)
            yield key, raw
            for name, part in parts.items():
                yield part_key(key, name), part

    def flush(self) -> list[tuple[bytes, bytes | None]]:
        """Encode what was touched, and hand over the rows, of a record with parts only those that differ from what is
        stored; None marks a deleted one."""
        rows: list[tuple[bytes, bytes | None]] = [(key, None) for key in self._gone]
        self._gone = []
        hot, cold = self.hot, self._cold
        has_many = len(cold) > HOT_LIMIT
        buffer = bytearray()  # what `encode` gives may take half as much memory again as it is long
        for key, known in self.dirty.items():
            record = known or hot.get(key)
            if record is None:
                rows.append((key, None))
                continue
            longest, stored = LONGEST_WHOLE.get(key[0]), cold.get(key)
            if longest is not None:
                if stored is None or stored[0] != PACKED:
                    _encode_into(record, buffer)
                    if len(buffer) <= longest:
                        raw = cold[key] = bytes(buffer)  # what touches it changes it
                        rows.append((key, raw))
                        if has_many:
                            cold[key] = with_room(buffer)
                        continue
                before = stored and without_room(stored, _ELEMENTS[key[0]])
                cold[key], changed = write(key, record, before)
                rows += changed
                continue
            raw, parts = take_apart(key[0], record)
            known_parts = self._parts.get(key) or {}
            if parts != known_parts:
                rows += _changes(key, known_parts, parts)
                self._parts[key] = parts
            if stored != raw:
                cold[key] = raw
                rows.append((key, raw))
        self.dirty = {}
        if len(hot) > HOT_LIMIT:
            self.hot = {}
        return rows

    def _rows_of(self, key: bytes, stored: bytes) -> tuple[bytes, Rows]:
        """The stored rows of a record: its own, and those of its parts."""
        if stored[0] == PACKED:
            return unpack(key[0], stored)
        return without_room(stored, _ELEMENTS[key[0]]), self._parts.get(key) or {}

    def _decode(self, key: bytes, stored: bytes) -> Record:
        if stored[0] != PACKED:
            return decode_record(key, stored, self._parts.get(key))
        raw, parts, older = take_out(key[0], stored)
        record = decode_record(key, raw, parts)
        if older:
            remember(key[0], record, older)
        return record


def _changes(key: bytes, before: Rows, after: Rows) -> Iterator[tuple[bytes, bytes | None]]:
    """Give the rows of parts of a record that differ from what is stored."""
    for name, raw in after.items():
        if before.get(name) != raw:
            yield part_key(key, name), raw
    for name in before:
        if name not in after:
            yield part_key(key, name), None
