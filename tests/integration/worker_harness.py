"""A worker as anybody runs it: `ebb worker` as a process, spoken to through Kafka and its port."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import Producer

from agents import topics as clusters
from agents.embedded import EmbeddedBroker
from agents.host.clients import KafkaSettings
from agents.reading import Reader
from deploy.kafka.broker import KafkaBroker
from deploy.ports import free_port
from schemas.topics import CATALOGUE, INTERVENTIONS, JOURNAL, Topics
from streams.engine import Engine

ROOT = Path(__file__).resolve().parent.parent.parent
PARTITIONS = 2


class Sent(NamedTuple):
    """A record to send; `topic` is the catalogue's name."""

    topic: str
    key: bytes
    value: bytes
    timestamp_ms: int


class Written(NamedTuple):
    """A record of a topic we write, as a reader sees it."""

    key: bytes | None
    value: bytes
    timestamp_ms: int
    headers: list[tuple[str, bytes]]


def make_topics(broker: object, prefix: str) -> Topics:
    """Create the whole catalogue under a prefix on either broker."""
    topics = Topics(prefix)
    if isinstance(broker, KafkaBroker):
        clusters.create(KafkaSettings(brokers=broker.bootstrap), topics, PARTITIONS)
    elif isinstance(broker, EmbeddedBroker):
        for topic in CATALOGUE:
            broker.create_topic(topics.real(topic.name), clusters.partitions_of(topic, PARTITIONS))
    return topics


def produce(brokers: str, topics: Topics, records: Iterable[Sent]) -> None:
    """Send records in order and wait until the broker has them."""
    producer = Producer({"bootstrap.servers": brokers, "linger.ms": 5})
    for record in records:
        producer.produce(topics.real(record.topic), key=record.key, value=record.value, timestamp=record.timestamp_ms)
        producer.poll(0)
    assert producer.flush(30) == 0


def written(brokers: str, topic: str) -> list[list[Written]]:
    """Everything written to a topic by now and committed then, by partition."""
    found: list[list[Written]] = [[] for _ in range(PARTITIONS)]
    with Reader(KafkaSettings(brokers=brokers, embedded=True)) as reader:
        places = [(topic, partition) for partition in range(PARTITIONS)]
        for message in reader.read(reader.stretches(places, uncommitted=True)):
            row = Written(message.key(), message.value(), message.timestamp()[1], message.headers() or [])
            found[message.partition()].append(row)
    return found


def folded(journal: Sequence[Written], source: str, partition: int) -> list[Written]:
    """The interventions of one journal partition, by a single-threaded fold."""
    engine, found = Engine(source=source, partition=partition), []
    for offset, entry in enumerate(journal):
        while True:
            is_whole = engine.apply(offset, entry.value)
            found += [Written(*message) for message in engine.flush().interventions]
            if is_whole:
                break
    return found


class Worker:
    """`ebb worker` with settings in its environment and its output in a file."""

    def __init__(self, folder: Path, settings: dict[str, str], *arguments: str, port: int | None = None) -> None:
        self.port = free_port() if port is None else port
        self.log = folder / f"worker-{self.port}.log"
        own = {name: value for name, value in os.environ.items() if not name.startswith("EBB_")}
        own |= {"PYTHONPATH": str(ROOT), "EBB_PORT": str(self.port), "EBB_CLOCK": "records"} | settings
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "agents.cli", "worker", *arguments],
                cwd=folder,
                env=own,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def ask(self, path: str) -> str:
        """The body of an answer, whatever its status; empty while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return error.read().decode()
        except OSError:
            return ""

    def report(self) -> dict[str, Any]:
        """What `/readyz` says; empty while nobody answers."""
        found: dict[str, Any] = json.loads(self.ask("/readyz") or "{}")
        return found

    def wait_ready(self) -> None:
        self._until(lambda: self.report().get("ready") is True)

    def wait_applied(self, brokers: str, topics: Topics, facts: int) -> list[list[Written]]:
        """Wait until so many facts stand in the journal and all of it is applied. Returns: the journal."""
        journal: list[list[Written]] = []

        def is_applied() -> bool:
            nonlocal journal
            journal = written(brokers, topics.real(JOURNAL))
            entries = sum(row.value.startswith(b'{"kind":"fact"') for rows in journal for row in rows)
            positions = self.report().get("positions", {})
            ends = {str(number): len(rows) for number, rows in enumerate(journal)}
            return entries >= facts and positions == ends

        self._until(is_applied)
        return journal

    def end(self) -> tuple[int, float]:
        """SIGTERM. Returns: exit code, and after how many seconds."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20), time.monotonic() - began

    def kill(self) -> None:
        """Make sure that it is gone."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _until(self, is_true: Any) -> None:
        deadline = time.monotonic() + 60
        while not is_true():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, f"{self.ask('/readyz')}\n{self.log.read_text()}"
            time.sleep(0.2)


def interventions(brokers: str, topics: Topics) -> list[list[Written]]:
    """Everything committed to the interventions topic, by partition."""
    return written(brokers, topics.real(INTERVENTIONS))
