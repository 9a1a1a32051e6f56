"""Which lanes a worker has after assignments, and what a lane that ends means for it; on the embedded broker."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, ProducerFenced

from agents.embedded import EmbeddedBroker
from agents.host import lanes as module
from agents.host.checks import Topology
from agents.host.clients import KafkaSettings
from agents.host.lane import LaneOptions
from agents.host.lanes import Lanes
from agents.host.process import Refusal
from benchmarks.pair_job import PairFold
from benchmarks.pair_worker import pair_topics
from tests.agents.host.lane_bench import Hand, fed

_names = itertools.count(1)


class GroupHand(Hand):
    """A flow that knows ends and commits."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: dict[int, int] = {}
        self.committed: dict[int, int] = {}
        self.broken = False

    async def end_offsets(self, partitions: Collection[int]) -> Mapping[int, int]:
        if self.broken:
            raise KafkaConnectionError
        return {partition: self.ends.get(partition, 0) for partition in partitions}

    async def commit(self, offsets: Mapping[int, int]) -> None:
        self.committed.update(offsets)

    async def seek(self, partition: int, offset: int) -> None:
        self.asked.append((f"seek {partition}", offset))


class Stage:
    """Lanes with everything around them faked but the broker."""

    def __init__(self, embedded: EmbeddedBroker, partitions: int) -> None:
        self.topics = topics = pair_topics(f"lanes{next(_names)}.")
        self.kafka = KafkaSettings(brokers=embedded.bootstrap, embedded=True)
        for name in topics.all():
            embedded.create_topic(name, partitions)
        self.flow = GroupHand()
        self.refused: list[Refusal] = []
        self.lanes = Lanes(
            lambda _partition: PairFold(),
            kafka=self.kafka,
            topics=topics,
            flow=self.flow,
            options=LaneOptions(),
            refused=self.refused.append,
        )
        self.partitions = partitions

    async def until(self, true: Callable[[], bool], timeout_s: float = 10.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not true():  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def journal(self, entries: int) -> None:
        """Write what is delivered by hand: a lane that opens compares its position with what the journal holds."""
        producer = AIOKafkaProducer(**self.kafka.aiokafka())
        await producer.start()
        for record in fed(range(entries)):
            await producer.send_and_wait(self.topics.journal, record.value, partition=0)
        await producer.stop()

    async def assigned(self, *partitions: int) -> None:
        self.lanes.assign(partitions)
        await self.until(lambda: set(self.lanes.open_lanes) == set(partitions) and self.lanes.are_ready())


def run(embedded: EmbeddedBroker, test: Callable[[Stage], Coroutine[Any, Any, None]], partitions: int = 3) -> None:
    async def main() -> None:
        stage = Stage(embedded, partitions)
        stage.lanes.start(Topology(partitions))
        try:
            async with asyncio.timeout(30):
                await test(stage)
        finally:
            await stage.lanes.close()

    asyncio.run(main())


def test_an_assignment_opens_keeps_and_closes_lanes(embedded: EmbeddedBroker) -> None:
    async def test(stage: Stage) -> None:
        await stage.assigned(0, 1)
        kept = stage.lanes.open_lanes[1]
        await stage.assigned(1, 2)
        assert stage.lanes.open_lanes[1] is kept

    run(embedded, test)


def test_an_assignment_returns_at_once_and_is_not_ready_before_its_lanes(embedded: EmbeddedBroker) -> None:
    async def test(stage: Stage) -> None:
        began = asyncio.get_running_loop().time()
        stage.lanes.assign([0, 1, 2])
        assert asyncio.get_running_loop().time() - began < 0.05
        assert not stage.lanes.are_ready()
        await stage.until(stage.lanes.are_ready)

    run(embedded, test)


def test_to_be_given_nothing_is_an_answer_and_no_answer_is_not_ready(embedded: EmbeddedBroker) -> None:
    async def test(stage: Stage) -> None:
        before = stage.lanes.were_assigned
        stage.lanes.assign([])
        assert (before, stage.lanes.were_assigned) == (False, True)
        assert stage.lanes.are_ready()

    run(embedded, test)


def test_a_partition_taken_away_and_given_back_at_once_has_one_new_lane(embedded: EmbeddedBroker) -> None:
    async def test(stage: Stage) -> None:
        await stage.journal(6)
        await stage.assigned(0)
        old = stage.lanes.open_lanes[0]
        stage.lanes.deliver(0, fed(range(3)))
        stage.lanes.assign([])
        await stage.assigned(0)
        assert stage.lanes.open_lanes[0] is not old
        stage.lanes.deliver(0, fed(range(stage.lanes.open_lanes[0].applied + 1, 6)))
        await stage.until(lambda: stage.lanes.open_lanes[0].durable == 5)

    run(embedded, test)


def test_a_chunk_without_a_lane_is_dropped(embedded: EmbeddedBroker) -> None:
    async def test(stage: Stage) -> None:
        await stage.assigned(0)
        stage.lanes.deliver(2, fed(range(3)))
        stage.lanes.deliver(0, fed(range(3)))
        await stage.until(lambda: stage.lanes.open_lanes[0].durable == 2)

    run(embedded, test)


def test_positions_are_committed_for_display_and_ends_asked(
    embedded: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POSITIONS_EVERY_S", 0.05)
    monkeypatch.setattr(module, "ENDS_EVERY_S", 0.05)

    async def test(stage: Stage) -> None:
        await stage.assigned(0)
        stage.flow.broken = True  # a broker that does not answer for a while is no reason to stop asking
        await asyncio.sleep(0.2)
        stage.flow.broken = False
        stage.flow.ends[0] = 9
        stage.lanes.deliver(0, fed(range(4)))
        await stage.until(lambda: stage.flow.committed == {0: 4})
        await stage.until(lambda: stage.lanes.vitals()[0].lag == 5)

    run(embedded, test)


def test_a_fenced_lane_waits_for_the_next_assignment(embedded: EmbeddedBroker) -> None:
    async def test(stage: Stage) -> None:
        await stage.assigned(0, 1)
        fenced = stage.lanes.open_lanes[0]
        stage.lanes._ended(fenced, ProducerFenced())
        assert set(stage.lanes.open_lanes) == {1}
        assert not stage.lanes.are_ready()
        await stage.assigned(0, 1)
        assert stage.lanes.open_lanes[0] is not fenced
        stage.lanes._ended(stage.lanes.open_lanes[0], ProducerFenced())
        await stage.assigned(1)

    run(embedded, test)


def test_a_fenced_lane_whose_partition_is_not_taken_away_ends_the_process(
    embedded: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(module, "FENCED_PATIENCE_S", 0.1)
    monkeypatch.setattr(module, "fatal", said.append)

    async def test(stage: Stage) -> None:
        await stage.assigned(0)
        stage.lanes._ended(stage.lanes.open_lanes[0], ProducerFenced())
        await stage.until(lambda: bool(said))
        assert "no rebalance took its partition away" in said[0]

    run(embedded, test)


def test_a_lane_that_a_broker_fenced_for_its_slowness_is_opened_again(
    embedded: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OVERRAN_PATIENCE_S", 0.1)

    async def test(stage: Stage) -> None:
        await stage.assigned(0)
        slow = stage.lanes.open_lanes[0]
        slow.overran = True
        stage.lanes._ended(slow, ProducerFenced())
        assert not stage.lanes.open_lanes
        await stage.until(lambda: 0 in stage.lanes.open_lanes and stage.lanes.are_ready())
        assert stage.lanes.open_lanes[0] is not slow

    run(embedded, test)


def test_a_lane_kept_over_a_rebalance_and_fenced_after_it_is_opened_again_once(embedded: EmbeddedBroker) -> None:
    """A worker slept, another had its partition meanwhile, and the next assignment gave it back: no further one will
    come."""

    async def test(stage: Stage) -> None:
        await stage.assigned(0)
        kept = stage.lanes.open_lanes[0]
        await stage.assigned(0)
        assert stage.lanes.open_lanes[0] is kept
        stage.lanes._ended(kept, ProducerFenced())
        await stage.until(lambda: 0 in stage.lanes.open_lanes and stage.lanes.are_ready())
        second = stage.lanes.open_lanes[0]
        assert second is not kept
        stage.lanes._ended(second, ProducerFenced())
        await asyncio.sleep(0.3)
        assert not stage.lanes.open_lanes
        await stage.assigned(0)

    run(embedded, test)


def test_a_refusal_of_one_lane_is_the_workers(embedded: EmbeddedBroker) -> None:
    async def test(stage: Stage) -> None:
        await stage.assigned(0)
        stage.lanes._ended(stage.lanes.open_lanes[0], Refusal("no"))
        assert [refusal.sentence for refusal in stage.refused] == ["no"]

    run(embedded, test)


def test_a_lane_that_cannot_be_made_ends_the_process(embedded: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(module, "fatal", lambda why, _error: said.append(why))

    async def test(stage: Stage) -> None:
        def broken(_partition: int) -> PairFold:
            raise ValueError

        monkeypatch.setattr(stage.lanes, "_fold_of", broken)
        stage.lanes.assign([0])
        await stage.until(lambda: said == ["open-lane-0 failed"])

    run(embedded, test)
