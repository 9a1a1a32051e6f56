"""A lane by itself, fed by hand, on the embedded broker: what it applies, refuses and leaves in the topics."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from agents.embedded import EmbeddedBroker
from agents.host.checks import LaneTopics, Topology, host_row
from agents.host.clients import KafkaSettings
from agents.host.fetching import Record
from agents.host.fold import HOST_KEY, POSITION_KEY
from agents.host.lane import Lane, LaneOptions
from agents.host.observer import SilentObserver
from agents.host.process import Refusal
from agents.host.transactions import is_fenced
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

    def open(self, fold: PairFold | None = None, options: LaneOptions | None = None) -> Lane:
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

    async def opened(self, fold: PairFold | None = None, options: LaneOptions | None = None) -> Lane:
        lane = self.open(fold, options)
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


def test_entries_in_order_become_rows_messages_and_a_position(embedded: EmbeddedBroker) -> None:
    async def test(bench: Bench) -> None:
        lane = await bench.opened()
        lane.deliver(fed(range(5)))
        lane.deliver(fed(range(5, 7), stars=1))
        await bench.until(lambda: lane.durable == 6)
        rows = await bench.read(bench.topics.state)
        assert [row[0] for row in rows[-4:]] == [b"pair-0", b"pair-1", b"pair-2", POSITION_KEY]
        assert rows[0][0] == HOST_KEY
        messages = await bench.read(bench.topics.interventions)
        assert [message[0] for message in messages] == [b"pair-2", b"pair-0"]
        assert {message[2] for message in messages} == {1_700_000_000_000}
        assert messages[0][3][0][0] == "ce_id"

    run(embedded, test)


def test_what_comes_after_a_silence_is_committed_at_once_and_what_comes_soon_after_that_waits(
    embedded: EmbeddedBroker,
) -> None:
    async def test(bench: Bench) -> None:
        lane = await bench.opened(options=LaneOptions(linger_s=3_600.0))
        lane.deliver(fed([0, 1]))
        await bench.until(lambda: lane.durable == 1)
        lane.deliver(fed([2]))
        await bench.until(lambda: lane.applied == 2)
        lane.deliver(fed([3]))
        await bench.until(lambda: lane.applied == 3)
        await lane.close()
        assert [entries for entries, _, _ in bench.counter.commits] == [2]

    run(embedded, test)


def test_one_linger_makes_one_transaction_of_what_came_within_it(embedded: EmbeddedBroker) -> None:
    async def test(bench: Bench) -> None:
        lane = await bench.opened(options=LaneOptions(linger_s=2.0))
        lane.deliver(fed([0]))
        await bench.until(lambda: lane.durable == 0)
        for offset in range(1, 5):
            lane.deliver(fed([offset]))
            await asyncio.sleep(0)
        await bench.until(lambda: lane.durable == 4)
        assert [entries for entries, _, _ in bench.counter.commits] == [1, 4]

    run(embedded, test)


def test_a_unit_is_cut_when_enough_is_pending(embedded: EmbeddedBroker) -> None:
    async def test(bench: Bench) -> None:
        lane = await bench.opened(options=LaneOptions(unit_records=600))
        lane.deliver(fed(range(2_000), stars=1))
        await bench.until(lambda: lane.durable == 1_999)
        assert sum(entries for entries, _, _ in bench.counter.commits) == 2_000
        assert max(entries for entries, _, _ in bench.counter.commits) <= 1_100

    run(embedded, test)


def test_a_slice_limit_commits_and_asks_again_with_the_same_entry(embedded: EmbeddedBroker) -> None:
    async def test(bench: Bench) -> None:
        lane = await bench.opened(PairFold(slice_messages=4))
        lane.deliver(fed(range(10), stars=1))
        await bench.until(lambda: lane.durable == 9)
        assert [entries for entries, _, _ in bench.counter.commits] == [4, 4, 2]

    run(embedded, test)


def test_older_entries_are_skipped_and_a_hole_is_sought_not_applied(embedded: EmbeddedBroker) -> None:
    async def test(bench: Bench) -> None:
        lane = await bench.opened()
        lane.deliver(fed(range(3)))
        await bench.until(lambda: lane.durable == 2)
        lane.deliver(fed([1, 2, 3, 5, 6]))
        await bench.until(lambda: lane.durable == 3 and bench.flow.seeks() == [0, 4])
        assert bench.counter.heals == ["hole"]
        lane.deliver(fed([4, 5]))
        await bench.until(lambda: lane.durable == 5)
        assert sum(entries for entries, _, _ in bench.counter.commits) == 6

    run(embedded, test)


def test_an_idle_lane_seeks_only_when_it_is_behind(embedded: EmbeddedBroker) -> None:
    async def test(bench: Bench) -> None:
        lane = await bench.opened(options=LaneOptions(idle_s=0.05))
        await asyncio.sleep(0.3)
        assert bench.flow.seeks() == [0]
        lane.end = 3
        await bench.until(lambda: len(bench.flow.seeks()) > 1)
        assert bench.counter.heals[0] == "idle"

    run(embedded, test)


def test_a_new_lane_goes_on_where_the_former_one_committed(embedded: EmbeddedBroker) -> None:
    async def test(bench: Bench) -> None:
        await bench.journal(9)
        first = await bench.opened()
        first.deliver(fed(range(5)))
        await bench.until(lambda: first.durable == 4)
        await first.close()
        fold = PairFold()
        second = await bench.opened(fold)
        await bench.until(lambda: bench.flow.seeks() == [0, 5])
        assert second.durable == 4
        assert fold.states["pair-0"].count == 2

    run(embedded, test)


def test_chunks_are_dropped_and_the_partition_held_until_the_lane_is_open(embedded: EmbeddedBroker) -> None:
    async def test(bench: Bench) -> None:
        lane = bench.open()
        lane.deliver(fed(range(3)))
        assert bench.flow.asked == [("hold", 0)]
        await bench.until(lambda: ("release", 0) in bench.flow.asked)
        assert lane.applied == -1

    run(embedded, test)


def test_a_full_inbox_holds_the_partition_and_releases_it_when_drained(embedded: EmbeddedBroker) -> None:
    async def test(bench: Bench) -> None:
        lane = await bench.opened()
        bench.flow.asked.clear()
        for start in range(0, 24_000, 1_000):
            lane.deliver(fed(range(start, start + 1_000)))
        assert bench.flow.asked == [("hold", 0)]
        await bench.until(lambda: lane.durable == 23_999)
        assert bench.flow.asked == [("hold", 0), ("release", 0)]

    run(embedded, test)


def test_a_fold_that_raises_ends_the_lane_with_its_error(embedded: EmbeddedBroker) -> None:
    async def test(bench: Bench) -> None:
        lane = await bench.opened()
        lane.deliver([Fed(0, b"not json")])
        error = await bench.ended
        assert "JSON is malformed" in str(error)
        assert not is_fenced(error)
        assert not lane.is_open

    run(embedded, test)


def _refusal(embedded: EmbeddedBroker, prepare: Callable[[Bench], object], options: LaneOptions | None = None) -> str:
    found: list[str] = []

    async def test(bench: Bench) -> None:
        outcome = prepare(bench)
        assert asyncio.iscoroutine(outcome)
        await outcome
        bench.open(options=options)
        error = await bench.ended
        assert isinstance(error, Refusal), error
        found.append(error.sentence)

    run(embedded, test)
    return found[0]


POSITION_3 = b"\x92\x03\x00"


def test_a_state_that_does_not_end_with_a_position_is_refused(embedded: EmbeddedBroker) -> None:
    async def prepare(bench: Bench) -> None:
        await bench.write(bench.topics.state, [(POSITION_KEY, POSITION_3), (b"pair-1", b"x")])

    assert "does not end with a position" in _refusal(embedded, prepare)


def test_a_journal_shorter_than_the_position_is_refused(embedded: EmbeddedBroker) -> None:
    async def prepare(bench: Bench) -> None:
        await bench.journal(2)
        await bench.write(bench.topics.state, [(HOST_KEY, host_row(TOPOLOGY)), (POSITION_KEY, POSITION_3)])

    assert "ends at 2 but entry 3 has been applied" in _refusal(embedded, prepare)


def test_a_journal_whose_head_has_passed_the_position_is_refused(embedded: EmbeddedBroker) -> None:
    async def prepare(bench: Bench) -> None:
        await bench.journal(9)
        embedded.delete_records(bench.topics.journal, 0, 6)
        await bench.write(bench.topics.state, [(HOST_KEY, host_row(TOPOLOGY)), (POSITION_KEY, POSITION_3)])

    assert "retention has removed 2 entries" in _refusal(embedded, prepare)


def test_an_empty_state_beside_interventions_is_refused_unless_told_to_rebuild(embedded: EmbeddedBroker) -> None:
    async def prepare(bench: Bench) -> None:
        await bench.write(bench.topics.interventions, [(b"pair-1", b"{}")])

    assert "the state was lost" in _refusal(embedded, prepare)

    async def test(bench: Bench) -> None:
        await prepare(bench)
        lane = await bench.opened(options=LaneOptions(rebuild_lost_state=True))
        lane.deliver(fed(range(2)))
        await bench.until(lambda: lane.durable == 1)

    run(embedded, test)


def test_another_partition_count_or_a_recreated_topic_is_refused(embedded: EmbeddedBroker) -> None:
    async def other_count(bench: Bench) -> None:
        row = host_row(Topology(8, {}))
        await bench.write(bench.topics.state, [(HOST_KEY, row), (POSITION_KEY, POSITION_3)])

    assert "made with 8 partitions" in _refusal(embedded, other_count)

    async def other_journal(bench: Bench) -> None:
        row = host_row(Topology(1, {"journal": "z"}))
        await bench.write(bench.topics.state, [(HOST_KEY, row), (POSITION_KEY, POSITION_3)])

    assert "deleted and recreated" in _refusal(embedded, other_journal)


def test_an_empty_journal_entry_is_an_error(embedded: EmbeddedBroker) -> None:
    async def test(bench: Bench) -> None:
        lane = await bench.opened()
        lane.deliver([Fed(0, None)])
        assert "only ingest may write there" in str(await bench.ended)

    run(embedded, test)


@pytest.mark.integration
def test_a_fenced_lane_says_so(kafka: object) -> None:
    async def main() -> None:
        broker = kafka
        topics = pair_topics(f"fence{next(_names)}.")
        for name in topics.all():
            broker.create_topic(name, 1)  # type: ignore[attr-defined]
        settings = KafkaSettings(brokers=broker.bootstrap)  # type: ignore[attr-defined]
        ended: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        bench = Bench(settings, topics, Hand(), Counter(), ended, [])
        old = await bench.opened()
        new = bench.open()
        await bench.until(lambda: new.is_open)
        old.deliver(fed(range(3)))
        assert is_fenced(await bench.ended)
        assert await bench.read(topics.state) == []
        for lane in bench.lanes:
            await lane.close()

    asyncio.run(main())
