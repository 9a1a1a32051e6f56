"""Workers that die, come twice or keep strange clocks; topics written in transactions. Real Kafka only."""

import asyncio
import itertools
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from agents.host.clients import KafkaSettings
from agents.ingest.merge import Source
from agents.ingest.repair import accept_gap
from deploy.kafka.broker import KafkaBroker
from schemas.topics import Topics
from tests.agents.ingest.harness import (
    ALL,
    T0,
    create_all,
    facts,
    journal,
    options,
    produce,
    rating,
    read_all,
    sentiment,
    until,
    until_idle,
    worker,
)

pytestmark = pytest.mark.integration
_serial = itertools.count()
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def prefix(kafka: KafkaBroker) -> str:
    """The prefix of a whole catalogue of new topics."""
    name = f"crash{next(_serial)}-"
    create_all(kafka, name)
    return name


def first_appearances(kafka: KafkaBroker, prefix: str) -> tuple[dict[tuple[str, int], list[int]], int]:
    """Offsets of each source as an engine accepts them, and how many repeats it drops by its marks."""
    taken: dict[tuple[str, int], list[int]] = {}
    repeats = 0
    for part in journal(kafka.bootstrap, prefix):
        marks: dict[tuple[str, int], int] = {}
        for entry in facts(part):
            source = (entry["source"]["topic"], entry["source"]["partition"])
            if entry["source"]["offset"] <= marks.get(source, -1):
                repeats += 1
                continue
            marks[source] = entry["source"]["offset"]
            taken.setdefault(source, []).append(entry["source"]["offset"])
    return {source: sorted(offsets) for source, offsets in taken.items()}, repeats


def run_until_killed(kafka: KafkaBroker, prefix: str, folder: Path, failpoint: str) -> int:
    done = subprocess.run(
        [sys.executable, "-m", "tests.agents.ingest.worker_process", kafka.bootstrap, prefix, str(folder)],
        cwd=ROOT,
        env=os.environ | {"EBB_FAILPOINT": failpoint},
        timeout=60,
        check=False,
    )
    return done.returncode


async def test_killed_at_every_failpoint_nothing_is_lost_and_repeats_are_recognised_by_position(
    kafka: KafkaBroker, prefix: str, tmp_path: Path
) -> None:
    rows: list[tuple[Any, ...]] = []
    for n in range(400):
        rows.append((f"{prefix}ratings", n % 4, None, rating(f"r{n}", f"p{n % 7}"), T0 + 1_000 * n))
        rows.append((f"{prefix}sentiment", n % 4, None, sentiment(f"s{n}", f"p{n % 5}"), T0 + 1_000 * n + 1))
    # The last of each source is good, so that every source ends with a fact.
    rows += [(f"{prefix}ratings", n % 4, None, b"{", T0 + 200_000) for n in range(8)]
    rows += [(f"{prefix}ratings", n, None, rating(f"end{n}"), T0 + 10**6) for n in range(4)]
    produce(kafka.bootstrap, rows)
    for failpoint in (
        "ingest_after_journal_ack:3:kill",
        "ingest_before_offset_commit:2:kill",
        "ingest_after_dead_letter:1:kill",
        "ingest_after_journal_ack:6:kill",
    ):
        assert run_until_killed(kafka, prefix, tmp_path, failpoint) == -9, failpoint
    async with worker(kafka.bootstrap, options(prefix, tmp_path)) as running:
        await until_idle(running, 60)
    taken, repeats = first_appearances(kafka, prefix)
    assert {source: len(offsets) for source, offsets in taken.items()} == {
        **{("ratings", n): 101 for n in range(4)},
        **{("sentiment", n): 100 for n in range(4)},
    }
    assert all(len(set(offsets)) == len(offsets) for offsets in taken.values())
    assert repeats > 0
    letters = read_all(kafka.bootstrap, f"{prefix}dead-letters", ALL["dead-letters"])
    assert len({tuple(letter.headers[1:3]) for letter in letters}) == 8


async def test_two_workers_share_the_sources_and_lose_nothing_when_one_leaves(
    kafka: KafkaBroker, prefix: str, tmp_path: Path
) -> None:
    produce(kafka.bootstrap, [(f"{prefix}ratings", n % 4, None, rating(f"a{n}"), T0 + n) for n in range(200)])
    async with worker(kafka.bootstrap, options(prefix, tmp_path / "1")) as one:
        await until_idle(one)
        async with worker(kafka.bootstrap, options(prefix, tmp_path / "2")) as two:
            await until_idle(two, 60)
            produce(kafka.bootstrap, [(f"{prefix}ratings", n % 4, None, rating(f"b{n}"), T0 + n) for n in range(200)])
            await until(lambda: one.counts.records["ratings"] + two.counts.records.get("ratings", 0) >= 400, 60)
            assert two.counts.records.get("ratings", 0) > 0
        produce(kafka.bootstrap, [(f"{prefix}ratings", n % 4, None, rating(f"c{n}"), T0 + n) for n in range(200)])
        await until(lambda: one.counts.records["ratings"] + two.counts.records.get("ratings", 0) >= 600, 60)
    taken, _ = first_appearances(kafka, prefix)
    assert taken == {("ratings", n): list(range(150)) for n in range(4)}
    for part in journal(kafka.bootstrap, prefix):
        assert [entry["kind"] for entry in part if entry["kind"] not in ("fact", "progress")] == [
            "engine",
            "ruleset",
            "sources",
        ]


