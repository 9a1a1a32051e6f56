"""A worker's ingest on a broker, and readers of what it wrote."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import Consumer, Producer, TopicPartition

from agents.host.clients import KafkaSettings
from agents.host.process import Refusal
from agents.ingest.agent import Ingest, build_ingest
from agents.ingest.observer import SilentIngestObserver
from agents.ingest.options import IngestOptions
from agents.ingest.progress import ProgressIntervals
from deploy.kafka.broker import KafkaBroker
from schemas.topics import BY_NAME, CATALOGUE

T0 = 1_767_607_200_000  # 2026-01-05T10:00:00Z
QUICK = ProgressIntervals(moving_ms=300, idle_ms=600, first_ms=50)
SHIPPED = {"rules": {}, "words": {"en": {"safety": ["unsafe"]}}}
ALL = {topic.name: topic.partitions if topic.partitions == 1 else 4 for topic in CATALOGUE}


def expand(tree: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """A stand-in for the core's: what is marked broken is refused, all else is its own expansion."""
    if tree.get("broken"):
        raise ValueError("broken")
    return dict(tree), f"h{len(json.dumps(tree))}"


def options(prefix: str, data_dir: Path, **changes: Any) -> IngestOptions:
    """Quick options for a test."""
    settings: dict[str, Any] = {
        "version": "1",
        "shipped_ruleset": SHIPPED,
        "expand_ruleset": expand,
        "prefix": prefix,
        "intervals": QUICK,
        "look_every_s": 0.1,
        "commit_every_s": 0.1,
        "survey_every_s": 0.5,
        "session_timeout_s": 6.0,
        "data_dir": data_dir,
        "asks_topic_ids": False,
    }
    return IngestOptions(**(settings | changes))


class Written(NamedTuple):
    """One record as read back."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


def create_all(broker: Any, prefix: str, partitions: Mapping[str, int] = ALL) -> None:
    """Create every topic of the catalogue under a prefix."""
    for name, count in partitions.items():
        if isinstance(broker, KafkaBroker):
            broker.create_topic(prefix + name, count, BY_NAME[name].settings())
        else:
            broker.create_topic(prefix + name, count)


def produce(bootstrap: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Write rows (topic, partition, key, value, timestamp_ms[, headers]) and wait for all of them."""
    failed: list[Any] = []
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "queue.buffering.max.messages": 500_000})
    for topic, partition, key, value, timestamp, *rest in rows:
        producer.produce(
            topic,
            value=value,
            key=key,
            partition=partition,
            timestamp=timestamp,
            headers=rest[0] if rest else None,
            on_delivery=lambda error, _: failed.append(error) if error else None,
        )
        producer.poll(0)
    assert producer.flush(30) == 0
    assert not failed, failed[0]


def read_all(bootstrap: str, topic: str, partitions: int) -> list[Written]:
    """Everything readable in a topic, by partition and offset."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reader",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
    found: list[Written] = []
    ended: set[int | None] = set()
    while len(ended) < partitions:
        message: Any = consumer.poll(10)
        assert message is not None, f"{topic} does not answer"
        if message.error():
            ended.add(message.partition())
            continue
        found.append(
            Written(
                topic, message.partition(), message.offset(), message.key(), message.value(), message.headers() or []
            )
        )
    consumer.close()
    return sorted(found, key=lambda one: (one.partition, one.offset))


def journal(bootstrap: str, prefix: str, partitions: int = 4) -> list[list[dict[str, Any]]]:
    """The journal's entries as JSON, by partition."""
    entries: list[list[dict[str, Any]]] = [[] for _ in range(partitions)]
    for one in read_all(bootstrap, prefix + "journal", partitions):
        assert one.value is not None
        entries[one.partition].append(json.loads(one.value))
    return entries


def facts(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Only the facts."""
    return [entry for entry in entries if entry["kind"] == "fact"]


class Counts(SilentIngestObserver):
    """Counts what it is told."""

    def __init__(self) -> None:
        self.records: dict[str, int] = {}
        self.bad: dict[tuple[str, str], int] = {}
        self.reds: list[tuple[Any, str | None]] = []

    def forwarded(self, topic: str, records: int) -> None:
        self.records[topic] = self.records.get(topic, 0) + records

    def dead_letter(self, topic: str, reason: str) -> None:
        self.bad[topic, reason] = self.bad.get((topic, reason), 0) + 1

    def red(self, source: Any, reason: str | None) -> None:
        self.reds.append((source, reason))


class Refused(list[str]):
    """Sentences of refusals, and why the app did not start."""

    def note(self, starting: "asyncio.Task[None]") -> None:
        if not starting.cancelled() and (error := starting.exception()) is not None:
            self.append(repr(error))

    def __call__(self, refusal: Refusal) -> None:
        self.append(refusal.sentence)


class Running(NamedTuple):
    """A running worker."""

    ingest: Ingest
    counts: Counts
    refused: Refused


@asynccontextmanager
async def worker(bootstrap: str, settings: IngestOptions) -> AsyncIterator[Running]:
    """Run ingest in this process until the block ends."""
    counts, refused = Counts(), Refused()
    ingest = build_ingest(KafkaSettings(brokers=bootstrap), settings, observer=counts, refused=refused)
    starting = asyncio.create_task(ingest.app.start())
    starting.add_done_callback(refused.note)
    try:
        yield Running(ingest, counts, refused)
    finally:
        await ingest.app.stop()
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)


async def until(claim: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until `claim` is true.

    Raises: TimeoutError when it does not become true.
    """
    async with asyncio.timeout(seconds):
        while not claim():  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # what is waited for happens in other tasks and in the broker


async def until_idle(running: Running, seconds: float = 30.0) -> None:
    """Wait until everything known is acknowledged."""
    await until(lambda: bool(running.refused) or (not running.ingest.problems() and running.ingest.lag() == 0), seconds)


def rating(event: str, program: str = "p1", at: str = "2026-01-05T10:00:00Z", **more: Any) -> bytes:
    """A valid rating.submitted."""
    payload = {
        "event_id": event,
        "type": "rating.submitted",
        "program_id": program,
        "occurred_at": at,
        "kind": "mqs",
        "rating": 4,
        "participant_id": "u1",
        **more,
    }
    return json.dumps(payload).encode()


def sentiment(event: str, program: str = "p1", at: str = "2026-01-05T10:00:00Z", **more: Any) -> bytes:
    """A valid sentiment.submitted."""
    payload = {
        "event_id": event,
        "type": "sentiment.submitted",
        "program_id": program,
        "occurred_at": at,
        "participant_id": "u1",
        "about": "match",
        "polarity": "positive",
        **more,
    }
    return json.dumps(payload).encode()


def participant(event: str, person: str, program: str = "p1", at: str = "2023-01-05T10:00:00Z") -> bytes:
    """A valid participant.changed."""
    payload = {
        "event_id": event,
        "type": "participant.changed",
        "program_id": program,
        "occurred_at": at,
        "participant_id": person,
        "roles": ["mentor"],
        "state": "active",
        "joined_at": at,
    }
    return json.dumps(payload).encode()
