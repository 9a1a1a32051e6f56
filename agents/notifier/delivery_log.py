"""Writing `deliveries`: rows, dead letters and positions in one transaction, of which there is one writer at a time.

The transactional id is the notifier's own. Whoever opens it fences the former owner, who then can log no attempt, and
without a logged attempt nothing is sent: a notifier that was frozen and wakes up cannot speak twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata
from msgspec import Struct

from agents.host.clients import KafkaSettings
from agents.host.transactions import is_fenced

log = logging.getLogger("ebb.notifier")
_TIMEOUT_MS = 20_000


class Letter(Struct, frozen=True):
    """A record for another topic, written with the rows it belongs to."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


class _Write(Struct):
    rows: Sequence[tuple[bytes, bytes | None]]
    letters: Sequence[Letter]
    positions: Mapping[TopicPartition, OffsetAndMetadata]
    done: asyncio.Future[None]


class DeliveryLog:
    """See the module.

    Args:
        failed: called when a transaction fails; expected to end the process, because nobody knows what was stored.
        passing: called with the name of each step passed (agents/host/failpoints.py).
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        topic: str,
        group: str,
        transactional_id: str,
        failed: Callable[[str, BaseException], None],
        passing: Callable[[str], None],
    ) -> None:
        self._topic = topic
        self._group = group
        self._failed = failed
        self._passing = passing
        self._waiting: list[_Write] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._producer = AIOKafkaProducer(
            **kafka.aiokafka(),
            transactional_id=transactional_id,
            transaction_timeout_ms=_TIMEOUT_MS,
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            request_timeout_ms=15_000,
        )

    async def own(self) -> None:
        """Fence every earlier owner; returns when the transaction of the last one is finished."""
        await self._producer.start()
        await self._producer.begin_transaction()
        await self._producer.abort_transaction()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="delivery-log")

    async def write(
        self,
        rows: Sequence[tuple[bytes, bytes | None]],
        letters: Sequence[Letter] = (),
        positions: Mapping[TopicPartition, OffsetAndMetadata] | None = None,
    ) -> None:
        """Make rows (key, value; None removes), letters and positions durable, all or none; returns when they are.

        What several tasks ask for at the same time goes into one transaction.
        """
        if not rows and not letters and not positions:
            return
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(_Write(rows, letters, positions or {}, done))
        self._wake.set()
        await asyncio.shield(done)

    async def close(self) -> None:
        """Finish what is being written and close the connections."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait([self._task])
        try:
            async with asyncio.timeout(3):
                await self._producer.stop()
        except (KafkaError, TimeoutError) as error:
            log.info("the producer of the delivery log did not stop in order: %r", error)

    async def _run(self) -> None:
        while not self._closing or self._waiting:
            await self._wake.wait()
            self._wake.clear()
            writes, self._waiting = self._waiting, []
            if writes:
                await self._commit(writes)

    async def _commit(self, writes: list[_Write]) -> None:
        try:
            await self._producer.begin_transaction()
            answers: list[asyncio.Future[Any]] = []
            positions: dict[TopicPartition, OffsetAndMetadata] = {}
            for write in writes:
                for letter in [*(Letter(self._topic, key, value, []) for key, value in write.rows), *write.letters]:
                    answers.append(await self._send(letter))  # noqa: PERF401  (order matters, one after the other)
                positions |= write.positions
            await asyncio.gather(*answers)
            if positions:
                await self._producer.send_offsets_to_transaction(positions, self._group)
            self._passing("notifier_before_commit")
            await self._producer.commit_transaction()
            self._passing("notifier_after_commit")
        except (KafkaError, OSError, ValueError) as error:
            sentence = "another notifier has taken over" if is_fenced(error) else "the delivery log cannot be written"
            self._failed(sentence, error)
            return
        for write in writes:
            if not write.done.done():
                write.done.set_result(None)

    async def _send(self, letter: Letter) -> asyncio.Future[Any]:
        sent: asyncio.Future[Any] = await self._producer.send(
            letter.topic, key=letter.key, value=letter.value, headers=letter.headers
        )
        return sent
