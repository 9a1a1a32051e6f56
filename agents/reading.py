"""Reading a stretch of a topic once, from the command line: whole partitions, committed records only, then done."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer, ConsumerGroupState, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from agents.host.clients import KafkaSettings
from agents.host.process import Refusal

ANSWER_S: Final = 10.0
SILENCE_S: Final = 30.0
"""Longer than a transaction whose owner is gone stays open: its timeout, and the interval in which brokers look."""
_BLOCK: Final = 5_000

Place = tuple[str, int]
"""Topic, as named on the cluster, and partition."""


class Stretch(NamedTuple):
    """First offset there is, and the one after the last."""

    begin: int
    end: int


def has_members(kafka: KafkaSettings, group: str) -> bool:
    """Whether anybody is in a consumer group; one that was killed counts until its session is over.

    Raises: KafkaException.
    """
    admin = AdminClient(kafka.confluent() | {"log_level": 0})
    described = admin.describe_consumer_groups([group], request_timeout=ANSWER_S)[group].result(ANSWER_S + 5)
    nobody = (ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD, ConsumerGroupState.UNKNOWN)
    return described.state not in nobody


class Reader:
    """A consumer outside any group's work, from `with` on.

    Args:
        group: whose committed positions `committed` tells; nothing is ever committed.
    """

    def __init__(self, kafka: KafkaSettings, group: str = "ebb-reader") -> None:
        self._settings = kafka.confluent() | {
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
            "check.crcs": False,
            "log_level": 0,
        }
        self._consumer = Consumer(self._settings)
        self._uncommitted: Consumer | None = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()
        if self._uncommitted is not None:
            self._uncommitted.close()

    def partitions(self) -> dict[str, int]:
        """Every topic on the cluster, and how many partitions it has. Raises: KafkaException when nobody answers."""
        described = self._consumer.list_topics(timeout=ANSWER_S).topics
        return {name: len(topic.partitions) for name, topic in described.items() if topic.error is None}

    def stretches(self, places: Iterable[Place], *, uncommitted: bool = False) -> dict[Place, Stretch]:
        """Where partitions begin and end now.

        Args:
            uncommitted: count what stands in transactions that are not over, too; `read` waits until they are. The
                parts of a transaction become visible one after another, each when its marker is written: who saw one
                part of it (a position) needs this to see what belongs to it elsewhere (interventions).
        """
        consumer = self._consumer
        if uncommitted:
            if self._uncommitted is None:
                self._uncommitted = Consumer(self._settings | {"isolation.level": "read_uncommitted"})
            consumer = self._uncommitted
        found = {}
        for topic, partition in places:
            place = TopicPartition(topic, partition)
            found[topic, partition] = Stretch(*consumer.get_watermark_offsets(place, timeout=ANSWER_S, cached=False))
        return found

    def committed(self, places: Iterable[Place]) -> dict[Place, int | None]:
        """The group's positions; None where it never committed one."""
        asked = [TopicPartition(topic, partition) for topic, partition in places]
        answers = self._consumer.committed(asked, timeout=ANSWER_S) if asked else []
        return {(one.topic, one.partition): one.offset if one.offset >= 0 else None for one in answers}

    def read(self, stretches: Mapping[Place, Stretch]) -> Iterator[Any]:
        """Yield the records of several stretches, each in order; holes are passed over.

        Raises: Refusal when the broker falls silent.
        """
        left: dict[Place, int] = {
            place: stretch.end for place, stretch in stretches.items() if stretch.end > stretch.begin
        }
        self._consumer.assign([TopicPartition(place[0], place[1], stretches[place].begin) for place in left])
        heard = time.monotonic()
        while left:
            first = self._consumer.poll(0.2)
            messages = [] if first is None else [first, *self._consumer.consume(_BLOCK, timeout=0)]
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > SILENCE_S:
                raise Refusal(f"The broker fell silent while {min(left)[0]} was read.")
            for message in messages:
                place = (message.topic() or "", message.partition() or 0)
                if place not in left:
                    continue
                error = message.error()
                if error is not None and error.code() == KafkaError._PARTITION_EOF:
                    # What remains up to there are markers of transactions; what is beyond it waits for one.
                    if (message.offset() or 0) >= left[place]:
                        del left[place]
                elif error is not None:
                    if not error.retriable():
                        raise KafkaException(error)
                else:
                    offset: int = message.offset() or 0
                    if offset < left[place]:
                        yield message
                    if offset + 1 >= left[place]:
                        del left[place]
        self._consumer.unassign()
