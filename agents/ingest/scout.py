"""A consumer outside any group, for questions the group's consumer cannot answer without losing its place."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.host.clients import KafkaSettings

ANSWER_S = 20.0


class Scout:
    """Bounds of partitions and single records of them; one question at a time. Names are those of the cluster."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._consumer: Any = None
        self._asking = asyncio.Lock()

    async def start(self) -> None:
        self._consumer = AIOKafkaConsumer(
            **self._kafka.aiokafka_consumer() | {"fetch_max_wait_ms": 50},
            auto_offset_reset="none",
            max_partition_fetch_bytes=1 << 16,
        )
        await self._consumer.start()

    async def stop(self) -> None:
        if self._consumer is not None:
            await self._consumer.stop()

    async def beginnings(self, partitions: Iterable[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
        """The offset of the oldest record of each partition."""
        found = await self._consumer.beginning_offsets([TopicPartition(*one) for one in partitions])
        return {(tp.topic, tp.partition): offset for tp, offset in found.items()}

    async def ends(self, partitions: Iterable[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
        """The offset after the last readable record of each partition."""
        found = await self._consumer.end_offsets([TopicPartition(*one) for one in partitions])
        return {(tp.topic, tp.partition): offset for tp, offset in found.items()}

    async def first_record(self, partition: tuple[str, int], start: int, end: int) -> Any | None:
        """The first readable record at `start` or after, before `end`; None when there is none."""
        return (await self.first_records({partition: (start, end)}))[partition]

    async def first_records(
        self, ranges: Mapping[tuple[str, int], tuple[int, int]]
    ) -> dict[tuple[str, int], Any | None]:
        """The same of several partitions, asked at once.

        Offsets without a record are left by compaction, by transactions that were aborted, and by the markers of all
        transactions. None means that the broker was read from `start` to `end` and had nothing: an offset it no longer
        holds, a damaged batch and an answer that does not come are errors.

        Raises: TimeoutError when the broker does not answer, KafkaError when it answers with an error.
        """
        consumer, found = self._consumer, dict[tuple[str, int], Any | None]()
        left = {TopicPartition(*place): end for place, (_, end) in ranges.items()}
        async with self._asking, asyncio.timeout(ANSWER_S):
            consumer.assign(list(left))
            for place, (start, _) in ranges.items():
                consumer.seek(TopicPartition(*place), start)
            fetched: Mapping[TopicPartition, list[Any]] = {}
            while left:
                for here, end in list(left.items()):
                    records = fetched.get(here, [])
                    if records or await consumer.position(here) >= end:
                        before_end = bool(records) and records[0].offset < end
                        found[here.topic, here.partition] = records[0] if before_end else None
                        consumer.pause(here)  # what is known need not be fetched again
                        del left[here]
                fetched = await consumer.getmany(*left, timeout_ms=100) if left else {}
        return found

    async def records(self, partition: tuple[str, int], start: int, end: int) -> list[Any]:
        """Every readable record from `start` to `end` (exclusive).

        Raises: TimeoutError when the broker does not answer.
        """
        here = TopicPartition(*partition)
        found: list[Any] = []
        async with self._asking, asyncio.timeout(ANSWER_S):
            self._consumer.assign([here])
            self._consumer.seek(here, start)
            while await self._consumer.position(here) < end:
                found += (await self._consumer.getmany(here, timeout_ms=100)).get(here, [])
        return [record for record in found if record.offset < end]
