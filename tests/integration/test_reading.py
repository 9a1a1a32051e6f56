"""What a reader sees of transactions that are not over."""

import pytest
from confluent_kafka import Producer

from agents.host.clients import KafkaSettings
from agents.reading import Reader
from deploy.kafka.broker import KafkaBroker
from tests.conftest import NewTopics


def _write(producer: Producer, topic: str, value: bytes) -> None:
    producer.begin_transaction()
    producer.produce(topic, value, partition=0)
    assert producer.flush(30) == 0


@pytest.mark.integration
@pytest.mark.parametrize(("is_committed", "left"), [(True, [b"open"]), (False, [])])
def test_what_is_not_decided_yet_is_waited_for(
    kafka: KafkaBroker, new_topics: NewTopics, is_committed: bool, left: list[bytes]
) -> None:
    topic = new_topics(kafka, 1, "half") + "half"
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic, "log_level": 0})
    producer.init_transactions(30)
    with Reader(KafkaSettings(brokers=kafka.bootstrap)) as reader:
        places = [(topic, 0)]
        _write(producer, topic, b"committed")
        producer.commit_transaction()
        assert len(list(reader.read(reader.stretches(places, uncommitted=True)))) == 1
        _write(producer, topic, b"open")
        assert [message.value() for message in reader.read(reader.stretches(places))] == [b"committed"]
        messages = reader.read(reader.stretches(places, uncommitted=True))
        assert next(messages).value() == b"committed"
        if is_committed:
            producer.commit_transaction()
        else:
            producer.abort_transaction()
        assert [message.value() for message in messages] == left
