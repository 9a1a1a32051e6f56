"""Recording the journal of a live cluster."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from agents.embedded import EmbeddedBroker
from agents.host.clients import KafkaSettings
from agents.recorder import record_journal
from agents.recordings import Recording, RecordingError
from schemas.topics import Topics

PREFIX = "rec-"


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        running.create_topic(f"{PREFIX}journal", 3)
        running.create_topic("cut-journal", 1)
        yield running


def fill(broker: EmbeddedBroker, topic: str, partition: int, count: int) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 0})
    for number in range(count):
        producer.produce(
            topic, key=b"program", value=b'{"n":%d}' % number, partition=partition, timestamp=1_000 + number
        )
    assert producer.flush(10) == 0


def test_the_whole_journal_up_to_now_is_recorded(broker: EmbeddedBroker, tmp_path: Path) -> None:
    fill(broker, f"{PREFIX}journal", 0, 500)
    fill(broker, f"{PREFIX}journal", 2, 3)
    told: list[tuple[int, int]] = []
    info = record_journal(
        KafkaSettings(brokers=broker.bootstrap), Topics(PREFIX), tmp_path / "r", lambda *both: told.append(both)
    )
    assert [one.entries for one in info.partitions] == [500, 0, 3]
    assert info.topic == "journal"
    assert told[0] == (0, 503)
    assert told[-1] == (503, 503)
    blocks = list(Recording(tmp_path / "r").entries(0))
    assert [value for _, values in blocks for value in values] == [b'{"n":%d}' % number for number in range(500)]


def test_an_empty_journal_gives_an_empty_recording(broker: EmbeddedBroker, tmp_path: Path) -> None:
    broker.create_topic("empty-journal", 2)
    info = record_journal(KafkaSettings(brokers=broker.bootstrap), Topics("empty-"), tmp_path / "r")
    assert [one.entries for one in info.partitions] == [0, 0]


def test_a_journal_without_its_beginning_is_refused(broker: EmbeddedBroker, tmp_path: Path) -> None:
    for _ in range(5):
        fill(broker, "cut-journal", 0, 10)
    broker.delete_records("cut-journal", 0, 20)
    with pytest.raises(RecordingError, match="cut-journal/0 begins at offset 20"):
        record_journal(KafkaSettings(brokers=broker.bootstrap), Topics("cut-"), tmp_path / "r")
    assert list(tmp_path.iterdir()) == []


def test_a_cluster_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.recorder.ANSWER_S", 0.5)
    with pytest.raises(RecordingError, match=r"127\.0\.0\.1:1 did not answer"):
        record_journal(KafkaSettings(brokers="127.0.0.1:1"), Topics(), tmp_path / "r")
