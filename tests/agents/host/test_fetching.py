"""What is said of a chunk: from which offset to which it is complete, whatever stands there that nobody may read."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from agents.host.fetching import Records, hand_out_as_they_are, keep_apart

HERE = TopicPartition("t", 0)
PRODUCER = 7


class Place:
    """Where a consumer stands, as far as a fetch result asks."""

    active, paused, position = True, False, 0

    def state_value(self, _tp: TopicPartition) -> Place:
        return self

    def consumed_to(self, position: int) -> None:
        self.position = position


def batch(base: int, count: int, *, is_transactional: bool = False) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, is_transactional, PRODUCER if is_transactional else -1, 0, 0, 1 << 20)
    for number in range(count):
        builder.append(number, 1, key=None, value=b"%d" % (base + number), headers=[])
    return base.to_bytes(8, "big") + bytes(builder.build())[8:]


class Store:
    """A fetcher's store, filled by hand."""

    def __init__(self) -> None:
        inner = SimpleNamespace(_records=None)
        hand_out_as_they_are(SimpleNamespace(_fetcher=inner))
        self.records: Any = inner._records
        self.place = Place()

    def fetch(self, *batches: bytes, aborted: bool = False) -> None:
        parts = PartitionRecords(
            HERE,
            MemoryRecords(b"".join(batches)),
            [(PRODUCER, 0)] if aborted else [],
            self.place.position,
            None,
            None,
            True,
            fetcher.READ_COMMITTED,
        )
        self.records[HERE] = FetchResult(HERE, assignment=self.place, partition_records=parts, backoff=0)

    def take(self, most: int | None = None) -> tuple[int, list[int], int]:
        found = self.records[HERE].getall(most)
        assert isinstance(found, Records)
        return found.begin, [record.offset for record in found], found.end


def test_a_chunk_tells_from_where_to_where_it_is_complete() -> None:
    store = Store()
    store.place.position = 3
    store.fetch(batch(5, 4))
    assert store.take(2) == (3, [5, 6], 7)
    assert store.take() == (7, [7, 8], 9)


def test_what_nobody_may_read_is_said_of_the_chunk_after_it() -> None:
    store = Store()
    store.fetch(batch(0, 3, is_transactional=True), aborted=True)
    assert store.take() == (0, [], 3)
    assert store.place.position == 3
    store.fetch(batch(3, 2))
    assert store.take() == (0, [3, 4], 5)
    store.fetch(batch(5, 1))
    assert store.take() == (5, [5], 6)


def test_after_a_seek_nothing_is_said_of_what_was_jumped_over() -> None:
    store = Store()
    store.fetch(batch(0, 3, is_transactional=True), aborted=True)
    store.take()
    store.place.position = 8
    store.fetch(batch(8, 1))
    assert store.take() == (8, [8], 9)


def test_data_fetched_before_a_seek_are_not_handed_out() -> None:
    store = Store()
    store.fetch(batch(0, 3))
    store.place.position = 1
    assert store.take()[1] == []
    store.fetch(batch(0, 3))
    assert store.take() == (1, [1, 2], 3)


def actions(gap_s: float) -> tuple[Store, Any]:
    """A store, and what its fetcher decides to do when kept apart."""
    store = Store()
    inner = SimpleNamespace(
        _records=store.records, _get_actions_per_node=lambda _: (["fetch"], {0: [HERE]}, 0.2, True, ["resume"])
    )
    keep_apart(SimpleNamespace(_fetcher=inner), lambda: gap_s)
    return store, lambda: inner._get_actions_per_node(None)


def test_a_fetch_waits_after_one_that_brought_something_and_nothing_else_does() -> None:
    store, decide = actions(gap_s=60.0)
    assert decide() == (["fetch"], {0: [HERE]}, 0.2, True, ["resume"])
    store.fetch(batch(0, 1))
    assert decide() == ([], {0: [HERE]}, 0.2, True, ["resume"])


def test_a_fetch_is_looked_at_again_when_its_wait_is_over() -> None:
    store, decide = actions(gap_s=0.05)
    store.fetch(batch(0, 1))
    requests, _, timeout, *_ = decide()
    assert requests == []
    assert 0 < timeout <= 0.05
    time.sleep(timeout)
    assert decide()[0] == ["fetch"]


def test_without_a_gap_no_fetch_waits() -> None:
    store, decide = actions(gap_s=0.0)
    store.fetch(batch(0, 1))
    assert decide()[0] == ["fetch"]
