"""The state table of one partition: keyed records, cold as stored bytes, hot as objects while they are worked on.

A cold record costs its encoded size plus two dictionary slots, so that a pair with its two people stays below 2 KB. A
record becomes hot when it is first asked for; a flush encodes what changed and, when too many are hot, lets all of
them go cold. Decoding what was encoded gives the same record back, so being hot or cold changes nothing but speed.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

import msgspec

from streams.state.history import Page
from streams.state.pair import PairState
from streams.state.participant import ParticipantState
from streams.state.pieces import NAMES, Cut, cutting, cutting_none, cutting_one, join, piece_key, record_key
from streams.state.program import ProgramState
from streams.state.record import VERSION, Head, Record
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
#: Where records are cut into rows, see `streams.state.pieces`. To cut otherwise, change `NAMES` there.
_CUTS: Final[dict[int, Cut]] = {
    ord("p"): cutting_one("sentiment"),
    ord("m"): cutting_none,
    ord("g"): cutting(
        {
            "gaps": {},
            "sentiment": {"counts": {}, "surveys": {"judged": {}}},
            "tone": {"answers": {}, "totals": {}},
        }
    ),
    ord("s"): cutting({"stream": {"facts": {}}}),
}
_DECODE: Final = {first: msgspec.msgpack.Decoder(kind).decode for first, kind in _KINDS.items()}
_decode_head = msgspec.msgpack.Decoder(Head).decode
#: names of all pieces; the first has none
_PLACES: Final = (b"", *NAMES)
_encode = msgspec.msgpack.Encoder().encode


class NewerStateError(Exception):
    """State was written by later code than this. Run that version or a later one."""


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
    return key[0] in _KINDS


def program_of(key: bytes) -> str:
    """Program id inside a record's key."""
    return key[1:].partition(b"/")[0].decode()


def subject_of(key: bytes) -> str:
    """Pair or participant id inside a record's key; the program id for a program."""
    program, _, subject = key[1:].partition(b"/")
    return (subject or program).decode()


def decode_record(key: bytes, raw: bytes) -> Record:
    """Decode a stored record. Raises `NewerStateError` when later code wrote it, `msgspec.DecodeError` when it is
    damaged."""
    try:
        record = _DECODE[key[0]](raw)
    except msgspec.ValidationError:
        version = msgspec.msgpack.decode(raw)[0]
        if version > VERSION:
            raise newer(version) from None
        raise
    if record.v > VERSION:
        raise newer(record.v)
    return record


def newer(version: int) -> NewerStateError:
    return NewerStateError(f"state record has version {version}, this code reads up to {VERSION}")


