"""Topics of a benchmark: filled, removed, and how far groups have read them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Final, Self, TypeVar

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from agents.host.clients import KafkaSettings
from deploy.kafka.broker import KafkaBroker

Answer = TypeVar("Answer")
_ANSWER_S: Final = 15.0
_PATIENCE_S: Final = 60.0
_FLUSH_S: Final = 120.0
_CLOSED_LOOP: Final = {"linger.ms": 20, "enable.idempotence": True, "queue.buffering.max.messages": 1_000_000}


class Loader:
    """A producer that waits when its queue is full, and has delivered everything when the `with` ends."""

    def __init__(self, brokers: str, settings: Mapping[str, object] | None = None) -> None:
        self.producer = Producer(
            KafkaSettings(brokers=brokers).confluent() | _CLOSED_LOOP | {"log_level": 3} | dict(settings or {})
        )
        self._sent = 0

    def send(self, topic: str, value: bytes, key: bytes, partition: int = -1, timestamp: int = 0) -> None:
        """Queue one record; partition -1 leaves the choice to the partitioner, timestamp 0 to the clock."""
        while True:
            try:
                self.producer.produce(topic, value, key, partition, timestamp=timestamp)
                break
            except BufferError:
                self.producer.poll(0.05)
        self._sent += 1
        if not self._sent & 1023:
            self.producer.poll(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.producer.flush(_FLUSH_S):
            raise RuntimeError("a topic could not be filled")


def remove(brokers: str, topics: Iterable[str] = (), groups: Iterable[str] = ()) -> None:
    """Delete topics and groups, those that exist."""
    admin = AdminClient({"bootstrap.servers": brokers, "log_level": 0})
    there = admin.list_topics(timeout=_ANSWER_S).topics
    pending = [*admin.delete_topics([name for name in topics if name in there]).values()] if topics else []
    for answer in pending:
        answer.result(_ANSWER_S)
    known = {group.group_id for group in admin.list_consumer_groups().result(_ANSWER_S).valid}
    if gone := [group for group in groups if group in known]:
        for answer in admin.delete_consumer_groups(gone).values():
            answer.result(_ANSWER_S)


def disk_bytes(broker: KafkaBroker, topic: str) -> int:
    """What the segments of a topic take on disk, whatever compaction has not removed yet included."""
    data = broker.log.parent / "data"
    return sum(file.stat().st_size for folder in data.glob(f"{topic}-[0-9]*") for file in folder.glob("*.log"))


def patiently(ask: Callable[[], Answer]) -> Answer:
    """Ask again for a while: a topic made a moment ago may have no leader yet, a group no coordinator.

    Raises: KafkaException.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return ask()
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def end_of(consumer: Consumer, place: TopicPartition) -> int:
    """Where a partition ends."""
    return int(patiently(lambda: consumer.get_watermark_offsets(place, timeout=_ANSWER_S, cached=False)[1]))


class Positions:
    """How far a group has read topics, asked from outside."""

    def __init__(self, brokers: str, group: str, topics: Mapping[str, int]) -> None:
        self._consumer = Consumer({"bootstrap.servers": brokers, "group.id": group, "log_level": 0})
        self._places = [TopicPartition(name, partition) for name, count in topics.items() for partition in range(count)]

    def committed(self) -> int:
        """Records up to the committed positions, all partitions together."""
        found = patiently(lambda: self._consumer.committed(self._places, timeout=_ANSWER_S))
        return sum(max(0, one.offset) for one in found)

    def ends(self) -> int:
        """Records up to the ends."""
        return sum(end_of(self._consumer, place) for place in self._places)

    def close(self) -> None:
        self._consumer.close()
