"""Everything one journal partition remembers: records with their timers, clock, marks against repeats, rule sets in
force.

What is stored for it, beside the records, all keyed by a leading NUL that no id has:
`position` (always the last row of a commit), `sources` (what the clock waits for), `source/<topic>/<partition>` (how
far a source has been read, in time and in offsets), `ruleset/<scope>`, `sweep`, `faults`, `seen/<day>/<chunk>`,
`erased/<fingerprint>`.
"""

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from struct import Struct
from typing import Any, Final

import msgspec

from streams.clock import DAY_MS, UNDEFINED, SourceClock
from streams.state.episode import FactRef
from streams.state.record import NEVER, VERSION, Record
from streams.state.seen import Seen
from streams.state.table import FIRST_BYTES, NewerStateError, Table
from streams.state.timers import Timers

POSITION_KEY: Final = b"\x00position"
_SOURCES_KEY: Final = b"\x00sources"
_SOURCE: Final = b"\x00source/"
_RULESET: Final = b"\x00ruleset/"
_SWEEP_KEY: Final = b"\x00sweep"
_FAULTS_KEY: Final = b"\x00faults"
_SEEN: Final = b"\x00seen/"
_ERASED: Final = b"\x00erased/"

#: key of a chunk of event ids: prefix, day, number
_SEEN_KEY: Final = Struct(f">{len(_SEEN)}sII")

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


@lru_cache(maxsize=4_096)
def _split(source: str) -> tuple[str, int]:
    topic, _, partition = source.rpartition("/")
    return topic, int(partition)


class Sweep(msgspec.Struct, array_like=True):
    """Work on many records that one entry caused: which, why, and how far it has come (`after`, a key, the cursor).

    `backfill` is empty unless a rule set was switched on; then `rules` are the codes of the rules it changed, and
    `programs` names the programs in which it changed others. Otherwise `rules` are asked, all when it is empty, and
    `ref` is the fact behind it.
    """

    scope: str
    at_ms: int
    now_ms: int
    backfill: str
    rules: list[int]
    after: bytes = b""
    programs: dict[str, list[int]] = {}
    ref: FactRef | None = None
    #: nothing is judged: what was withheld is woken
    wakes: bool = False
    #: custom rules that are no longer there, whose open episodes resolve: id → parameters as JSON
    removed: dict[str, bytes] = {}


class StoredRuleset(msgspec.Struct, array_like=True, frozen=True):
    """A rule set in force: the expanded tree as JSON, and its content hash."""

    hash: str
    tree: bytes
    #: program (empty = all) → rule code → instant before which facts do not count, of rules that fire on a fact and
    #: were switched on with backfill `none`
    forgotten: dict[str, dict[int, int]] = {}


class Faults(msgspec.Struct, array_like=True):
    """Exceptions of rules and folds: how many per name, and the latest few with the offset of their entry."""

    counts: dict[str, int] = {}
    latest: list[tuple[int, str, str]] = []


