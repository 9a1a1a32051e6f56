"""Faust's consumer thread and aiokafka's fetcher, set up for chunks: read_committed, short waits, no copies."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import FetchResult
from faust.transport.drivers import aiokafka as driver

from agents.host.keeper import ask_patiently, keep
from agents.host.membership import keep_the_name
from agents.host.process import fatal

PREFETCH_BACKOFF_S = 0.02


class Record(Protocol):
    """One record of a chunk: aiokafka's parsed record itself, without the copy that its consumers usually hand out.

    `timestamp` is in milliseconds; `timestamp_type` 0: set by the producer, 1: by the broker.
    """

    @property
    def offset(self) -> int: ...

    @property
    def timestamp(self) -> int: ...

    @property
    def timestamp_type(self) -> int: ...

    @property
    def key(self) -> bytes | None: ...

    @property
    def value(self) -> bytes | None: ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class Records(list[Record]):
    """All readable records of one partition from offset `begin` to `end` (exclusive), in order.

    So a hole that compaction or a transaction's marker left can be told from records that were lost on the way.
    """

    begin: int = -1
    end: int = -1


class _Fetched(OrderedDict[TopicPartition, Any]):
    """aiokafka's store of fetched data; makes each piece yield its parsed records as they are, in `Records`.

    aiokafka copies every record into a data class of eleven fields, topic and partition included. That costs twice as
    much as parsing it; a chunk says topic and partition once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._passed: dict[TopicPartition, tuple[int, int]] = {}
        self.came_at = 0.0
        """When something was last fetched, on the monotonic clock."""

    def __setitem__(self, tp: TopicPartition, result: Any) -> None:
        self.came_at = time.monotonic()
        if type(result) is FetchResult:
            result._partition_records._consumer_record = _as_it_is
            result.getall = partial(self._getall, tp, result)
        super().__setitem__(tp, result)

    def clear(self) -> None:
        self._passed.clear()
        super().clear()

    def _getall(self, tp: TopicPartition, result: FetchResult, max_records: int | None = None) -> Records:
        fetched = result._partition_records
        if fetched is None:
            return Records()
        begin = fetched.next_fetch_offset
        records = Records(FetchResult.getall(result, max_records))
        passed_from, passed_to = self._passed.pop(tp, (begin, begin))
        if passed_to == begin:
            begin = passed_from
        records.begin, records.end = begin, fetched.next_fetch_offset
        if not records:  # nobody is told of it, so what comes next begins here, too
            self._passed[tp] = (begin, records.end)
        return records


def hand_out_as_they_are(consumer: AIOKafkaConsumer) -> None:
    """Let a consumer that has started, and fetched nothing yet, hand out `Record` instead of aiokafka's copies."""
    consumer._fetcher._records = _Fetched()


def keep_apart(consumer: AIOKafkaConsumer, gap_s: Callable[[], float]) -> None:
    """Let a consumer that hands out `Record` wait for so long after what a fetch brought before it sends the next.

    A fetch costs much the same whatever it brings, and goes out as soon as the one before has brought
    anything: where records come one by one, each would be a fetch of its own. What comes after a longer silence does
    not wait, because a fetch waits for it at the broker.
    """
    fetcher = consumer._fetcher
    look = fetcher._get_actions_per_node

    def get_actions_per_node(assignment: Any) -> tuple[Any, ...]:
        requests, resets, timeout, *others = look(assignment)
        if requests and (left_s := fetcher._records.came_at + gap_s() - time.monotonic()) > 0:
            requests, timeout = [], min(timeout, left_s)
        return requests, resets, timeout, *others

    fetcher._get_actions_per_node = get_actions_per_node


def _as_it_is(_tp: TopicPartition, record: Record) -> Record:
    return record


class Batch:
    """One record batch, as it came, where aiokafka expects a batch and where it expects the records of one.

    So aiokafka itself decides what may be read (checksums, aborted transactions, control records, what compaction
    left), and whoever takes many records need not have each handed from generator to generator.

    Attributes:
        offset: the last one that the batch stands for, whatever is left in it.
        begin: where the fetch began; what a batch holds before that was not asked for.
    """

    __slots__ = ("_inner", "begin", "offset")

    def __init__(self, inner: Any, begin: int) -> None:
        self._inner = inner
        self.begin = begin
        self.offset = inner.next_offset - 1

    def records(self) -> list[Record]:
        """Its records, in order; may be none."""
        found = list(self._inner)
        return found if self._inner.base_offset >= self.begin else [each for each in found if each.offset >= self.begin]

    def __iter__(self) -> Iterator[Batch]:
        return iter((self,))

    def __next__(self) -> Any:
        return next(self._inner)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _FetchedBatches(OrderedDict[TopicPartition, Any]):
    """aiokafka's store of fetched data; makes each piece yield its batches."""

    def __setitem__(self, tp: TopicPartition, result: Any) -> None:
        if type(result) is FetchResult:
            fetched = result._partition_records
            fetched._records = _Batches(fetched._records, fetched.next_fetch_offset)
            fetched._consumer_record = _as_it_is
        super().__setitem__(tp, result)


class _Batches:
    """The batches of one fetch, each as a `Batch`."""

    def __init__(self, inner: Any, begin: int) -> None:
        self._inner = inner
        self._begin = begin

    def has_next(self) -> bool:
        has_next: bool = self._inner.has_next()
        return has_next

    def next_batch(self) -> Batch:
        return Batch(self._inner.next_batch(), self._begin)


def hand_out_batches(consumer: AIOKafkaConsumer) -> None:
    """Let a consumer that has started, and fetched nothing yet, hand out each `Batch` in the place of its records."""
    consumer._fetcher._records = _FetchedBatches()


class ChunkThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread with our fetch settings."""

    fetch_wait_ms: int = 100
    """How long a broker may hold a fetch when there is nothing new."""
    gap_s: float = 0.0
    """How long the next fetch waits after the one before, see `keep_apart`; may be set from another thread."""
    _keeper: asyncio.Task[None] | None = None

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"
        consumer._fetch_max_wait_ms = self.fetch_wait_ms
        ask_patiently(consumer._client)
        return consumer

    async def on_start(self) -> None:
        await super().on_start()
        consumer = self._ensure_consumer()
        consumer._fetcher._prefetch_backoff = PREFETCH_BACKOFF_S
        hand_out_as_they_are(consumer)
        keep_apart(consumer, lambda: self.gap_s)
        keep_the_name(consumer._coordinator, fatal)
        self._keeper = asyncio.create_task(keep(consumer, lambda: self.consumer.flow_active, fatal), name="keeper")

    async def on_thread_stop(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
        await super().on_thread_stop()
