"""A bench for one lane: everything around it, on the embedded broker."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from agents.embedded import EmbeddedBroker
from agents.host.checks import LaneTopics, Topology
from agents.host.clients import KafkaSettings
from agents.host.fetching import Record
from agents.host.lane import Lane, LaneOptions
from agents.host.observer import SilentObserver
from agents.host.pace import Pace
from benchmarks.pair_job import PairFold
from benchmarks.pair_worker import pair_topics

_names = itertools.count(1)
TOPOLOGY = Topology(1, {"journal": "a", "interventions": "b"})


@dataclass
class Fed:
    """A record as a lane sees it."""

    offset: int
    value: bytes | None
    timestamp: int = 0
    timestamp_type: int = 0
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()


class Hand:
    """A flow that only writes down what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def hold(self, partition: int) -> None:
        self.asked.append(("hold", partition))

    def release(self, partition: int) -> None:
        self.asked.append(("release", partition))

    async def seek(self, partition: int, offset: int) -> None:
        assert partition == 0
        self.asked.append(("seek", offset))

    def seeks(self) -> list[int]:
        return [number for what, number in self.asked if what == "seek"]


class Counter(SilentObserver):
    """Remembers commits."""

    def __init__(self) -> None:
        self.commits: list[tuple[int, int, int]] = []
        self.heals: list[str] = []

    def committed(self, partition: int, entries: int, rows: int, interventions: int, seconds: float) -> None:
        assert partition == 0
        assert seconds > 0
        self.commits.append((entries, rows, interventions))

    def healed(self, partition: int, reason: str) -> None:
        assert partition == 0
        self.heals.append(reason)


def rating(pair: int, stars: int) -> bytes:
    return b'{"pair":"pair-%d","rating":%d,"at_ms":1700000000000}' % (pair, stars)


def fed(offsets: Iterable[int], stars: int = 3) -> list[Record]:
    return [Fed(offset, rating(offset % 3, stars)) for offset in offsets]


@dataclass
class Bench:
    """Everything around a lane under test."""

    kafka: KafkaSettings
    topics: LaneTopics
    flow: Hand
    counter: Counter
    ended: asyncio.Future[BaseException]
    lanes: list[Lane]

    def open(self, fold: PairFold | None = None, options: LaneOptions | None = None, pace: Pace | None = None) -> Lane:
        def end(_lane: Lane, error: BaseException) -> None:
            if not self.ended.done():
                self.ended.set_result(error)

        lane = Lane(
            0,
            fold=fold or PairFold(),
            kafka=self.kafka,
            topics=self.topics,
            topology=TOPOLOGY,
            flow=self.flow,
            options=options or LaneOptions(),
            pace=pace or Pace(),
            observer=self.counter,
            failpoint=None,
            ended=end,
        )
        self.lanes.append(lane)
        return lane

    async def until(self, true: Callable[[], bool], timeout_s: float = 10.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not true():
                if self.ended.done():
                    raise AssertionError("the lane ended") from self.ended.result()
                await asyncio.sleep(0.01)

    async def opened(
        self, fold: PairFold | None = None, options: LaneOptions | None = None, pace: Pace | None = None
    ) -> Lane:
        lane = self.open(fold, options, pace)
        await self.until(lambda: lane.is_open and bool(self.flow.seeks()))
        return lane

    async def write(self, topic: str, records: Iterable[tuple[bytes, bytes | None]]) -> None:
        producer = AIOKafkaProducer(**self.kafka.aiokafka())
        await producer.start()
        for key, value in records:
            await producer.send_and_wait(topic, value, key=key, partition=0)
        await producer.stop()

    async def journal(self, entries: int) -> None:
        await self.write(self.topics.journal, ((b"p", rating(n % 3, 3)) for n in range(entries)))

    async def read(self, topic: str) -> list[tuple[bytes, bytes | None, int, tuple[tuple[str, bytes], ...]]]:
        consumer = AIOKafkaConsumer(**self.kafka.aiokafka_consumer())
        await consumer.start()
        here = TopicPartition(topic, 0)
        consumer.assign([here])
        await consumer.seek_to_beginning(here)
        end = (await consumer.end_offsets([here]))[here]
        found: list[tuple[bytes, bytes | None, int, tuple[tuple[str, bytes], ...]]] = []
        while await consumer.position(here) < end:
            block = (await consumer.getmany(here, timeout_ms=100)).get(here, [])
            found += [(record.key, record.value, record.timestamp, record.headers) for record in block]
        await consumer.stop()
        return found


@asynccontextmanager
async def bench_on(embedded: EmbeddedBroker) -> AsyncIterator[Bench]:
    topics = pair_topics(f"lane{next(_names)}.")
    for name in topics.all():
        embedded.create_topic(name, 1)
    settings = KafkaSettings(brokers=embedded.bootstrap, fetch_wait_ms=20, embedded=True)
    ended: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
    bench = Bench(settings, topics, Hand(), Counter(), ended, [])
    try:
        yield bench
    finally:
        for lane in bench.lanes:
            await lane.close()


def run(embedded: EmbeddedBroker, test: Callable[[Bench], object]) -> None:
    async def main() -> None:
        async with bench_on(embedded) as bench:
            outcome = test(bench)
            assert asyncio.iscoroutine(outcome)
            async with asyncio.timeout(30):
                await outcome

    asyncio.run(main())
