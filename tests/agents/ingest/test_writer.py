"""What ingest writes with: it waits for a partition that nobody can take writes for, and says so."""

import asyncio
import time
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.producer import message_accumulator

from agents.embedded import EmbeddedBroker
from agents.host.clients import KafkaSettings
from agents.ingest.writer import Writer
from schemas.topics import DEAD_LETTERS, JOURNAL, Topics
from tests.agents.ingest.harness import until


async def test_a_write_to_a_partition_without_leader_waits_however_long_that_takes(
    embedded: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = Topics("leaderless-")
    for name in (JOURNAL, DEAD_LETTERS):
        embedded.create_topic(topics.real(name), 1)
    kafka = KafkaSettings(brokers=embedded.bootstrap, embedded=True)
    writer = Writer(kafka, topics, dead_letter_partitions=1, now_ms=lambda: 1)
    await writer.start()
    await writer.journal([[(None, b"before")]])

    cluster, asked, passed_s = writer._producer.client.cluster, list[TopicPartition](), [0.0]

    def nobody(tp: TopicPartition) -> int:
        asked.append(tp)
        return -1

    with monkeypatch.context() as without:
        without.setattr(cluster, "leader_for_partition", nobody)
        without.setattr(message_accumulator, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + passed_s[0]))
        writing = asyncio.create_task(writer.journal([[(None, b"after")]]))
        await until(lambda: len(asked) > 1)
        passed_s[0] = 3_600.0
        seen = len(asked)
        await until(lambda: len(asked) > seen + 3)
        assert writer.lacks_leader()
        assert not writing.done()
    async with asyncio.timeout(30):
        await writing
    await writer.stop()
