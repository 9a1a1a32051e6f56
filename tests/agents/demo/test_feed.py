"""Feeding a year in slices."""

import asyncio
from typing import NamedTuple

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from agents.demo.feed import SLICE_MS, SLICE_RECORDS, Feeder, StalledError, slices
from agents.embedded import EmbeddedBroker
from agents.host.clients import KafkaSettings
from tests.conftest import NewTopics


class _Record(NamedTuple):
    topic: str
    key: bytes
    value: bytes
    arrived_ms: int


def _records(instants: list[int], topic: str = "t") -> list[_Record]:
    return [_Record(topic, b"k", b"v", at) for at in sorted(instants)]


@given(st.lists(st.integers(0, 5 * SLICE_MS), max_size=300))
def test_slices_hold_every_record_in_order_and_none_spans_two_days(instants: list[int]) -> None:
    records = _records(instants)
    parts = list(slices(records))
    assert [record for part in parts for record in part] == records
    assert all(part[0].arrived_ms // SLICE_MS == part[-1].arrived_ms // SLICE_MS for part in parts)


def test_a_day_with_too_many_records_is_cut() -> None:
    assert [len(part) for part in slices(_records([7] * (SLICE_RECORDS + 5)))] == [SLICE_RECORDS, 5]


def test_nothing_more_is_sent_until_the_former_slice_is_journalled(
    embedded: EmbeddedBroker, new_topics: NewTopics
) -> None:
    topic = new_topics(embedded, 1, "t") + "t"
    records = _records([0, SLICE_MS, 2 * SLICE_MS], topic)
    journalled = 1
    feeder = Feeder(
        KafkaSettings(brokers=embedded.bootstrap, embedded=True),
        records,
        1,
        journalled=lambda: journalled,
        bytes_ahead=lambda: 0,
    )
    feeder.start()
    feeder.join(1.0)
    assert (feeder.sent, feeder.is_alive()) == (2, True)
    journalled = 3
    feeder.join(10)
    assert (feeder.sent, feeder.failure) == (3, None)


async def test_what_a_slice_has_of_a_topic_is_one_batch(embedded: EmbeddedBroker, new_topics: NewTopics) -> None:
    topic = new_topics(embedded, 1, "t") + "t"
    feeder = Feeder(
        KafkaSettings(brokers=embedded.bootstrap, embedded=True),
        _records([0] + [SLICE_MS] * SLICE_RECORDS, topic),  # the first day while the client looks for the topic
        1,
        journalled=lambda: 1 + SLICE_RECORDS,
        bytes_ahead=lambda: 0,
    )
    feeder.start()
    feeder.join(20)
    assert feeder.failure is None
    async with AIOKafkaConsumer(bootstrap_servers=embedded.bootstrap) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        consumer.seek(TopicPartition(topic, 0), 1)
        async with asyncio.timeout(20):
            while not (fetched := await consumer.getmany(timeout_ms=100)):
                continue
    # The embedded broker answers a fetch with one batch of a partition.
    assert [len(records) for records in fetched.values()] == [SLICE_RECORDS]


def test_an_engine_that_stands_still_is_a_failure_with_a_sentence(
    embedded: EmbeddedBroker, new_topics: NewTopics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.demo.feed.PATIENCE_S", 0.3)
    topic = new_topics(embedded, 1, "t") + "t"
    feeder = Feeder(
        KafkaSettings(brokers=embedded.bootstrap, embedded=True),
        _records([0], topic),
        1,
        journalled=lambda: 1,
        bytes_ahead=lambda: 10**9,
    )
    feeder.start()
    feeder.join(15)
    assert isinstance(feeder.failure, StalledError)
    assert "the engine did not take 1 facts" in str(feeder.failure)
