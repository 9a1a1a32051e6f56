"""Following `ingest-control`: read to its end before anything else, then what is new as it comes."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.host.clients import KafkaSettings
from agents.ingest.control import ControlState
from schemas.topics import INGEST_CONTROL, Topics


class Notices:
    """The state of the control topic, kept current by a task of its own.

    Attributes:
        state: the newest value of each key.
        words_changed: set when word lists changed since somebody reset it.
    """

    def __init__(self, kafka: KafkaSettings, topics: Topics) -> None:
        self._kafka = kafka
        self._here = TopicPartition(topics.real(INGEST_CONTROL), 0)
        self._consumer: Any = None
        self._task: asyncio.Task[None] | None = None
        self._news: Callable[[], None] = lambda: None
        self.state = ControlState()
        self.words_changed = False

    async def start(self, news: Callable[[], None]) -> None:
        """Read the topic to its end, then follow it; `news` is called after each change."""
        self._news = news
        await self.read()
        self._task = asyncio.create_task(self._follow(), name="ingest-notices")

    async def read(self) -> None:
        """Read the topic to its end."""
        self._consumer = AIOKafkaConsumer(
            **self._kafka.aiokafka_consumer() | {"fetch_max_wait_ms": 500}, auto_offset_reset="earliest"
        )
        await self._consumer.start()
        self._consumer.assign([self._here])
        await self._consumer.seek_to_beginning(self._here)
        end = (await self._consumer.end_offsets([self._here]))[self._here]
        while await self._consumer.position(self._here) < end:
            self._apply(await self._consumer.getmany(self._here, timeout_ms=100))

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._consumer is not None:
            await self._consumer.stop()

    def check(self) -> None:
        """Raises: whatever ended the following of the topic."""
        if self._task is not None and self._task.done() and not self._task.cancelled():
            self._task.result()

    async def _follow(self) -> None:
        while True:
            records = await self._consumer.getmany(self._here, timeout_ms=60_000)
            if records:
                self._apply(records)
                self._news()

    def _apply(self, fetched: dict[TopicPartition, list[Any]]) -> None:
        for records in fetched.values():
            for record in records:
                self.state.apply(record.key, record.value)
                self.words_changed |= (record.key or b"").startswith(b"words/")
