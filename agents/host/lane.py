"""A lane: everything about one journal partition, and the protocol by which its state is exact.

Open, in the lane's own task and never inside a rebalance callback (aiokafka starts the heartbeat only after that
returned):
 1. own: start a producer with the partition's transactional id. InitProducerId bumps the epoch, which fences every
    earlier owner, and returns only after the former owner's transaction is finished.
 2. recover: read the state partition to the end offset taken after 1.
 3. seek the journal to applied + 1.
Work, for each unit (every chunk that queued up during the previous commit, and what comes within the linger after it,
which is short when a decision waits):
 4. apply exactly the entry applied + 1: an older one is skipped, at a newer one the rest is dropped and the lane seeks
    back.
 5. one transaction: interventions, then rows with the marker last; every batch's answer is awaited; commit. It begins
    during the linger of 4, and nothing is written into it before 5.
The group proposes an owner, the epoch decides: nothing here asks whether the partition is still ours.
Any exception ends the process; being fenced ends the lane, because that is how a rebalance looks from behind.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from aiokafka.errors import IllegalStateError, KafkaError

from agents.host.checks import LaneTopics, Topology, check_host_row, check_journal, host_row, lost_state
from agents.host.clients import KafkaSettings
from agents.host.failpoints import Failpoint
from agents.host.fetching import Record
from agents.host.fold import HOST_KEY, POSITION_KEY, Fold
from agents.host.inbox import Inbox
from agents.host.observer import HostObserver
from agents.host.pace import WINDOW_S, Pace
from agents.host.recovery import Recovered, recover
from agents.host.transactions import TransactionalWriter

log = logging.getLogger("ebb.host")

UNIT = 20_000  # records and interventions of a commit
BLOCK = 512  # records between two looks at how much is pending
AHEAD_S = 0.5  # how long before a commit its transaction may begin: brokers end one that is open for long
YIELD_EVERY = 2_048  # records between two turns of the event loop


class Flow(Protocol):
    """What a lane asks of the consumer (agents.host.chunks.JournalFlow)."""

    def hold(self, partition: int) -> None: ...

    def release(self, partition: int) -> None: ...

    async def seek(self, partition: int, offset: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneOptions:
    """How a lane works.

    Args:
        linger_s: how long after a commit the next one waits for more, when it brings interventions. What comes after a
            longer silence is committed at once.
        quiet_linger_s: how long a unit waits for more that brings no interventions: nobody waits for it. Either is
            longer when there is more to do than time (`agents.host.pace`).
        unit_records: a unit is committed once this many records and interventions are pending.
        idle_s: a lane that is behind and hears nothing this long seeks again, in case a chunk was lost on the way.
        transaction_timeout_s: after this the broker aborts a transaction whose owner is gone; readers wait no longer.
        commit_timeout_s: a commit, or taking a partition over, that takes longer ends the process.
        rebuild_lost_state: fold from the beginning of the journal where state was lost, publishing interventions again.
    """

    linger_s: float = 0.010
    quiet_linger_s: float = 0.25
    unit_records: int = UNIT
    idle_s: float = 5.0
    transaction_timeout_s: float = 10.0
    commit_timeout_s: float = 60.0
    rebuild_lost_state: bool = False


class Lane:
    """One journal partition: opens itself when created, works until closed. Create and use it on the event loop.

    Args:
        ended: called once with the reason when the lane's task ends by an error; not after `close`.
    """

    def __init__(
        self,
        partition: int,
        *,
        fold: Fold,
        kafka: KafkaSettings,
        topics: LaneTopics,
        topology: Topology,
        flow: Flow,
        options: LaneOptions,
        pace: Pace,
        observer: HostObserver,
        failpoint: Failpoint | None,
        ended: Callable[[Lane, BaseException], None],
    ) -> None:
        self.partition = partition
        self.durable = -1
        """Offset of the last entry wholly applied and committed."""
        self.end = 0
        """Offset after the last entry of the journal partition, as far as known; kept up to date from outside."""
        self.is_open = False
        self.overran = False
        """Whether its last transaction took longer than a broker lets one be: then that broker itself has fenced us."""
        self.pulse = 0
        """Rises with every piece of work done; a lane with lag whose pulse stands still is stuck."""
        self._fold = fold
        self._kafka = kafka
        self._topics = topics
        self._topology = topology
        self._flow = flow
        self._options = options
        self._pace = pace
        self._observer = observer
        self._failpoint = failpoint
        self._ended = ended
        self._inbox = Inbox(lambda: flow.hold(partition), lambda: flow.release(partition))
        self._closed = False
        self._healed_at = 0.0
        self._write_host_row = False
        self._state_begin = 0
        self._uncommitted_entries = 0
        self._committed_at = -math.inf
        self._writer = TransactionalWriter(
            kafka,
            topics.transactional_id(partition),
            partition,
            interventions=topics.interventions,
            state=topics.state,
            timeout_s=options.transaction_timeout_s,
            passing=self._pass,
        )
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"lane-{partition}")

    @property
    def applied(self) -> int:
        """Offset of the last entry wholly applied, committed or not."""
        return self._fold.applied

    def deliver(self, records: Sequence[Record]) -> None:
        """Take a chunk. While the lane is still opening it is dropped: opening ends with a seek to the entry needed."""
        if self.is_open and not self._closed:
            self._inbox.put(records)
        elif not self._closed:
            self._flow.hold(self.partition)

    async def close(self, patience_s: float = 5.0) -> None:
        """Stop working. A commit under way may finish, so that readers need not wait for its time-out; nothing else is
        flushed."""
        self._closed = True
        self._inbox.wake()
        done, _ = await asyncio.wait([self._task], timeout=patience_s if self.is_open else 0)
        if not done:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=patience_s)
        await self._writer.stop()

    async def _run(self) -> None:
        try:
            await self._own()
            await self._recover()
            await self._work()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  (whatever it is, it ends the process)
            if self._closed:
                log.info("lane %d ended while closing: %r", self.partition, error)
                return
            self.is_open = False
            self._ended(self, error)

    # 1. own

    async def _own(self) -> None:
        # The watchdog knows no lag of a lane that is not open, so waiting for a broker has an end of its own.
        async with asyncio.timeout(self._options.commit_timeout_s):
            await self._writer.own()
        self._pass("after_own")

    # 2. recover, 3. seek

    async def _recover(self) -> None:
        started = time.monotonic()
        names = self._topics
        found = await recover(
            self._kafka,
            self.partition,
            state=names.state,
            journal=names.journal,
            interventions=names.interventions,
            tick=self._recovery_moves,
        )
        self._state_begin = found.begin
        if found.records:
            self._write_host_row = check_host_row(found.host, self._topology, names, found.begin)
            # On a thread: decoding a country's pairs takes seconds, health and heartbeats must answer meanwhile.
            await asyncio.to_thread(self._fold.restore, found.rows)
        else:
            self._check_first_start(found)
            self._write_host_row = True
        check_journal(names.journal, self.partition, self._fold.applied, found.journal_begin, found.journal_end)
        self._pass("after_recover")
        self.durable, self.end = self._fold.applied, found.journal_end
        seconds = time.monotonic() - started
        self._observer.recovered(self.partition, found.records, seconds)
        log.info(
            "lane %d open at entry %d: %d rows read in %.2f s", self.partition, self.applied + 1, found.records, seconds
        )
        self.is_open = True
        await self._seek("open")
        self._flow.release(self.partition)

    def _check_first_start(self, found: Recovered) -> None:
        if self._options.rebuild_lost_state:
            log.warning("lane %d folds its journal from the beginning, as told", self.partition)
        elif found.evidence is not None:
            raise lost_state(self._topics.state, self.partition, found.evidence)

    def _recovery_moves(self) -> None:
        self.pulse += 1
        self._pass("mid_recovery")

    # 4. apply

    async def _work(self) -> None:
        while not self._closed:
            if await self._inbox.wait(self._options.idle_s):
                await self._unit()
            elif self.end > self._fold.applied + 1:
                await self._seek("idle")

    async def _unit(self) -> None:
        loop, fold = asyncio.get_running_loop(), self._fold
        started = loop.time()
        while not self._closed:
            if len(self._inbox):
                await self._apply(self._inbox.take())
            elif not await self._gather(started):
                break
            if fold.pending() >= self._options.unit_records:
                break
        if not self._closed and (fold.applied != self.durable or fold.pending()):
            await self._flush()

    def _deadline(self, started: float) -> float:
        """When a unit is committed that was begun at `started`, though little is pending."""
        options, wait_s = self._options, self._pace.wait_s
        if self._fold.has_interventions():
            return self._committed_at + max(options.linger_s, wait_s)
        return started + max(options.quiet_linger_s, wait_s)

    async def _gather(self, started: float) -> bool:
        """Wait for a chunk, until the deadline; False when that has passed.

        While nothing comes there is time to spare, so the deadline draws near: who has caught up does not wait as long
        as who is behind. When a commit is sure to follow soon, the coordinator is told of it meanwhile.
        """
        loop = asyncio.get_running_loop()
        while (seconds := self._deadline(started) - loop.time()) > 0:
            if seconds <= AHEAD_S and self._fold.applied != self.durable:
                try:
                    await self._writer.begin(with_interventions=self._fold.has_interventions())
                except KafkaError:
                    self._look_whether_it_overran()
                    raise
            if await self._inbox.wait(min(seconds, WINDOW_S)):
                return True
            self._pace.look(loop.time())
        return False

    async def _apply(self, records: Sequence[Record]) -> None:
        fold, count, index, turn = self._fold, len(records), 0, 0
        if records[-1].offset <= fold.applied:
            if fold.applied - records[-1].offset > count:
                await self._heal("behind", records[-1].offset)
            return
        while index < count and not self._closed:
            before = index
            index, is_whole, has_hole = self._apply_block(records, index, min(index + BLOCK, count))
            if has_hole:
                await self._heal("hole", records[index].offset)
                return
            if not is_whole or fold.pending() >= self._options.unit_records:
                await self._flush()
            turn += index - before
            if turn >= YIELD_EVERY:
                turn = 0
                self.pulse += 1
                await asyncio.sleep(0)

    def _apply_block(self, records: Sequence[Record], index: int, stop: int) -> tuple[int, bool, bool]:
        """Apply records[index:stop]; returns (next index, whether no slice limit was met, whether an entry is
        missing)."""
        apply, expected, first = self._fold.apply, self._fold.applied + 1, index
        skipped = 0
        while index < stop:
            record = records[index]
            offset = record.offset
            if offset != expected:
                if offset > expected:
                    self._uncommitted_entries += index - first - skipped
                    return index, True, True
                skipped += 1
            else:
                if record.value is None:
                    raise ValueError(
                        f"{self._topics.journal}/{self.partition}@{offset} is empty: only ingest may write there"
                    )
                if not apply(offset, record.value):
                    self._uncommitted_entries += index - first - skipped
                    return index, False, False
                expected += 1
            index += 1
        self._uncommitted_entries += index - first - skipped
        return index, True, False

    async def _heal(self, reason: str, met: int) -> None:
        now = time.monotonic()
        if now - self._healed_at > 0.5:  # chunks under way come before those sought for; one seek is enough
            self._healed_at = now
            log.info("lane %d met entry %d, needs %d: seeking", self.partition, met, self.applied + 1)
            await self._seek(reason)

    async def _seek(self, reason: str) -> None:
        try:
            await self._flow.seek(self.partition, self._fold.applied + 1)
        except (IllegalStateError, KafkaError, TimeoutError) as error:
            # A rebalance is under way. The comparison of offsets keeps us right, the next idle moment seeks again.
            log.info("lane %d could not seek: %r", self.partition, error)
        else:
            if reason != "open":
                self._observer.healed(self.partition, reason)

    # 5. commit

    async def _flush(self) -> None:
        self._pass("after_apply")
        applied, entries = self._fold.applied, self._uncommitted_entries
        flush = self._fold.flush()
        rows = flush.rows
        if not rows or rows[-1][0] != POSITION_KEY:
            raise RuntimeError("the last row of a flush must be the marker")
        if self._write_host_row:
            rows = [(HOST_KEY, host_row(self._topology, self._state_begin)), *rows]
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._options.commit_timeout_s):
                await self._writer.commit(flush.interventions, rows)
        except KafkaError:
            self._look_whether_it_overran()
            raise
        self.durable = applied
        self._committed_at = asyncio.get_running_loop().time()
        self._pace.look(self._committed_at)
        self._uncommitted_entries = 0
        self._write_host_row = False
        self.pulse += 1
        self._observer.committed(
            self.partition, entries, len(rows), len(flush.interventions), time.monotonic() - started
        )

    def _look_whether_it_overran(self) -> None:
        self.overran = self._writer.open_s() >= self._options.transaction_timeout_s

    def _pass(self, name: str) -> None:
        if self._failpoint is not None:
            self._failpoint(name)
