"""A group settles again although positions are committed all the while: real Kafka only.

The case comes from a worker that was paused past its session: a member is gone without a word, another one joins, and
the broker makes everybody wait for the one that is gone. A commit sent in that time used to cost whoever sent it the
membership it was about to get, so that the next rebalance waited for a session time-out too, and so on for good.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiokafka
import pytest
from aiokafka.errors import KafkaError, RebalanceInProgressError
from faust.types import TP

from agents.host.chunks import ChunkApp, ChunkConsumer, chunk_topic, chunks, consumer_of, make_app
from agents.host.clients import KafkaSettings
from deploy.kafka.broker import KafkaBroker
from tests.conftest import NewTopics

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

SESSION_S = 3.0
COMMIT_EVERY_S = 0.2
PARTITIONS = 4


class Member:
    """An app that reads a topic and commits what it has read, again and again, whatever the group is doing."""

    def __init__(self, kafka: KafkaSettings, topic: str, folder: Path) -> None:
        self.app: ChunkApp = make_app(f"{topic}.group", kafka, data_dir=folder, session_timeout_s=SESSION_S)
        self.assignments: deque[frozenset[int]] = deque()
        self.refused = 0
        self.records = 0
        self._topic = topic
        self._read: dict[TP, int] = {}

        @self.app.agent(chunk_topic(self.app, topic))
        async def take(stream: Any) -> None:
            async for chunk in chunks(stream):
                self._read[TP(chunk.topic, chunk.partition)] = chunk.records[-1].offset + 1
                self.records += len(chunk.records)

        @self.app.on_partitions_assigned.connect(weak=False)
        async def assigned(_app: Any, assigned: Any, **_: Any) -> None:
            self.assignments.append(frozenset(tp.partition for tp in assigned))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Member]:
        await self.app.start()
        committing = asyncio.create_task(self._commit())
        try:
            yield self
        finally:
            committing.cancel()
            with suppress(asyncio.CancelledError):
                await committing
            await self.app.stop()

    async def _commit(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_EVERY_S)
            consumer: ChunkConsumer = consumer_of(self.app)
            try:
                await consumer.commit_positions(dict(self._read))
            except RebalanceInProgressError:
                self.refused += 1
            except KafkaError:
                continue


async def _until(true: Any, timeout_s: float) -> float:
    began = time.monotonic()
    async with asyncio.timeout(timeout_s):
        while not true():  # noqa: ASYNC110  (what it waits for has no event)
            await asyncio.sleep(0.05)
    return time.monotonic() - began


async def test_a_group_settles_after_a_member_went_silent_although_others_commit(
    kafka: KafkaBroker, new_topics: NewTopics, tmp_path: Path
) -> None:
    prefix = new_topics(kafka, PARTITIONS, "in")
    settings, topic = KafkaSettings(brokers=kafka.bootstrap), f"{prefix}in"
    producer = aiokafka.AIOKafkaProducer(**settings.aiokafka())
    await producer.start()
    for number in range(40):
        await producer.send(topic, b"x", partition=number % PARTITIONS)
    await producer.flush()
    silent, first, second = (Member(settings, topic, tmp_path / name) for name in ("silent", "first", "second"))
    async with first.running():
        await _until(lambda: first.records >= 40, 30)
        async with silent.running():
            await _until(lambda: first.assignments[-1] != frozenset(range(PARTITIONS)) and silent.assignments, 30)
            await asyncio.sleep(1)
            await _fall_silent(silent)
            # Joins while the silent one still counts, so that the others' JoinGroup waits for its session to end.
            async with second.running():
                await _until(lambda: _have_settled(first, second), 4 * SESSION_S)
                rounds, read = len(first.assignments), first.records + second.records
                for number in range(40):
                    await producer.send(topic, b"y", partition=number % PARTITIONS)
                await _until(lambda: first.records + second.records >= read + 40, 3 * SESSION_S)
                assert len(first.assignments) == rounds, "it was rebalanced again although nobody came or went"
                assert first.refused > 0, "no commit fell into the rebalance: the case was not met"
    await producer.stop()


def _have_settled(one: Member, other: Member) -> bool:
    """Whether two members share the partitions."""
    if not one.assignments or not other.assignments:
        return False
    ours, theirs = one.assignments[-1], other.assignments[-1]
    return len(ours) == len(theirs) == PARTITIONS // 2 and not ours & theirs


async def _fall_silent(member: Member) -> None:
    """Stop its coordination without leaving the group, as a paused process does."""
    thread: Any = consumer_of(member.app)._thread
    coordinator = thread._ensure_consumer()._coordinator

    def cut() -> None:
        thread._keeper.cancel()  # which would end the process, as it should where nobody stopped anything on purpose
        coordinator._coordination_task.cancel()
        coordinator._heartbeat_task.cancel()

    thread.thread_loop.call_soon_threadsafe(cut)
    await asyncio.sleep(0.1)
