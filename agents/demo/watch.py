"""What comes out while the demo runs: the journal into a recording, interventions into a file and onto the screen."""

from __future__ import annotations

import threading
from array import array
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from agents.host.clients import KafkaSettings
from agents.recordings import RecordingWriter
from schemas.outbound import Intervention, decode_intervention
from schemas.topics import INTERVENTIONS, JOURNAL

_FETCH_WAIT_MS: Final = 10  # the embedded broker makes every fetch wait that long
_BLOCK: Final = 2_000
_SHOWN: Final = 8
_FACT: Final = b'{"kind":"fact"'


class Follower(threading.Thread):
    """Reads every partition of a topic from its beginning until stopped. `failure` says what ended it early."""

    def __init__(self, kafka: KafkaSettings, topic: str, partitions: int, take: Callable[[Any], None]) -> None:
        super().__init__(name=f"follow-{topic}", daemon=True)
        self.failure: BaseException | None = None
        self._take = take
        self._asked_to_stop = threading.Event()
        self._consumer = Consumer(
            kafka.confluent()
            | {
                "group.id": f"ebb-demo-{topic}",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": _FETCH_WAIT_MS,
                "check.crcs": False,
                "log_level": 0,
            }
        )
        self._consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])

    def run(self) -> None:
        try:
            while not self._asked_to_stop.is_set():
                first = self._consumer.poll(0.05)
                # consume() would wait its whole time-out for a full block, poll() returns with the first message.
                for message in () if first is None else (first, *self._consumer.consume(_BLOCK, timeout=0)):
                    error = message.error()
                    if error is None:
                        self._take(message)
                    elif error.code() == KafkaError._AUTO_OFFSET_RESET or not error.retriable():
                        raise KafkaException(error)
        except BaseException as error:  # noqa: BLE001  (the demo reports it and ends)
            self.failure = error

    def stop(self) -> None:
        """Stop reading and close the connection."""
        self._asked_to_stop.set()
        if self.is_alive():
            self.join(10)
        self._consumer.close()


class JournalWatch:
    """Records the journal while it is written, and knows how much of it a worker has still to apply.

    Attributes:
        facts: fact entries read so far.
        ends: offset after the last entry read, by partition.
    """

    def __init__(self, kafka: KafkaSettings, partitions: int, recording: Path) -> None:
        self.facts = 0
        self.ends = [0] * partitions
        self._bytes = [array("q", [0]) for _ in range(partitions)]
        self._writer = RecordingWriter(recording, self.ends)
        self.follower = Follower(kafka, JOURNAL, partitions, self._take)

    def _take(self, message: Any) -> None:
        partition, offset, value = message.partition(), message.offset(), message.value()
        self._writer.add(partition, offset, message.timestamp()[1], message.key(), value)
        sizes = self._bytes[partition]
        sizes.append(sizes[-1] + len(value))
        self.ends[partition] = offset + 1
        self.facts += value.startswith(_FACT)

    def bytes_ahead(self, partition: int, position: int) -> int:
        """How many bytes of entries there are at or after an offset."""
        sizes = self._bytes[partition]
        return sizes[-1] - sizes[min(position, len(sizes) - 1)]

    def finish(self) -> int:
        """Stop and complete the recording. Returns: how many entries it holds."""
        self.follower.stop()
        return self._writer.close().entries

    def discard(self) -> None:
        """Stop and leave no recording; does nothing after `finish`."""
        self.follower.stop()
        self._writer.discard()


class InterventionWatch:
    """Collects interventions as they appear.

    Attributes:
        counts: by rule and change.
        latest: the newest few, newest last.
    """

    def __init__(self, kafka: KafkaSettings, partitions: int) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.latest: deque[Intervention] = deque(maxlen=_SHOWN)
        self._lines: list[tuple[int, int, int, bytes]] = []
        self.follower = Follower(kafka, INTERVENTIONS, partitions, self._take)

    def _take(self, message: Any) -> None:
        value = message.value()
        record = decode_intervention(value)
        self._lines.append((message.timestamp()[1], message.partition(), message.offset(), value))
        self.counts[record.rule.id, record.change] += 1
        if record.change == "opened" or record.change == "escalated":
            self.latest.append(record)

    @property
    def total(self) -> int:
        """How many have been seen."""
        return len(self._lines)

    def write(self, path: Path) -> None:
        """Write them down in the order of a backtest: by Kafka timestamp, partition, offset."""
        with path.open("wb") as file:
            for _, _, _, value in sorted(self._lines):
                file.write(value + b"\n")
