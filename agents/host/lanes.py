"""The lanes of a worker: which partitions it has been given, and what becomes of a lane that ends."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any, NoReturn, Protocol

from aiokafka.errors import IllegalStateError, KafkaError

from agents.host.checks import LaneTopics, Topology
from agents.host.clients import KafkaSettings
from agents.host.failpoints import failpoint_from
from agents.host.fetching import Record
from agents.host.fold import Fold
from agents.host.lane import Flow, Lane, LaneOptions
from agents.host.observer import HostObserver, SilentObserver
from agents.host.pace import pace_of_running_loop
from agents.host.process import Refusal, fatal
from agents.host.transactions import is_fenced
from agents.host.watchdog import Vital

log = logging.getLogger("ebb.host")

POSITIONS_EVERY_S = 1.0
ENDS_EVERY_S = 5.0
FENCED_PATIENCE_S = 30.0
OVERRAN_PATIENCE_S = 5.0


class LanesFlow(Flow, Protocol):
    """What all lanes together ask of the consumer (agents.host.chunks.JournalFlow)."""

    async def end_offsets(self, partitions: Collection[int]) -> Mapping[int, int]: ...

    async def commit(self, offsets: Mapping[int, int]) -> None: ...


def refuse_and_exit(refusal: Refusal) -> NoReturn:
    """The default answer to a refusal: say it and end with exit code 1."""
    fatal(refusal.sentence)


class Lanes:
    """Opens and closes lanes as the group assigns partitions.

    The assignment is a hint, the producer epoch decides. A lane whose partition stays assigned is kept as it is: if
    somebody else has opened the partition meanwhile, its next commit is fenced. A fenced lane forgets everything and
    waits for the next assignment; without one within 30 s the process ends, so that the group notices. A lane whose
    transaction took longer than a broker allows was fenced by that broker, and nobody else is there: it is opened again
    after 5 s, in which a worker that slept past its session has learned that it lost its partitions.

    Args:
        fold_of: makes the (empty) fold of a partition.
        refused: told about a refusal of any lane; expected to end the process.
    """

    def __init__(
        self,
        fold_of: Callable[[int], Fold],
        *,
        kafka: KafkaSettings,
        topics: LaneTopics,
        flow: LanesFlow,
        options: LaneOptions | None = None,
        observer: HostObserver | None = None,
        refused: Callable[[Refusal], None] = refuse_and_exit,
    ) -> None:
        self._fold_of = fold_of
        self._kafka = kafka
        self._topics = topics
        self._topology: Topology | None = None
        self._flow = flow
        self._options = options or LaneOptions()
        self._observer = observer or SilentObserver()
        self._refused = refused
        self._failpoint = failpoint_from(os.environ)
        self._lanes: dict[int, Lane] = {}
        self._closing: dict[int, asyncio.Task[None]] = {}
        self._opening: dict[int, asyncio.Task[None]] = {}
        self._fenced: dict[int, asyncio.TimerHandle] = {}
        self._told: dict[int, int] = {}
        self._assigned: frozenset[int] = frozenset()
        self._assignments = 0
        self._opened_in: dict[int, int] = {}
        self._monitor: asyncio.Task[None] | None = None

    def start(self, topology: Topology) -> None:
        """Begin: from now on assignments open lanes. `topology` comes from `checks.topology_of`."""
        self._topology = topology
        self._monitor = self._spawn(self._watch_positions(), "lane-positions")

    @property
    def open_lanes(self) -> Mapping[int, Lane]:
        """The lanes by partition, opening ones included."""
        return self._lanes

    @property
    def were_assigned(self) -> bool:
        """Whether the group has ever answered, be it that none is left for us. Joining alone is not that: it may wait
        for the session of a member that died.
        """
        return self._assignments > 0

    def are_ready(self) -> bool:
        """Whether every assigned partition has an open lane."""
        return not self._fenced and not self._opening and all(lane.is_open for lane in self._lanes.values())

    def vitals(self) -> dict[int, Vital]:
        """For the watchdog; safe to call from any thread."""
        return {
            partition: Vital(lane.end - lane.durable - 1, lane.pulse) for partition, lane in list(self._lanes.items())
        }

    def assign(self, partitions: Collection[int]) -> None:
        """Take over a new assignment. Only starts tasks: Kafka's heartbeat waits for the rebalance callback this is
        called from."""
        self._assigned = frozenset(partitions)
        self._assignments += 1
        for partition in [p for p in self._fenced if p not in partitions]:
            self._fenced.pop(partition).cancel()
        for partition in [p for p in self._lanes if p not in partitions]:
            self._closing[partition] = self._spawn(self._close(self._lanes.pop(partition)), f"close-lane-{partition}")
        for partition in [p for p in self._opening if p not in partitions]:
            self._opening.pop(partition).cancel()
        for partition in partitions:
            if partition not in self._lanes and partition not in self._opening:
                self._opening[partition] = self._spawn(self._open(partition), f"open-lane-{partition}")

    def deliver(self, partition: int, records: Sequence[Record]) -> None:
        """Hand a chunk to its lane; returns at once. A chunk of a partition without lane is dropped, its lane will
        seek."""
        lane = self._lanes.get(partition)
        if lane is not None:
            lane.deliver(records)

    async def close(self) -> None:
        """Close all lanes and commit their positions for display."""
        if self._monitor is not None:
            self._monitor.cancel()
        for task in [*self._opening.values()]:
            task.cancel()
        for timer in self._fenced.values():
            timer.cancel()
        lanes = list(self._lanes.values())
        await asyncio.gather(*(lane.close() for lane in lanes), *self._closing.values())
        await self._commit_positions({lane.partition: lane for lane in lanes})
        self._lanes.clear()

    @staticmethod
    def _spawn(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Start a task that ends the process when it fails: nobody waits for it, so nobody would notice."""

        def done(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("task %s", name, exc_info=error)
                fatal(f"{name} failed", error)

        task = asyncio.get_running_loop().create_task(work, name=name)
        task.add_done_callback(done)
        return task

    async def _open(self, partition: int) -> None:
        if partition in self._closing:
            await asyncio.wait([self._closing[partition]])
        if self._topology is None:
            raise RuntimeError("lanes are assigned before they were started")
        timer = self._fenced.pop(partition, None)
        if timer is not None:
            timer.cancel()
        self._flow.hold(partition)
        self._opened_in[partition] = self._assignments
        self._lanes[partition] = Lane(
            partition,
            fold=self._fold_of(partition),
            kafka=self._kafka,
            topics=self._topics,
            topology=self._topology,
            flow=self._flow,
            options=self._options,
            pace=pace_of_running_loop(),
            observer=self._observer,
            failpoint=self._failpoint,
            ended=self._ended,
        )
        del self._opening[partition]

    async def _close(self, lane: Lane) -> None:
        try:
            await lane.close()
        finally:
            self._closing.pop(lane.partition, None)
        log.info("lane %d closed at entry %d", lane.partition, lane.applied)

    def _ended(self, lane: Lane, error: BaseException) -> None:
        if isinstance(error, Refusal):
            self._refused(error)
        elif is_fenced(error):
            self._observer.fenced(lane.partition)
            who = "its transaction took too long" if lane.overran else "another worker has opened its partition"
            log.warning("lane %d was fenced: %s", lane.partition, who)
            loop = asyncio.get_running_loop()
            if self._lanes.get(lane.partition) is lane:
                del self._lanes[lane.partition]
                self._closing[lane.partition] = self._spawn(self._close(lane), f"close-lane-{lane.partition}")
                if lane.partition in self._assigned and self._opened_in[lane.partition] < self._assignments:
                    # We slept, somebody else had the partition in between, and it is ours again since: nobody would
                    # take it over. Once per assignment, so two workers that both believe so cannot go on fencing each
                    # other.
                    self._opening[lane.partition] = self._spawn(
                        self._open(lane.partition), f"open-lane-{lane.partition}"
                    )
                else:
                    wait_s, then = (
                        (OVERRAN_PATIENCE_S, self._open_again)
                        if lane.overran
                        else (FENCED_PATIENCE_S, self._still_fenced)
                    )
                    self._fenced[lane.partition] = loop.call_later(wait_s, then, lane.partition)
        else:
            log.error("lane %d", lane.partition, exc_info=error)
            fatal(f"lane {lane.partition} failed after entry {lane.durable}", error)

    def _open_again(self, partition: int) -> None:
        if partition in self._assigned and partition not in self._lanes and partition not in self._opening:
            self._opening[partition] = self._spawn(self._open(partition), f"open-lane-{partition}")

    def _still_fenced(self, partition: int) -> None:
        fatal(f"lane {partition} was fenced, but no rebalance took its partition away within {FENCED_PATIENCE_S:.0f} s")

    async def _watch_positions(self) -> None:
        asked_at = 0.0
        while True:
            await asyncio.sleep(POSITIONS_EVERY_S)
            await self._commit_positions(self._lanes)
            if time.monotonic() - asked_at >= ENDS_EVERY_S and self._lanes:
                asked_at = time.monotonic()
                await self._ask_ends()

    async def _ask_ends(self) -> None:
        try:
            ends = await self._flow.end_offsets(list(self._lanes))
        except (KafkaError, TimeoutError) as error:
            log.warning("could not ask where the journal ends: %r", error)
            return
        for partition, end in ends.items():
            lane = self._lanes.get(partition)
            if lane is not None:
                lane.end = end
                self._observer.lag(partition, max(0, end - lane.durable - 1))

    async def _commit_positions(self, lanes: Mapping[int, Lane]) -> None:
        """Tell the group how far we are. Nobody relies on it: it shows lag, and is where the consumer looks first."""
        news = {
            p: lane.durable + 1 for p, lane in lanes.items() if lane.is_open and self._told.get(p) != lane.durable + 1
        }
        if news:
            try:
                await self._flow.commit(news)
            except (KafkaError, IllegalStateError, TimeoutError) as error:
                log.info("could not commit positions, the next second tries again: %r", error)
            else:
                self._told.update(news)