class Table:
    """Records by key. Whoever changes a record says so with `touch`.

    Attributes:
        hot: records as objects. A view, which looks several up for each fact, may look here before it asks `get`.
        dirty: keys of what changed since the last flush; likewise.
    """

    __slots__ = ("_by_program", "_cold", "_ends", "_otherwise", "dirty", "hot")

    def __init__(self) -> None:
        self._cold: dict[bytes, bytes] = {}
        self.hot: dict[bytes, Record] = {}
        self.dirty: dict[bytes, None] = {}
        #: keys by what stands before their slash, made when first asked for; may name records that are gone
        self._by_program: dict[bytes, list[bytes]] | None = None
        #: ends of the stored pieces of what is hot
        self._ends: dict[bytes, tuple[int, ...]] = {}
        #: what may be stored in other pieces than this code cuts, or is gone: key → names of those behind the first
        self._otherwise: dict[bytes, tuple[bytes, ...]] = {}

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
            record = self.hot[key] = decode_record(key, raw)
            cut = _CUTS.get(key[0])
            if cut is not None:
                self._ends[key] = cut(record, raw)
        return record

    def peek(self, key: bytes) -> Record | None:
        """Read a record without making it hot: for going through many. What is read so may not be changed."""
        record = self.hot.get(key)
        if record is None and (raw := self._cold.get(key)) is not None:
            return decode_record(key, raw)
        return record

    def put(self, key: bytes, record: Record) -> None:
        if key in self._cold and key not in self.hot:
            self.get(key)  # how it is stored has to be known
        if self._by_program is not None and key not in self.hot and key not in self._cold:
            self._by_program.setdefault(key.partition(b"/")[0], []).append(key)
        self.hot[key] = record
        self.dirty[key] = None

    def touch(self, key: bytes) -> None:
        self.dirty[key] = None

    def delete(self, key: bytes) -> None:
        self.get(key)
        raw, ends = self._cold.pop(key, None), self._ends.pop(key, None)
        if raw is not None and ends is not None and key not in self._otherwise:
            behind = zip(NAMES, pairwise((*ends, len(raw))), strict=False)
            self._otherwise[key] = tuple(name for name, (start, end) in behind if end > start)
        self.hot.pop(key, None)
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

    def restore(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Fill an empty table from stored rows, in any order."""
        cold, pieces = self._cold, dict[bytes, list[tuple[bytes, bytes]]]()
        for row, raw in rows:
            key, name = record_key(row)
            if name:
                pieces.setdefault(key, []).append((name, raw))
            else:
                cold[key] = raw
        for key, behind in pieces.items():
            cold[key] = join((*behind, (b"", cold[key])))
        for key in cold:
            if key[0] in _CUTS:
                names = tuple(name for name, _ in pieces.get(key, ()))
                if not names or not set(names).issubset(NAMES):
                    self._otherwise[key] = names
        self._by_program = None

    def items(self) -> Iterator[tuple[bytes, Record]]:
        """Every record, without making it hot."""
        for key in self.keys(b""):
            record = self.hot.get(key)
            yield key, record if record is not None else decode_record(key, self._cold[key])

    def restored(self) -> Iterator[tuple[bytes, Head]]:
        """What a restart has to know of every record. Only for a table that was just restored: changes since then are
        not seen. Raises `NewerStateError` when later code wrote it."""
        for key, raw in self._cold.items():
            head = _decode_head(raw)
            if head.v > VERSION:
                raise newer(head.v)
            yield key, head

    def stored_as(self, key: bytes) -> bytes | None:
        """A record as it was last encoded."""
        return self._cold.get(key)

    def stored(self) -> Iterator[tuple[bytes, bytes]]:
        """Every record as it was last encoded; what has changed since is not in it."""
        return iter(self._cold.items())

    def flush(self) -> list[tuple[bytes, bytes | None]]:
        """Encode what changed; None marks a deleted record, or a piece that is there no more."""
        rows: list[tuple[bytes, bytes | None]] = []
        hot, cold = self.hot, self._cold
        for key in self.dirty:
            record = hot.get(key)
            if record is None:
                rows.append((key, None))
                rows += [(piece_key(key, name), None) for name in self._otherwise.pop(key, ())]
                continue
            raw = _encode(record)
            if key[0] in _CUTS:
                self._write(key, record, raw, rows)
            elif raw != cold.get(key):
                cold[key] = raw
                rows.append((key, raw))
        self.dirty = {}
        if len(hot) > HOT_LIMIT:
            self.hot, self._ends = {}, {}
        return rows

    def _write(self, key: bytes, record: Record, raw: bytes, rows: list[tuple[bytes, bytes | None]]) -> None:
        """Write those pieces of a record that are not stored as they are now."""
        stored, before = self._cold.get(key), self._ends.get(key)
        if raw == stored and key not in self._otherwise:
            return
        ends = _CUTS[key[0]](record, raw)
        self._cold[key], self._ends[key] = raw, ends
        if stored is None or before is None or key in self._otherwise:
            self._write_anew(key, raw, ends, rows)
            return
        if ends[0] == len(raw) and before[0] == len(stored):
            rows.append((key, raw))  # the most common case: one piece before and after
            return
        start = start_before = 0
        for name, end, end_before in zip(_PLACES, (*ends, len(raw)), (*before, len(stored)), strict=False):
            if end > start or end_before > start_before:
                piece = raw[start:end]
                if piece != stored[start_before:end_before]:
                    rows.append((piece_key(key, name), piece or None))
            start, start_before = end, end_before

    def _write_anew(
        self, key: bytes, raw: bytes, ends: tuple[int, ...], rows: list[tuple[bytes, bytes | None]]
    ) -> None:
        """Write all pieces of a record of which nothing is stored, or not in these."""
        gone = dict.fromkeys(self._otherwise.pop(key, ()))
        for name, (start, end) in zip(_PLACES, pairwise((0, *ends, len(raw))), strict=False):
            if end > start:
                rows.append((piece_key(key, name), raw[start:end]))
                gone.pop(name, None)
        rows += [(piece_key(key, name), None) for name in gone]
