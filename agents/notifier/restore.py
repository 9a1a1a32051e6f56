"""Making a desk again from the topics: programs, records since the low-water mark, and the delivery log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from agents.host.clients import KafkaSettings
from agents.notifier.store import Store
from agents.reading import Place, Reader, Stretch
from schemas.facts import Moment
from schemas.outbound import Intervention, decode_intervention
from streams.clock import DAY_MS
from streams.delivery.desk import Desk
from streams.delivery.entries import Entry, entry_of
from streams.delivery.people import Line, Program
from streams.delivery.recall import open_digest, recall, tell_newcomers

PROGRAMS: Final = "programs"
KEEP_MS: Final = 400 * DAY_MS
"""How long rows of what is over are kept: as long as `interventions` by default."""


class Position(Struct, frozen=True):
    """Where the group stands in a partition.

    Attributes:
        next: the first record that is not decided on; None when the group was never there.
        low_water: from where on records are needed to make the desk again.
    """

    next: int | None
    low_water: int


class Restored(Struct):
    """What `restore` found.

    Attributes:
        starts: the next record to read, by partition.
        rows: rows of the delivery log to be written.
        first: partitions that the group reads for the first time.
        stale: keys of rows that nobody needs any more.
        interrupted: the line of each message whose last attempt nobody knows the outcome of.
    """

    starts: dict[int, int]
    rows: list[Entry]
    first: set[int]
    stale: list[str] = []
    interrupted: list[Line] = []
    logged: int = 0
    folded: int = 0


class _Program(Struct):
    type: Literal["program.changed"]
    program_id: str
    occurred_at: Moment
    timezone: str = "UTC"
    coordinator_ids: list[str] = []
    backup_coordinator_ids: list[str] | None = None
    safeguarding_contact_id: str | None = None


_DECODER: Final = msgspec.json.Decoder(_Program)


class Programs:
    """The newest word on each program, as it stands on `programs`.

    Attributes:
        has_newcomers: somebody has joined a program that was known before; whoever acts on it sets it back.
    """

    def __init__(self) -> None:
        self.known: Final[dict[str, Program]] = {}
        self.has_newcomers = False
        self._when: dict[str, datetime] = {}

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Take a record in. What cannot be read is ingest's to complain about."""
        if value is None:
            self.known.pop((key or b"").decode("utf-8", "replace"), None)
            return
        try:
            said = _DECODER.decode(value)
        except msgspec.DecodeError:
            return
        if said.occurred_at >= self._when.get(said.program_id, said.occurred_at):
            self._when[said.program_id] = said.occurred_at
            before = self.known.get(said.program_id)
            self.known[said.program_id] = now = Program(
                program_id=said.program_id,
                coordinators=tuple(said.coordinator_ids),
                backups=tuple(said.backup_coordinator_ids or ()),
                safeguarding=said.safeguarding_contact_id,
                timezone=said.timezone,
            )
            self.has_newcomers |= before is not None and not _people(now) <= _people(before)


def _people(program: Program) -> set[str | None]:
    return {*program.coordinators, *program.backups, program.safeguarding, None}


def restore(
    kafka: KafkaSettings,
    desk: Desk,
    store: Store,
    programs: Programs,
    *,
    interventions: str,
    deliveries: str,
    program_topic: str,
    positions: Mapping[int, Position],
    now_ms: int,
) -> Restored:
    """Make the desk. Blocks for as long as reading takes: call it in a thread, before anything else uses the desk.

    Args:
        positions: by partition of `interventions`; partitions that are missing were never read.

    Raises: KafkaException or Refusal when the broker does not answer.
    """
    with Reader(kafka) as reader:
        there = reader.partitions()
        for message in reader.read(reader.stretches(_places(there, program_topic))):
            programs.take(message.key(), message.value())
        ends = reader.stretches(_places(there, interventions))
        found = Restored({}, [], set())
        stretches: dict[Place, Stretch] = {}
        for (topic, partition), known in ends.items():
            position = positions.get(partition, Position(None, known.begin))
            upto = known.end if position.next is None else min(position.next, known.end)
            found.starts[partition] = upto
            if position.next is None:
                found.first.add(partition)
            stretches[topic, partition] = Stretch(max(known.begin, min(position.low_water, upto)), upto)
        for message in reader.read(stretches):
            record = _decoded(message.value())
            if record is not None:
                found.folded += 1
                desk.fold(record, message.partition() or 0, message.offset() or 0)
                store.put(record.intervention_id, record.sequence, message.value())
        newest: dict[bytes, Entry | None] = {}
        for message in reader.read(reader.stretches(_places(there, deliveries))):
            value = message.value()
            newest[message.key() or b""] = None if value is None else entry_of(value)
    rows = [entry for entry in newest.values() if entry is not None]
    programs.has_newcomers = False  # what follows knows them
    found.logged = len(rows)
    if found.first and not rows:
        found.rows = _first_start(desk, store, found.first, now_ms)
    else:
        begun = {(row.line, row.message_id) for row in rows if row.state == "attempting"}
        found.interrupted = [line for line, _ in begun]
        found.rows = recall(desk, rows, now_ms)
        if found.first:
            # Positions were lost or partitions added: what has no row yet is decided on as at a first start.
            found.rows += _first_start(desk, store, found.first, now_ms)
        told = {(row.intervention_id, row.recipient) for row in rows if row.channel != "none"}
        told |= {(row.intervention_id, row.recipient) for row in found.rows}
        open_ones = (_decoded(store.newest(name)) for name in list(desk.cases))
        found.rows += tell_newcomers(desk, (one for one in open_ones if one is not None), told, now_ms)
        # The log would grow for ever; what an intervention's own topic no longer holds has nothing to be logged for.
        found.stale = [
            row.key for row in rows if row.decided_ms < now_ms - KEEP_MS and row.intervention_id not in desk.cases
        ]
    return found


def _first_start(desk: Desk, store: Store, partitions: set[int], now_ms: int) -> list[Entry]:
    new = [case for case in desk.cases.values() if case.partition in partitions]
    records = [_decoded(store.newest(case.intervention_id)) for case in new]
    return open_digest(desk, (record for record in records if record is not None), now_ms)


def _places(there: Mapping[str, int], topic: str) -> list[Place]:
    return [(topic, partition) for partition in range(there.get(topic, 0))]


def _decoded(value: Any) -> Intervention | None:
    try:
        return None if value is None else decode_intervention(value)
    except msgspec.DecodeError:
        return None
