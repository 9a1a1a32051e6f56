"""Reads the journal of a live cluster, up to where it stood at the start, into a recording."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from agents.host.clients import KafkaSettings
from agents.recordings import RecordingError, RecordingInfo, RecordingWriter
from schemas.topics import JOURNAL, Topics

ANSWER_S: Final = 10.0
SILENCE_S: Final = 30.0
_BLOCK: Final = 10_000


def record_journal(
    kafka: KafkaSettings,
    topics: Topics,
    path: Path,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    silence_s: float = SILENCE_S,
) -> RecordingInfo:
    """Record the whole journal up to now; `path` appears when the recording is whole.

    Workers may go on writing: what they write after the start is not recorded.

    Args:
        progress: told how many entries have been read, and how many there are.
        silence_s: give up after so many seconds without any entry.

    Raises: RecordingError, one sentence, when the cluster does not answer, has no journal, or its beginning is gone.
    """
    options: dict[str, Any] = kafka.confluent() | {
        "group.id": f"{topics.prefix}ebb-record",  # the client insists on one; nothing is ever committed to it
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "queued.max.messages.kbytes": 65_536,
        "log_level": 2,
    }
    consumer = Consumer(options)
    try:
        return _record(consumer, topics.real(JOURNAL), path, progress, silence_s)
    except KafkaException as error:
        raise RecordingError(f"The brokers at {kafka.brokers} did not answer: {error.args[0].str()}.") from error
    finally:
        consumer.close()


def _record(
    consumer: Any, topic: str, path: Path, progress: Callable[[int, int], None], silence_s: float
) -> RecordingInfo:
    begins, ends = _bounds(consumer, topic)
    cut = [partition for partition, begin in enumerate(begins) if begin > 0]
    if cut:
        raise RecordingError(
            f"{topic}/{cut[0]} begins at offset {begins[cut[0]]}: its beginning has passed its retention, and state as "
            "of that point is not kept, so a recording could not be replayed."
        )
    total, done, heard = sum(ends), 0, time.monotonic()
    left = {partition for partition, end in enumerate(ends) if end > 0}
    with RecordingWriter(path, begins) as writer:
        progress(0, total)
        consumer.assign([TopicPartition(topic, partition, 0) for partition in sorted(left)])
        while left:
            messages = consumer.consume(_BLOCK, timeout=0.2)
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > silence_s:
                raise RecordingError(
                    f"{topic} went silent after {done:,} of {total:,} entries: nothing came for {silence_s:.0f} s."
                )
            before = done
            for message in messages:
                done += _add(writer, message, ends, left)
            if done > before:
                progress(done, total)
        return writer.close()


def _bounds(consumer: Any, topic: str) -> tuple[list[int], list[int]]:
    """First offset and end of each partition, as they stand now."""
    described = consumer.list_topics(topic, timeout=ANSWER_S).topics[topic]
    if described.error is not None or not described.partitions:
        raise RecordingError(f"There is no topic {topic} on this cluster: check the brokers and the topic prefix.")
    places = [TopicPartition(topic, partition) for partition in sorted(described.partitions)]
    bounds = [consumer.get_watermark_offsets(place, timeout=ANSWER_S, cached=False) for place in places]
    return [begin for begin, _ in bounds], [end for _, end in bounds]


def _add(writer: RecordingWriter, message: Any, ends: list[int], left: set[int]) -> int:
    """Write one message down unless it came after the start; returns how many entries that were."""
    error = message.error()
    if error is not None:
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise RecordingError(f"{message.topic()} was cut while it was read: record it again.")
        if error.retriable() or error.code() in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):
            return 0  # the client goes on by itself; silence ends the recording
        raise KafkaException(error)
    partition, offset, value = message.partition(), message.offset(), message.value()
    if partition not in left:
        return 0
    if value is None:
        raise RecordingError(f"Entry {offset} of {message.topic()}/{partition} is empty: only ingest may write there.")
    writer.add(partition, offset, message.timestamp()[1], message.key(), value)
    if offset + 1 >= ends[partition]:
        left.discard(partition)
    return 1