class Partition:
    """State of one journal partition. Changes only through `streams.engine`; holds no opinion of its own."""

    def __init__(self) -> None:
        #: of the journal, for what is said of the partition itself; not stored
        self.number = 0
        self.applied = -1
        self.version = ""
        self.table = Table()
        self.seen = Seen()
        self.clock = SourceClock()
        self.rulesets: dict[str, StoredRuleset] = {}
        #: work in progress, first to last; what stands behind it waits
        self.sweeps: list[Sweep] = []
        #: the entry after `applied` has been taken in, and only what it set off is not finished
        self.midway = False
        #: open interventions by id: key of the record that remembers them; made anew from the records after a restart
        self.interventions: dict[str, bytes] = {}
        self.faults = Faults()
        #: fingerprints of erased participants: what still names them is dropped
        self.erased: set[int] = set()
        #: highest source offset applied, per (topic, partition): what is not above it is a repeat by ingest
        self.marks: dict[tuple[str, int], int] = {}
        #: one live entry per record, see `Record.armed_ms`
        self.timers = Timers()
        #: what happened since the start of this process, for metrics and summaries; not stored
        self.counts: defaultdict[tuple[str, ...], int] = defaultdict(int)
        self._dirty_sources: dict[tuple[str, int], None] = {}
        self._dirty: dict[bytes, None] = {}

    # -- timers

    def rearm(self, key: bytes, record: Record) -> None:
        """Make sure this record is woken no later than its earliest timer."""
        due = record.next_due_ms()
        if due != NEVER and (record.armed_ms == NEVER or due < record.armed_ms):
            record.armed_ms = due
            self.timers.push(due, self.table.own_key(key))

    def pop_timer(self) -> tuple[int, bytes, Record] | None:
        """Take the earliest timer; None when it was stale (its record is gone, or wakes at another instant)."""
        due, key = self.timers.pop()
        record = self.table.get(key)
        if record is None or record.armed_ms != due:
            return None
        record.armed_ms = NEVER
        self.table.dirty[key] = record
        return due, key, record

    # -- marks, clock, rule sets

    def is_repeat(self, topic: str, partition: int, offset: int) -> bool:
        """Whether ingest wrote this source record before; otherwise remembers it."""
        source = (topic, partition)
        if offset <= self.marks.get(source, -1):
            return True
        self.marks[source] = offset
        self._dirty_sources[source] = None
        return False

    def forget_marks(self, source: str) -> None:
        """Forget how far a topic, or one partition of it (`topic/partition`), was applied: its offsets begin anew, and
        what it holds now would else be taken for repeats."""
        for topic, partition in [mark for mark in self.marks if source in (mark[0], f"{mark[0]}/{mark[1]}")]:
            del self.marks[topic, partition]
            self._dirty_sources[topic, partition] = None

    def touch_source(self, source: str) -> None:
        self._dirty_sources[_split(source)] = None

    def touch_sources(self) -> None:
        self._dirty[_SOURCES_KEY] = None

    def put_ruleset(self, scope: str, ruleset: StoredRuleset) -> None:
        self.rulesets[scope] = ruleset
        self._dirty[_RULESET + scope.encode()] = None

    def add_sweep(self, sweep: Sweep) -> None:
        """Queue work on many records."""
        self.sweeps.append(sweep)
        self.touch_sweep()

    def touch_sweep(self) -> None:
        self._dirty[_SWEEP_KEY] = None

    def note_fault(self, name: str, error: BaseException) -> None:
        """Record that a rule or a fold raised on the entry at hand. Names and error classes only, never values."""
        faults = self.faults
        faults.counts[name] = faults.counts.get(name, 0) + 1
        faults.latest = [*faults.latest[-9:], (self.applied + 1, name, type(error).__name__)]
        self.counts["faults", name] += 1
        self._dirty[_FAULTS_KEY] = None

    def day_of(self, arrived_ms: int) -> int:
        """Day under which an event id is remembered: of the engine's clock, of the arrival while there is none."""
        return (self.clock.now_ms if self.clock.now_ms != UNDEFINED else arrived_ms) // DAY_MS

    def put_erased(self, mark: int) -> None:
        self.erased.add(mark)
        self._dirty[_ERASED + mark.to_bytes(8, "big")] = None

    # -- stored form

    def pending(self) -> int:
        return self.table.dirty_count

    def flush(self) -> list[tuple[bytes, bytes | None]]:
        """Rows to be written to the state topic, the position last; what they hold is no longer pending."""
        rows = self.table.flush()
        for day, number, packed in self.seen.dirty():
            rows.append((_SEEN_KEY.pack(_SEEN, day, number), packed))
        clock = self.clock
        for topic, partition in self._dirty_sources:
            source = f"{topic}/{partition}"
            progress = clock.progress.get(source, UNDEFINED)
            rows.append(
                (_SOURCE + source.encode(), _encode((VERSION, self.marks.get((topic, partition), -1), progress)))
            )
        for key in self._dirty:
            rows.append((key, self._encode_own(key)))
        self._dirty_sources, self._dirty = {}, {}
        rows.append((POSITION_KEY, _encode((VERSION, self.applied, clock.now_ms, self.version, self.midway))))
        return rows

    def _encode_own(self, key: bytes) -> bytes | None:
        clock = self.clock
        if key == _SOURCES_KEY:
            return _encode((VERSION, clock.records, clock.expected, clock.since, clock.gaps, clock.topic_ids))
        if key == _SWEEP_KEY:
            return _encode((VERSION, self.sweeps)) if self.sweeps else None
        if key == _FAULTS_KEY:
            return _encode((VERSION, self.faults))
        if key.startswith(_ERASED):
            return _encode((VERSION,))
        return _encode((VERSION, self.rulesets[key.removeprefix(_RULESET).decode()]))

    def restore(self, rows: dict[bytes, bytes] | Iterable[tuple[bytes, bytes]]) -> None:
        """Fill an empty partition from its stored rows. A dictionary is taken over: it becomes part of the state.

        There may be millions, so as little as possible is done for each. Raises `NewerStateError` when later code wrote
        them.
        """
        if not isinstance(rows, dict):
            rows = dict(rows)
        others = [key for key in rows if key[0] not in FIRST_BYTES]
        for key in [key for key in others if not key.startswith(_SEEN)]:
            self._restore_own(key, _decode(rows.pop(key)))
        days: dict[int, list[bytes]] = {}
        for key in sorted([key for key in others if key.startswith(_SEEN)]):
            _, day, number = _SEEN_KEY.unpack(key)
            chunks = days.setdefault(day, [])
            assert number == len(chunks), "chunks are numbered from 0 without holes"
            chunks.append(rows.pop(key))
        self.seen.restore(days)
        armed, self.interventions = self.table.restore(rows)
        self.timers.fill(armed)

    def _restore_own(self, key: bytes, row: list[Any]) -> None:
        version, *values = row
        if version > VERSION:
            raise NewerStateError(f"state row has version {version}, this code reads up to {VERSION}")
        clock = self.clock
        if key == POSITION_KEY:
            self.applied, clock.now_ms, self.version, self.midway = values
        elif key == _SOURCES_KEY:
            clock.records, clock.since = values[0], values[2]
            clock.expected, clock.gaps = tuple(values[1]), [(start, end) for start, end in values[3]]
            clock.topic_ids = values[4]
        elif key == _SWEEP_KEY:
            self.sweeps = msgspec.convert(values[0], list[Sweep])
        elif key == _FAULTS_KEY:
            self.faults = msgspec.convert(values[0], Faults)
        elif key.startswith(_RULESET):
            self.rulesets[key.removeprefix(_RULESET).decode()] = msgspec.convert(values[0], StoredRuleset)
        elif key.startswith(_ERASED):
            self.erased.add(int.from_bytes(key[len(_ERASED) :], "big"))
        elif key.startswith(_SOURCE):
            source = key.removeprefix(_SOURCE).decode()
            topic, _, partition = source.rpartition("/")
            if values[0] >= 0:
                self.marks[topic, int(partition)] = values[0]
            if values[1] != UNDEFINED:
                clock.progress[source] = values[1]
        else:
            raise NewerStateError(f"unknown state row {key!r}")
