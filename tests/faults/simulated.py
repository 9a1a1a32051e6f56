"""A cluster and workers without broker and processes: logs, a transactional store, committed positions.

What is real: merge and intake of ingest, the lane and its protocol, the engine. What is modelled: the broker, with
what survives (logs, committed transactions, epochs, committed positions) kept apart from what does not (everything
inside a worker). A worker can die, freeze and thaw at every point at which the real one waits for the broker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiokafka.errors import ProducerFenced

from agents.app import expand_ruleset
from agents.engine import EngineFold
from agents.host import lane as lane_module
from agents.host.checks import LaneTopics, Topology
from agents.host.clients import KafkaSettings
from agents.host.fold import HOST_KEY, Message
from agents.host.lane import Lane, LaneOptions
from agents.host.observer import SilentObserver
from agents.host.pace import Pace
from agents.host.recovery import Recovered
from agents.host.transactions import is_fenced
from agents.ingest.intake import Intake, Unit
from agents.ingest.merge import Merge, Source
from agents.ingest.sources import ORDER

TOPICS = LaneTopics(journal="journal", state="state", interventions="interventions")
TURNS = 40
SOURCE = "/ebb/simulated"


class Stored(NamedTuple):
    """A record as consumers see it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    timestamp_type: int = 0
    headers: Sequence[tuple[str, bytes]] = ()


@dataclass(slots=True)
class Cluster:
    """What survives every worker."""

    partitions: int
    fences: bool = True
    inbound: dict[Source, list[Stored]] = field(default_factory=dict)
    journal: list[list[Stored]] = field(default_factory=list)
    state: list[list[tuple[bytes, bytes | None]]] = field(default_factory=list)
    published: list[list[Message]] = field(default_factory=list)
    epochs: list[int] = field(default_factory=list)
    committed: dict[Source, int] = field(default_factory=dict)
    dead: set[tuple[Source, int]] = field(default_factory=set)
    fenced: int = 0

    def __post_init__(self) -> None:
        for rows in (self.journal, self.state, self.published):
            rows.extend([] for _ in range(self.partitions))
        self.epochs = [0] * self.partitions

    def arrive(self, source: Source, key: bytes, value: bytes | None, at_ms: int) -> None:
        """A producer sends one record."""
        records = self.inbound.setdefault(source, [])
        records.append(Stored(len(records), at_ms, key, value))

    def append(self, partition: int, rows: Iterable[tuple[bytes | None, bytes]]) -> None:
        """Ingest's producer writes to the journal."""
        journal = self.journal[partition]
        journal += [Stored(number, 0, key, value) for number, (key, value) in enumerate(rows, len(journal))]


