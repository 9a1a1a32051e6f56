"""Records inbound topics as they were sent, participants' own words included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from confluent_kafka import KafkaException

from agents.host.clients import KafkaSettings
from agents.reading import Reader
from agents.recordings import RecordingError, RecordingInfo, RecordingWriter
from schemas.base import to_ms
from schemas.topics import Topics


def record_inbound(
    kafka: KafkaSettings,
    topics: Topics,
    names: Sequence[str],
    path: Path,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    begin: datetime | None = None,
    end: datetime | None = None,
) -> RecordingInfo:
    """Record inbound topics up to now; `path` appears when the recording is whole.

    Args:
        names: catalogue names.
        begin, end: keep only records that arrived in [begin, end).

    Raises: RecordingError; agents.host.process.Refusal when the broker falls silent.
    """
    first_ms, last_ms = (0 if begin is None else to_ms(begin)), (None if end is None else to_ms(end))
    try:
        with Reader(kafka, "ebb-record") as reader:
            counts = reader.partitions()
            missing = [topics.real(name) for name in names if topics.real(name) not in counts]
            if missing:
                raise RecordingError(f"There is no topic {missing[0]}: check the brokers and the topic prefix.")
            places = [(name, number) for name in names for number in range(counts[topics.real(name)])]
            real = {(topics.real(name), number): index for index, (name, number) in enumerate(places)}
            stretches = reader.stretches(real)
            total, done = sum(one.end - one.begin for one in stretches.values()), 0
            with RecordingWriter(path, [stretches[place].begin for place in real], "inbound", places) as writer:
                progress(0, total)
                for done, message in enumerate(reader.read(stretches), 1):
                    at_ms = message.timestamp()[1]
                    if first_ms <= at_ms and (last_ms is None or at_ms < last_ms):
                        index = real[message.topic(), message.partition()]
                        writer.add(index, message.offset(), at_ms, message.key(), message.value())
                    if done % 10_000 == 0:
                        progress(done, total)
                progress(total, total)
                return writer.close()
    except KafkaException as error:
        raise RecordingError(f"The brokers at {kafka.brokers} did not answer: {error.args[0].str()}.") from error
