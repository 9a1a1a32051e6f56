from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from aiokafka.structs import RecordMetadata, TopicPartition

from agents.embedded import EmbeddedBroker
from agents.host.checks import (
    LaneTopics,
    Skew,
    Topology,
    broker_skew,
    check_host_row,
    check_journal,
    host_row,
    skew_of,
    topic_ids,
    topology_of,
)
from agents.host.clients import KafkaSettings
from agents.host.process import Refusal

TOPICS = LaneTopics(journal="j", state="s", interventions="i", prefix="x-")


def test_a_transactional_id_names_prefix_and_partition() -> None:
    assert TOPICS.transactional_id(3) == "x-ebb-engine-3"


def test_a_position_inside_the_journal_passes() -> None:
    check_journal("j", 0, applied=-1, begin=0, end=0)
    check_journal("j", 0, applied=4, begin=5, end=5)


@pytest.mark.parametrize(("applied", "begin", "end"), [(4, 6, 9), (4, 0, 4), (-1, 1, 1)])
def test_a_position_outside_the_journal_is_refused(applied: int, begin: int, end: int) -> None:
    with pytest.raises(Refusal, match="prefix"):
        check_journal("j", 0, applied, begin, end)


def test_a_host_row_is_written_when_missing_or_when_more_is_known() -> None:
    plain, known = Topology(4), Topology(4, {"journal": "a"})
    assert check_host_row(None, plain, TOPICS)
    assert not check_host_row(host_row(known), known, TOPICS)
    assert not check_host_row(host_row(known), plain, TOPICS)
    assert check_host_row(host_row(plain), known, TOPICS)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (b'{"v":1,"partitions":8,"router":"murmur2","topic_ids":{}}', "8 partitions"),
        (b'{"v":1,"partitions":4,"router":"crc32","topic_ids":{}}', "router crc32"),
        (b'{"v":1,"partitions":4,"router":"murmur2","topic_ids":{"journal":"b"}}', "j was deleted and recreated"),
        (b'{"v":2,"partitions":4,"router":"murmur2","topic_ids":{}}', "newer version"),
    ],
)
def test_a_state_made_from_something_else_is_refused(row: bytes, words: str) -> None:
    with pytest.raises(Refusal, match=words):
        check_host_row(row, Topology(4, {"journal": "a"}), TOPICS)


def _topology(broker: Any, counts: dict[str, int], prefix: str) -> Topology:
    for name, partitions in counts.items():
        broker.create_topic(f"{prefix}{name}", partitions)
    topics = LaneTopics(journal=f"{prefix}j", state=f"{prefix}s", interventions=f"{prefix}i")
    settings = KafkaSettings(brokers=broker.bootstrap, embedded=isinstance(broker, EmbeddedBroker))
    return asyncio.run(topology_of(settings, topics))


def test_equal_partition_counts_pass_on_both_brokers(broker: Any) -> None:
    topology = _topology(broker, {"j": 3, "s": 3, "i": 3}, "equal.")
    assert topology.partitions == 3


def test_different_counts_and_missing_topics_are_refused(embedded: EmbeddedBroker) -> None:
    with pytest.raises(Refusal, match=r"different\.s has 2"):
        _topology(embedded, {"j": 3, "s": 2, "i": 3}, "different.")
    with pytest.raises(Refusal, match=r"missing\.s does not exist"):
        _topology(embedded, {"j": 3, "i": 3}, "missing.")


@pytest.mark.integration
def test_topic_ids_tell_a_recreated_topic_on_real_kafka(kafka: Any) -> None:
    kafka.create_topic("known", 1)
    settings = KafkaSettings(brokers=kafka.bootstrap)
    first = asyncio.run(topic_ids(settings, ["known"]))
    assert len(first["known"]) == 22
    assert asyncio.run(topic_ids(settings, ["known"])) == first


def _answer(timestamp: int, kind: int) -> RecordMetadata:
    return RecordMetadata("t", 0, TopicPartition("t", 0), 0, timestamp, kind, 0)


def test_a_brokers_clock_is_read_only_where_it_sets_the_time() -> None:
    assert skew_of(_answer(1_000, 0), 0, 0) is None
    assert skew_of(_answer(70_000, 1), 0, 2_000) == Skew(69.0, 1.0)


def test_a_skew_counts_only_when_it_is_sure() -> None:
    assert Skew(-62.0, 1.0).is_too_large()
    assert not Skew(62.0, 3.0).is_too_large()


@pytest.mark.integration
def test_real_kafka_tells_its_time_through_a_log_append_topic(kafka: Any) -> None:
    settings = KafkaSettings(brokers=kafka.bootstrap)
    kafka.create_topic("clock", 1, {"message.timestamp.type": "LogAppendTime"})
    skew = asyncio.run(broker_skew(settings, "clock"))
    assert skew is not None
    assert abs(skew.seconds) < 1
    kafka.create_topic("no-clock", 1)
    assert asyncio.run(broker_skew(settings, "no-clock")) is None


def test_the_embedded_broker_does_not_tell_its_time(embedded: EmbeddedBroker) -> None:
    embedded.create_topic("embedded-clock", 1)
    began = time.monotonic()
    assert asyncio.run(broker_skew(KafkaSettings(brokers=embedded.bootstrap), "embedded-clock")) is None
    assert time.monotonic() - began < 5