class Gate:
    """Where a worker waits for the broker: it may be frozen, or die, at the n-th wait from now on."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._left: int | None = None

    def freeze(self, after: int) -> None:
        """Wait for ever at the wait after so many more."""
        self._left = after

    def thaw(self) -> None:
        """Let everything go on."""
        self._left = None
        self._open.set()

    @property
    def is_frozen(self) -> bool:
        """Whether somebody was stopped here."""
        return not self._open.is_set()

    async def passing(self) -> None:
        """One wait."""
        if self._left is not None:
            if self._left == 0:
                self._open.clear()
            self._left -= 1
        await self._open.wait()


class _Writer:
    """`agents.host.transactions.TransactionalWriter` on the model."""

    def __init__(self, cluster: Cluster, gate: Gate, partition: int) -> None:
        self._cluster = cluster
        self._gate = gate
        self._partition = partition
        self._epoch = 0
        self._has_begun = False

    async def own(self) -> None:
        await self._gate.passing()
        self._cluster.epochs[self._partition] += 1
        self._epoch = self._cluster.epochs[self._partition]

    def open_s(self) -> float:
        return 0.0

    async def begin(self, *, with_interventions: bool) -> None:  # noqa: ARG002  (what is told early changes nothing)
        if not self._has_begun:
            self._has_begun = True
            await self._step()

    async def _step(self) -> None:
        await self._gate.passing()
        if self._cluster.fences and self._epoch != self._cluster.epochs[self._partition]:
            self._cluster.fenced += 1
            raise ProducerFenced

    async def commit(self, interventions: Iterable[Message], rows: Iterable[tuple[bytes, bytes | None]]) -> None:
        messages, taken = list(interventions), list(rows)
        await self.begin(with_interventions=False)
        for _ in ("interventions", "state", "commit"):
            await self._step()
        self._has_begun = False
        self._cluster.published[self._partition] += messages
        self._cluster.state[self._partition] += taken
        await self._gate.passing()

    async def stop(self) -> None:
        return


class Worker:
    """One process: an ingest and some lanes. Everything in it is lost when it dies."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.gate = Gate()
        self.lanes: dict[int, Lane] = {}
        self.positions: dict[int, int] = {}
        self.errors: list[BaseException] = []
        self._ingesting: asyncio.Task[None] | None = None
        self._committing: asyncio.Task[None] | None = None
        self._merge = Merge(ORDER)
        self._intake = Intake(cluster.partitions, expand_ruleset)
        self._acked: dict[Source, int] = {}

    # the engine's half

    def open(self, partition: int) -> None:
        """The group assigned a partition."""
        if partition not in self.lanes:
            # The lane makes its writer and reads its state through these two names.
            names: Any = lane_module
            kept = names.TransactionalWriter, names.recover
            names.TransactionalWriter = lambda *_, **__: _Writer(self.cluster, self.gate, partition)
            names.recover = self._recover
            try:
                self.lanes[partition] = Lane(
                    partition,
                    fold=EngineFold(SOURCE, partition),
                    kafka=KafkaSettings(brokers="nowhere:1"),
                    topics=TOPICS,
                    topology=Topology(self.cluster.partitions),
                    flow=self,
                    options=LaneOptions(linger_s=0.0, quiet_linger_s=0.0, idle_s=3_600.0, unit_records=30),
                    pace=Pace(),
                    observer=SilentObserver(),
                    failpoint=None,
                    ended=self._ended,
                )
            finally:
                # The lane's task has not begun: it looks the second name up when it recovers.
                names.TransactionalWriter = kept[0]

    def close(self, partition: int) -> None:
        """The group took a partition away; nothing is flushed."""
        lane = self.lanes.pop(partition, None)
        if lane is not None:
            lane._closed = True
            lane._inbox.wake()
            lane._task.cancel()

    def deliver(self, partition: int, count: int, back: int = 0, skip: int = 0) -> None:
        """A fetch brings entries: from where the consumer stands, or from before (again), or beyond (a lost one)."""
        lane = self.lanes.get(partition)
        if lane is None or not lane.is_open:
            return
        start = max(0, self.positions.get(partition, 0) - back + skip)
        chunk = self.cluster.journal[partition][start : start + count]
        if chunk:
            self.positions[partition] = start + len(chunk)
            lane.deliver(chunk)

    def _ended(self, lane: Lane, error: BaseException) -> None:
        self.lanes.pop(lane.partition, None)
        if not is_fenced(error):
            self.errors.append(error)

    async def _recover(self, _kafka: Any, partition: int, *, tick: Callable[[], None], **_: str) -> Recovered:
        await self.gate.passing()
        rows: dict[bytes, bytes] = {}
        stored = self.cluster.state[partition]
        for key, value in stored:
            if value is None:
                rows.pop(key, None)
            else:
                rows[key] = value
        tick()
        return Recovered(rows, rows.pop(HOST_KEY, None), len(stored), 0, 0, len(self.cluster.journal[partition]), None)

    # what a lane asks of the consumer

    def hold(self, partition: int) -> None:
        """Nothing: deliveries are made by hand."""

    def release(self, partition: int) -> None:
        """Nothing."""

    async def seek(self, partition: int, offset: int) -> None:
        """The consumer goes on from here."""
        self.positions[partition] = offset

    # ingest's half

    def assign(self, sources: Iterable[Source]) -> None:
        """The group assigned source partitions: they are opened where the group left off."""
        wanted = set(sources)
        for source in set(self._merge.sources()) - wanted:
            self._merge.close(source)
            self._acked.pop(source, None)
        for source in wanted - set(self._merge.sources()):
            position = self.cluster.committed.get(source, 0)
            self._merge.open(source, position, len(self.cluster.inbound.get(source, ())))
            self._acked[source] = position

    def fetch(self, source: Source, count: int, back: int = 0) -> None:
        """A fetch brings records, some of which may have been here before."""
        tail = self._merge.tail(source)
        if tail is None:
            return
        start = max(0, tail - back)
        self._merge.add(source, self.cluster.inbound.get(source, [])[start : start + back + count])

    def forward(self, most: int, now_ms: int) -> None:
        """Write the next unit, unless one is under way."""
        if self._ingesting is not None and not self._ingesting.done():
            return
        if self._ingesting is not None and not self._ingesting.cancelled():
            self._ingesting.result()
        runs = self._merge.take(most)
        if runs:
            unit = self._intake.digest(runs, now_ms)
            assert not unit.stopped
            self._ingesting = asyncio.get_running_loop().create_task(self._write(unit))

    async def _write(self, unit: Unit) -> None:
        await self.gate.passing()
        for letter in unit.dead:
            self.cluster.dead.add((letter.source, letter.record.offset))
        for partition, rows in enumerate(unit.rows):
            await self.gate.passing()  # some partitions may have it and others not
            self.cluster.append(partition, rows)
        await self.gate.passing()
        for source, position in unit.positions.items():
            if source in self._acked:
                self._acked[source] = position

    def commit(self) -> None:
        """Commit acknowledged positions; a worker that woke up late may set the group back."""
        if self._committing is None or self._committing.done():
            self._committing = asyncio.get_running_loop().create_task(self._commit())

    async def _commit(self) -> None:
        await self.gate.passing()
        self.cluster.committed.update(self._acked)

    # the end

    def die(self) -> None:
        """SIGKILL."""
        for lane in self.lanes.values():
            lane._task.cancel()
        self.lanes.clear()
        for task in (self._ingesting, self._committing):
            if task is not None:
                task.cancel()


async def turns(count: int = TURNS) -> None:
    """Let everybody who can go on go on."""
    for _ in range(count):
        await asyncio.sleep(0)
