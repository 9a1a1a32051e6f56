"""One partition's transactional producer: own the partition, commit flushes, leave without noise."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced
from aiokafka.producer import sender

from agents.host.clients import KafkaSettings
from agents.host.fold import Message
from agents.host.keeper import ask_patiently

log = logging.getLogger("ebb.host")

BATCH_BYTES = 900_000  # below Kafka's default message.max.bytes of 1 MiB
REQUEST_TIMEOUT_MS = 15_000
MARKERS_S = 0.002
"""How soon to ask again when the markers of the transaction before are not all written: that takes a broker a few
milliseconds, within which it takes in no partition for the next. aiokafka waits for 20."""
sender.BACKOFF_OVERRIDE = MARKERS_S
_NO_HEADERS: list[tuple[str, bytes]] = []

_Outgoing = tuple[bytes, bytes | None, int | None, list[tuple[str, bytes]]]


class TransactionalWriter:
    """Writes one partition of the interventions and state topics, both or neither.

    Args:
        passing: called with the name of each step passed (agents/host/failpoints.py).
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        transactional_id: str,
        partition: int,
        *,
        interventions: str,
        state: str,
        timeout_s: float,
        passing: Callable[[str], None],
    ) -> None:
        self._partition = partition
        self._interventions = interventions
        self._state = state
        self._begun_at: float | None = None
        self._passing = passing
        self._producer = AIOKafkaProducer(
            **kafka.aiokafka(),
            transactional_id=transactional_id,
            transaction_timeout_ms=int(timeout_s * 1000),
            enable_idempotence=True,
            acks="all",
            max_batch_size=BATCH_BYTES,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            linger_ms=0,
        )
        ask_patiently(self._producer.client)

    async def own(self) -> None:
        """Fence every earlier owner; returns when the transaction of the last one is finished."""
        await self._producer.start()
        await self._producer.begin_transaction()  # the public way to be sure that InitProducerId has been answered
        await self._producer.abort_transaction()

    def open_s(self) -> float:
        """For how long the transaction that has begun has been open, seconds; 0 when none has."""
        return 0.0 if self._begun_at is None else time.monotonic() - self._begun_at

    async def begin(self, *, with_interventions: bool) -> None:
        """Begin the transaction that the next `commit` ends, and return before the coordinator knows its partitions.

        It is told meanwhile, which takes a round trip, or several while it still writes the markers of the transaction
        before. To be called when a commit is sure to follow soon; may be called again.
        """
        if self._begun_at is None:
            await self._producer.begin_transaction()
            self._begun_at = time.monotonic()
            self._passing("after_begin")
        manager = self._producer._txn_manager
        ended = manager.wait_for_transaction_end()
        if ended.done():  # by an error: fenced while we gathered
            ended.result()
        manager.maybe_add_partition_to_txn(TopicPartition(self._state, self._partition))
        if with_interventions:
            manager.maybe_add_partition_to_txn(TopicPartition(self._interventions, self._partition))

    async def commit(self, interventions: Iterable[Message], rows: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Write all of it in one transaction, rows last and in order.

        Raises: whatever aiokafka raises; `is_fenced` tells whether somebody else owns the partition now.
        """
        await self.begin(with_interventions=False)
        answers = await self._send(
            self._interventions, ((m.key, m.value, m.timestamp_ms, m.headers) for m in interventions)
        )
        answers += await self._send(self._state, ((key, value, None, _NO_HEADERS) for key, value in rows))
        await asyncio.gather(*answers)  # a failed batch must not be committed around
        self._passing("before_commit")
        await self._producer.commit_transaction()
        self._begun_at = None
        self._passing("after_commit")

    async def _send(self, topic: str, records: Iterable[_Outgoing]) -> list[asyncio.Future[Any]]:
        """Hand records over in as few batches as they fit; returns the future answer to each batch."""
        producer, partition = self._producer, self._partition
        answers: list[asyncio.Future[Any]] = []
        batch = producer.create_batch()
        for key, value, timestamp_ms, headers in records:
            if batch.append(key=key, value=value, timestamp=timestamp_ms, headers=headers) is None:
                answers.append(await producer.send_batch(batch, topic, partition=partition))
                self._passing("between_batches")
                batch = producer.create_batch()
                if batch.append(key=key, value=value, timestamp=timestamp_ms, headers=headers) is None:
                    raise RuntimeError(f"a record for {topic} does not fit an empty batch")
        if batch.record_count():
            answers.append(await producer.send_batch(batch, topic, partition=partition))
            self._passing("between_batches")
        return answers

    async def stop(self) -> None:
        """Close the connections; does not wait long for a broker that is gone."""
        try:
            async with asyncio.timeout(3):
                await self._producer.stop()
        except (KafkaError, TimeoutError) as error:
            log.info("the producer of lane %d did not stop in order: %r", self._partition, error)
        self._hush()

    def _hush(self) -> None:
        """Look at the errors that aiokafka leaves in futures nobody waits for: each would be logged as never
        retrieved."""
        accumulator = self._producer._message_accumulator
        waiters = [batch._drain_waiter for batches in accumulator._batches.values() for batch in batches]
        for waiter in [*waiters, self._producer._txn_manager._transaction_waiter]:
            if waiter is not None and waiter.done() and not waiter.cancelled():
                waiter.exception()


def is_fenced(error: BaseException) -> bool:
    """Whether an error says that somebody else has opened the partition."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ProducerFenced):
            return True
        seen = seen.__cause__
    return False