async def test_a_topic_written_in_transactions_is_read_without_what_was_aborted_and_caught_up_with(
    kafka: KafkaBroker, prefix: str, tmp_path: Path
) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": f"{prefix}t", "linger.ms": 0})
    producer.init_transactions()

    def write(number: int) -> None:
        producer.begin_transaction()
        for side in "ab":
            producer.produce(f"{prefix}ratings", rating(f"e{number}{side}"), partition=0, timestamp=T0 + number)
        # Aborting what was never sent is an error to newer brokers (INVALID_TXN_STATE), and nothing to be read over.
        assert producer.flush(20) == 0
        if number % 3:
            producer.commit_transaction()
        else:
            producer.abort_transaction()

    for number in range(9):
        await asyncio.to_thread(write, number)
    before = int(time.time() * 1_000)
    async with worker(kafka.bootstrap, options(prefix, tmp_path)) as running:
        await until(lambda: running.counts.records.get("ratings") == 12)
        for number in range(9, 30):
            await asyncio.to_thread(write, number)
        await until(lambda: running.counts.records.get("ratings") == 40)
        await until_idle(running)
        await asyncio.sleep(3)
    expected = [f"e{number}{side}" for number in range(30) if number % 3 for side in "ab"]
    entries = [entry for part in journal(kafka.bootstrap, prefix) for entry in part]
    assert [entry["fact"]["event_id"] for entry in facts(entries)] == expected
    told = [entry["sources"]["ratings/0"] for entry in entries if "ratings/0" in entry.get("sources", {})]
    assert max(told) > time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(before / 1_000))


async def test_a_worker_whose_clock_is_wrong_writes_no_progress_and_is_not_ready(
    kafka: KafkaBroker, prefix: str, tmp_path: Path
) -> None:
    produce(kafka.bootstrap, [(f"{prefix}ratings", 0, None, rating("e"), T0)])

    def slow_ms() -> int:
        return int(time.time() * 1_000) - 300_000

    async with worker(kafka.bootstrap, options(prefix, tmp_path, now_ms=slow_ms)) as running:
        await until(lambda: running.counts.records.get("ratings") == 1)
        await asyncio.sleep(1)
        assert any("clock differs" in problem for problem in running.ingest.problems())
    entries = [entry for part in journal(kafka.bootstrap, prefix) for entry in part]
    assert {entry["kind"] for entry in entries} == {"engine", "ruleset", "sources", "fact"}


async def test_new_source_partitions_are_announced_to_every_journal_partition(
    kafka: KafkaBroker, prefix: str, tmp_path: Path
) -> None:
    async with worker(kafka.bootstrap, options(prefix, tmp_path)) as running:
        await until_idle(running)
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        for done in admin.create_partitions([NewPartitions(f"{prefix}ratings", 5)]).values():
            done.result(20)

        def announced() -> bool:
            found = [
                part
                for part in journal(kafka.bootstrap, prefix)
                if len([e for e in part if e["kind"] == "sources"]) == 2
            ]
            return len(found) == 4

        async with asyncio.timeout(40):
            while not await asyncio.to_thread(announced):  # noqa: ASYNC110
                await asyncio.sleep(0.3)
    for part in journal(kafka.bootstrap, prefix):
        before, after = [entry for entry in part if entry["kind"] == "sources"]
        assert set(after["expected"]) - set(before["expected"]) == {"ratings/4"}


async def test_a_recreated_topic_is_refused_until_it_is_accepted(
    kafka: KafkaBroker, prefix: str, tmp_path: Path
) -> None:
    settings = options(prefix, tmp_path, asks_topic_ids=True)
    produce(kafka.bootstrap, [(f"{prefix}ratings", n % 4, None, rating(f"a{n}"), T0 + n) for n in range(40)])
    async with worker(kafka.bootstrap, settings) as running:
        await until_idle(running)
        await asyncio.sleep(1)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for done in admin.delete_topics([f"{prefix}ratings"]).values():
        done.result(20)
    await asyncio.sleep(1)
    create_all(kafka, prefix, {"ratings": 4})
    produce(kafka.bootstrap, [(f"{prefix}ratings", n % 4, None, rating(f"b{n}"), T0 + 10**6 + n) for n in range(80)])
    async with worker(kafka.bootstrap, settings) as running:
        await until(lambda: bool(running.refused))
    assert "recreated" in running.refused[0]
    gaps = await accept_gap(KafkaSettings(brokers=kafka.bootstrap), Topics(prefix), Source("ratings", 1))
    assert [(str(gap.source), gap.position) for gap in gaps] == [(f"ratings/{n}", 0) for n in range(4)]
    async with worker(kafka.bootstrap, settings) as running:
        await until_idle(running)
        assert running.counts.records == {"ratings": 80}
    for part in journal(kafka.bootstrap, prefix):
        old, new = [entry["topic_ids"]["ratings"] for entry in part if entry["kind"] == "sources"]
        assert old != new
        assert sum(entry["kind"] == "gap" for entry in part) == 4
