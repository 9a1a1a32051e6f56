"""Writing units: an idempotent producer, whole batches, and never two batches of ours under way to one partition.

The last is what makes repeats recognisable by position: if a batch could fail while its successor is accepted, the
journal would have a hole that the engine takes for a repeat. So each journal partition gets the next batch only when
the one before is acknowledged, and any error ends the process.
"""

import asyncio
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import MessageSizeTooLargeError

from agents.host.checks import Skew, skew_of
from agents.host.clients import KafkaSettings
from agents.ingest.intake import DeadLetter, Row
from schemas.dead_letters import ATTEMPT, failure_headers
from schemas.rejections import Rejected
from schemas.topics import DEAD_LETTERS, INGEST_CONTROL, JOURNAL, Topics
from streams.partitioner import partition_for

BATCH_BYTES = 900_000
_LONGEST_HASHED_KEY = 256
_TOO_LARGE = b"The record is larger than dead-letters accepts: its key, value and headers were dropped."

_Written = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]]


class Writer:
    """Writes journal rows, dead letters and control records; every method returns when the broker has acknowledged.

    Attributes:
        skew: the broker's clock against ours at the last answer that told it; None when it has not been told.
    """

    def __init__(
        self, kafka: KafkaSettings, topics: Topics, *, dead_letter_partitions: int, now_ms: Callable[[], int]
    ) -> None:
        self._kafka = kafka
        self._topics = topics
        self._dead_partitions = dead_letter_partitions
        self._now_ms = now_ms
        self._producer: Any = None
        self.skew: Skew | None = None

    async def start(self) -> None:
        self._producer = AIOKafkaProducer(
            **self._kafka.aiokafka(),
            acks="all",
            enable_idempotence=True,
            max_batch_size=BATCH_BYTES,
            linger_ms=0,
            request_timeout_ms=15_000,
        )
        # aiokafka tries an idempotent batch again for as long as it takes, unless its partition has no leader: then it
        # gives up after the time of one request. A restart would give it up, too, and begin anew; so we wait.
        self._producer._message_accumulator._batch_ttl = math.inf
        await self._producer.start()

    def lacks_leader(self) -> bool:
        """Whether the brokers say that nobody can take what we write to the journal or to dead letters. Safe to call
        from any thread."""
        cluster = self._producer.client.cluster
        return any(
            cluster.leader_for_partition(TopicPartition(topic, partition)) in (None, -1)
            for topic in (self._topics.real(JOURNAL), self._topics.real(DEAD_LETTERS))
            for partition in cluster.partitions_for_topic(topic) or ()
        )

    async def stop(self) -> None:
        if self._producer is not None:
            await self._producer.stop()

    async def journal(self, rows: Sequence[Sequence[Row]]) -> None:
        """Write the rows of each journal partition, in order."""
        topic = self._topics.real(JOURNAL)
        waiting = [self._rows(topic, number, part) for number, part in enumerate(rows) if part]
        if len(waiting) == 1:
            await waiting[0]
        else:
            await asyncio.gather(*waiting)

    async def _rows(self, topic: str, partition: int, rows: Iterable[Row]) -> None:
        producer = self._producer
        batch = producer.create_batch()
        append = batch.append
        for key, value in rows:
            if append(key=key, value=value, timestamp=None) is None:
                await self._batch(topic, partition, batch)
                batch = producer.create_batch()
                append = batch.append
                append(key=key, value=value, timestamp=None)
        await self._batch(topic, partition, batch)

    async def _batch(self, topic: str, partition: int, batch: Any) -> None:
        sent_ms = self._now_ms()
        answer = await (await self._producer.send_batch(batch, topic, partition=partition))
        self.skew = skew_of(answer, sent_ms, self._now_ms()) or self.skew

    async def dead_letters(self, letters: Iterable[DeadLetter]) -> None:
        """Write dead letters, key, value and headers as they came, with the reason in further headers."""
        parts: dict[int, list[_Written]] = {}
        for source, record, rejected in letters:
            key = record.key
            hashed = key if key and len(key) <= _LONGEST_HASHED_KEY else f"{source}/{record.offset}".encode()
            headers = [*record.headers, *self._headers(source.topic, source.partition, record, rejected)]
            row = (key, record.value, headers)
            parts.setdefault(partition_for(hashed, self._dead_partitions), []).append(row)
        await asyncio.gather(*(self._dead(partition, rows) for partition, rows in parts.items()))

    def _headers(self, topic: str, partition: int, record: Any, rejected: Rejected) -> list[tuple[str, bytes]]:
        earlier = [value for name, value in record.headers if name == ATTEMPT and value is not None]
        attempt = int(earlier[-1]) + 1 if earlier and earlier[-1].isdigit() and len(earlier[-1]) < 10 else 1
        return failure_headers(self._topics.real(topic), partition, record.offset, rejected, attempt)

    async def _dead(self, partition: int, rows: Sequence[_Written]) -> None:
        topic = self._topics.real(DEAD_LETTERS)
        at = 0
        while at < len(rows):
            batch, first = self._producer.create_batch(), at
            while at < len(rows):
                key, value, headers = rows[at]
                if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                    break
                at += 1
            try:
                await self._batch(topic, partition, batch)
            except MessageSizeTooLargeError:
                # Only where the topic was not created by us: it must not stop the neighbours all the same.
                if at - first > 1:
                    for row in rows[first:at]:
                        await self._dead(partition, [row])
                else:
                    batch = self._producer.create_batch()
                    batch.append(key=None, value=_TOO_LARGE, timestamp=None, headers=rows[first][2][-6:])
                    await self._batch(topic, partition, batch)

    async def control(self, key: bytes, value: bytes | None) -> None:
        """Write one control record; a value of None removes the key."""
        await self.controls([(key, value)])

    async def controls(self, records: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Write a few control records in one batch."""
        batch = self._producer.create_batch()
        for key, value in records:
            if batch.append(key=key, value=value, timestamp=None) is None:
                raise RuntimeError("control records do not fit one batch")
        await self._batch(self._topics.real(INGEST_CONTROL), 0, batch)
