"""A lane by itself, fed by hand, on the embedded broker: what it applies and leaves in the topics."""

from __future__ import annotations

import asyncio

import pytest

from agents.embedded import EmbeddedBroker
from agents.host.clients import KafkaSettings
from agents.host.fold import HOST_KEY, POSITION_KEY
from agents.host.lane import LaneOptions
from agents.host.pace import Pace
from agents.host.transactions import is_fenced
from benchmarks.pair_job import PairFold
from benchmarks.pair_worker import pair_topics
from tests.agents.host.lane_bench import Bench, Counter, Fed, Hand, fed, run


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


def test_a_decision_after_a_silence_is_committed_at_once_and_one_soon_after_that_waits(
    embedded: EmbeddedBroker,
) -> None:
    async def test(bench: Bench) -> None:
        lane = await bench.opened(options=LaneOptions(linger_s=3_600.0, quiet_linger_s=7_200.0))
        lane.deliver(fed([0, 1], stars=1))
        await bench.until(lambda: lane.durable == 1)
        lane.deliver(fed([2], stars=1))
        await bench.until(lambda: lane.applied == 2)
        lane.deliver(fed([3], stars=1))
        await bench.until(lambda: lane.applied == 3)
        await lane.close()
        assert [entries for entries, _, _ in bench.counter.commits] == [2]

    run(embedded, test)


def test_facts_wait_together_until_one_of_them_brings_a_decision(embedded: EmbeddedBroker) -> None:
    async def test(bench: Bench) -> None:
        lane = await bench.opened(options=LaneOptions(quiet_linger_s=3_600.0))
        for offset in range(4):
            lane.deliver(fed([offset]))
        await bench.until(lambda: lane.applied == 3)
        assert lane.durable == -1
        lane.deliver(fed([4], stars=1))
        await bench.until(lambda: lane.durable == 4)
        assert [entries for entries, _, _ in bench.counter.commits] == [5]

    run(embedded, test)


def test_facts_without_decisions_are_committed_soon_as_well(embedded: EmbeddedBroker) -> None:
    async def test(bench: Bench) -> None:
        lane = await bench.opened(options=LaneOptions(quiet_linger_s=0.3))
        lane.deliver(fed([0]))
        await bench.until(lambda: lane.applied == 0)
        lane.deliver(fed([1]))
        # The wait counts from the first of them; the commit before does not matter.
        await bench.until(lambda: lane.durable == 1)
        assert [entries for entries, _, _ in bench.counter.commits] == [2]

    run(embedded, test)


def test_while_nothing_comes_the_wait_of_a_lane_that_was_behind_becomes_shorter(embedded: EmbeddedBroker) -> None:
    async def test(bench: Bench) -> None:
        now = asyncio.get_running_loop().time
        pace = Pace(idle_s=now, cpu_s=lambda: 0.0, now=now())
        lane = await bench.opened(pace=pace)
        pace.wait_s = 60.0
        lane.deliver(fed([0]))
        await bench.until(lambda: lane.durable == 0)  # it would be a minute

    run(embedded, test)


def test_one_linger_makes_one_transaction_of_what_came_within_it(embedded: EmbeddedBroker) -> None:
    async def test(bench: Bench) -> None:
        lane = await bench.opened(options=LaneOptions(linger_s=2.0))
        lane.deliver(fed([0], stars=1))
        await bench.until(lambda: lane.durable == 0)
        for offset in range(1, 5):
            lane.deliver(fed([offset], stars=1))
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
        topics = pair_topics("fence.")
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
