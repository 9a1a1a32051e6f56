"""The embedded broker speaks what our clients need; what it has in common with a real one is tested on both."""

import asyncio
import threading

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from agents.embedded import CLIENT_SETTINGS, EmbeddedBroker, EmbeddedBrokerError
from tests.conftest import Broker, NewTopics

_PATIENCE_S = 20.0


async def read(consumer: AIOKafkaConsumer, count: int) -> list[tuple[int, bytes]]:
    """The next `count` records as (offset, value); TimeoutError when they do not come."""
    records: list[tuple[int, bytes]] = []
    async with asyncio.timeout(_PATIENCE_S):
        while len(records) < count:
            chunks = await consumer.getmany(timeout_ms=100)
            records += [(record.offset, record.value) for chunk in chunks.values() for record in chunk]
    return records


async def test_a_topic_has_as_many_partitions_as_asked_for(broker: Broker, new_topics: NewTopics) -> None:
    prefix = new_topics(broker, 7, "seven")
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
        assert await producer.partitions_for(prefix + "seven") == set(range(7))


async def test_committed_transactions_leave_their_records_and_one_control_record(
    broker: Broker, new_topics: NewTopics
) -> None:
    topic = new_topics(broker, 2, "out") + "out"
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id=topic) as producer:
        async with producer.transaction():
            await producer.send_and_wait(topic, b"a", partition=1)
            await producer.send_and_wait(topic, b"b", partition=1)
        async with producer.transaction():
            await producer.send_and_wait(topic, b"c", partition=1)
    partition = TopicPartition(topic, 1)
    async with AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        **CLIENT_SETTINGS,
    ) as consumer:
        consumer.assign([partition])
        assert await read(consumer, 3) == [(0, b"a"), (1, b"b"), (3, b"c")]
        assert await consumer.end_offsets([partition]) == {partition: 5}


async def test_an_empty_transaction_may_be_aborted_to_claim_a_transactional_id(
    broker: Broker, new_topics: NewTopics
) -> None:
    topic = new_topics(broker, 1, "out") + "out"
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id=topic) as producer:
        await producer.begin_transaction()
        await producer.abort_transaction()
        async with producer.transaction():
            assert (await producer.send_and_wait(topic, b"first", partition=0)).offset == 0


async def test_a_group_resumes_where_it_committed(broker: Broker, new_topics: NewTopics) -> None:
    topic = new_topics(broker, 3, "in") + "in"
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, enable_idempotence=True) as producer:
        for number in range(4):
            await producer.send_and_wait(topic, b"%d" % number, partition=2)

    def member() -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            topic,
            bootstrap_servers=broker.bootstrap,
            group_id=topic,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=3000,  # the embedded broker lets a group rest for one session (less 1 s) after a leave
            heartbeat_interval_ms=500,
        )

    partition = TopicPartition(topic, 2)
    async with member() as consumer:
        assert consumer.assignment() == {TopicPartition(topic, number) for number in range(3)}
        assert [value for _, value in await read(consumer, 4)] == [b"0", b"1", b"2", b"3"]
        await consumer.commit({partition: 3})
    async with member() as consumer:
        assert await read(consumer, 1) == [(3, b"3")]


async def test_deleted_records_are_gone_and_the_partition_begins_after_them(
    embedded: EmbeddedBroker, new_topics: NewTopics
) -> None:
    topic = new_topics(embedded, 1, "in") + "in"
    partition = TopicPartition(topic, 0)
    async with AIOKafkaProducer(bootstrap_servers=embedded.bootstrap) as producer:
        for _ in range(5):
            await producer.send_and_wait(topic, b"x", partition=0)
    embedded.delete_records(topic, 0, 3)
    async with AIOKafkaConsumer(bootstrap_servers=embedded.bootstrap) as consumer:
        assert await consumer.beginning_offsets([partition]) == {partition: 3}
    with pytest.raises(EmbeddedBrokerError, match="delete records"):
        embedded.delete_records(topic, 0, 6)


async def test_its_control_records_need_the_client_settings(embedded: EmbeddedBroker, new_topics: NewTopics) -> None:
    # Should this fail after an upgrade of confluent-kafka: good, CLIENT_SETTINGS can go.
    topic = new_topics(embedded, 1, "out") + "out"
    async with (
        AIOKafkaProducer(bootstrap_servers=embedded.bootstrap, transactional_id=topic) as producer,
        producer.transaction(),
    ):
        await producer.send_and_wait(topic, b"a", partition=0)
    async with AIOKafkaConsumer(bootstrap_servers=embedded.bootstrap, auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        with pytest.raises(KafkaError, match="CRC"):
            await read(consumer, 2)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "x" * 250, "ä"])
def test_a_name_that_kafka_would_refuse_is_refused(embedded: EmbeddedBroker, name: str) -> None:
    with pytest.raises(ValueError, match="not a topic name"):
        embedded.create_topic(name, 1)


def test_a_topic_without_partitions_is_refused(embedded: EmbeddedBroker) -> None:
    with pytest.raises(ValueError, match="at least one partition"):
        embedded.create_topic("none", 0)


def test_a_topic_is_created_once(embedded: EmbeddedBroker, new_topics: NewTopics) -> None:
    topic = new_topics(embedded, 1, "once") + "once"
    with pytest.raises(EmbeddedBrokerError, match="already exists"):
        embedded.create_topic(topic, 1)


def test_two_brokers_live_side_by_side_and_stopping_is_final_and_repeatable() -> None:
    first, second = EmbeddedBroker().start(), EmbeddedBroker(brokers=3).start()
    try:
        assert first.bootstrap != second.bootstrap
        assert len(second.bootstrap.split(",")) == 3
    finally:
        first.stop()
        second.stop()
    first.stop()
    with pytest.raises(EmbeddedBrokerError, match="not running"):
        first.create_topic("late", 1)


def test_a_request_that_was_not_heard_is_knocked_for_until_it_is_answered(
    embedded: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    knocks, knocked = [], threading.Event()

    def knock(address: str) -> None:
        knocks.append(address)
        knocked.set()

    monkeypatch.setattr("agents.embedded._knock", knock)
    assert embedded._ask(knocked.wait, _PATIENCE_S) is True
    assert set(knocks) == {embedded.bootstrap}
    assert not [thread for thread in threading.enumerate() if thread.name == "knock"]
