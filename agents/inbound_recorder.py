"""Records inbound topics as they were sent, participants' own words included."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import KafkaException

from agents.host.clients import KafkaSettings
from agents.reading import Place, Reader, Stretch
from agents.recordings import Recording, RecordingError, RecordingInfo, RecordingWriter
from schemas.base import to_ms
from schemas.topics import BY_NAME, Topics

_TOLD_EVERY = 10_000

InboundBound = datetime | Mapping[Place, int] | None
"""An arrival time, or offsets by topic (catalogue name) and partition."""


class InboundRange(NamedTuple):
    """What to record: from a bound on, up to (not including) another; None: all."""

    begin: InboundBound = None
    end: InboundBound = None


def record_inbound(
    kafka: KafkaSettings,
    topics: Topics,
    names: Sequence[str],
    path: Path,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    chosen: InboundRange = InboundRange(),  # noqa: B008 (immutable)
    earlier: Recording | None = None,
) -> RecordingInfo:
    """Record inbound topics up to now; `path` appears when the recording is whole.

    Args:
        names: catalogue names.
        earlier: a recording of inbound topics to go on from; its records are taken over, and its topics recorded.

    Raises: RecordingError; agents.host.process.Refusal when the broker falls silent.
    """
    try:
        with Reader(kafka, "ebb-record") as reader:
            counts = reader.partitions()
            if earlier is not None:
                names = tuple(dict.fromkeys(one.topic for one in earlier.info.partitions))
            missing = [topics.real(name) for name in names if topics.real(name) not in counts]
            if missing:
                raise RecordingError(f"There is no topic {missing[0]}: check the brokers and the topic prefix.")
            places = [(name, number) for name in names for number in range(counts[topics.real(name)])]
            stretches = _stretches(reader, topics, places, chosen)
            firsts = [stretches[place].begin for place in places]
            if earlier is not None:
                firsts = [one.first_offset for one in earlier.info.partitions]
            with RecordingWriter(path, firsts, "inbound", places) as writer:
                if earlier is not None:
                    stretches = _take_over(writer, earlier, places, stretches)
                _read(reader, topics, writer, stretches, chosen, progress)
                return writer.close()
    except KafkaException as error:
        raise RecordingError(f"The brokers at {kafka.brokers} did not answer: {error.args[0].str()}.") from error


def _stretches(reader: Reader, topics: Topics, places: Sequence[Place], chosen: InboundRange) -> dict[Place, Stretch]:
    """What there is of each partition, within the offsets chosen."""
    real = reader.stretches([(topics.real(name), number) for name, number in places])
    found = {}
    for name, number in places:
        begin, end = real[topics.real(name), number]
        if isinstance(chosen.begin, Mapping):
            begin = min(max(chosen.begin.get((name, number), begin), begin), end)
        if isinstance(chosen.end, Mapping):
            end = max(min(chosen.end.get((name, number), end), end), begin)
        found[name, number] = Stretch(begin, end)
    return found


def _take_over(
    writer: RecordingWriter, earlier: Recording, places: Sequence[Place], stretches: Mapping[Place, Stretch]
) -> dict[Place, Stretch]:
    """Copy an earlier recording. Returns: what comes after it."""
    if [(one.topic, one.number) for one in earlier.info.partitions] != list(places):
        raise RecordingError(f"{earlier.path} was recorded from other partitions than these: record anew.")
    left = {}
    for index, (name, number) in enumerate(places):
        following = earlier.info.partitions[index].first_offset
        for row in earlier.rows(index):
            writer.add(index, row.offset, row.timestamp_ms, row.key, row.value)
            following = row.offset + 1
        begin, end = stretches[name, number]
        if following < begin and "compact" not in BY_NAME[name].clean_up:
            raise RecordingError(
                f"{earlier.path} ends at offset {following} of {name}/{number}, which now begins at {begin}: "
                "what lies between has passed its retention."
            )
        left[name, number] = Stretch(min(max(following, begin), end), end)
    return left


def _read(
    reader: Reader,
    topics: Topics,
    writer: RecordingWriter,
    stretches: Mapping[Place, Stretch],
    chosen: InboundRange,
    progress: Callable[[int, int], None],
) -> None:
    first_ms = to_ms(chosen.begin) if isinstance(chosen.begin, datetime) else 0
    end_ms = to_ms(chosen.end) if isinstance(chosen.end, datetime) else None
    index_of = {(topics.real(name), number): index for index, (name, number) in enumerate(stretches)}
    asked = {(topics.real(name), number): stretch for (name, number), stretch in stretches.items()}
    total = sum(one.end - one.begin for one in asked.values())
    progress(0, total)
    for count, message in enumerate(reader.read(asked), 1):
        at_ms = message.timestamp()[1]
        if first_ms <= at_ms and (end_ms is None or at_ms < end_ms):
            index = index_of[message.topic(), message.partition()]
            writer.add(index, message.offset(), at_ms, message.key(), message.value())
        if count % _TOLD_EVERY == 0:
            progress(count, total)
    progress(total, total)
