"""Reads a stretch of the journal of a live cluster into a recording.

The stretch is read into segments beside the destination, each a whole Parquet file, so that a recording that was cut
off goes on where it stopped; at the end they become one file, and every count and offset is checked on the way. Beside
the entries stand the state before the first one, where that is not the journal's beginning, and the interventions
that were published for them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from agents.host.clients import KafkaSettings
from agents.host.fold import POSITION_KEY
from agents.reading import Reader, Stretch
from agents.recordings import Recording, RecordingError, RecordingInfo, RecordingWriter
from agents.segments import Segments
from agents.snapshots import PartitionState, add_state, read_states
from schemas.topics import INTERVENTIONS, JOURNAL, STATE, Topics
from streams.backtest.snapshot import StateFold

ANSWER_S: Final = 10.0
SILENCE_S: Final = 30.0
_BLOCK: Final = 10_000
_TAIL: Final = 2_000

Progress = Callable[[int, int], None]


class Range(NamedTuple):
    """What to record: from an append time or from offsets by partition, up to (not including) others; None: all."""

    begin: datetime | dict[int, int] | None = None
    end: datetime | dict[int, int] | None = None


def record_journal(
    kafka: KafkaSettings,
    topics: Topics,
    path: Path,
    progress: Progress = lambda _done, _total: None,
    silence_s: float = SILENCE_S,
    *,
    chosen: Range = Range(),  # noqa: B008 (immutable)
    earlier: Recording | None = None,
) -> RecordingInfo:
    """Record the journal up to now, or a range of it; `path` appears when the recording is whole.

    Workers may go on writing: what they write after the start is not recorded.

    Args:
        progress: told how many entries have been read, and how many there are.
        silence_s: give up after so many seconds without any entry.
        chosen: the range.
        earlier: a recording or snapshot to go on from; its entries are taken over.

    Raises: RecordingError, one sentence, when the cluster does not answer, has no journal, or holds neither the
        beginning of the range nor the state before it.
    """
    try:
        return _Recorder(kafka, topics, path, progress, silence_s).record(chosen, earlier)
    except KafkaException as error:
        raise RecordingError(f"The brokers at {kafka.brokers} did not answer: {error.args[0].str()}.") from error


class _Recorder:
    def __init__(self, kafka: KafkaSettings, topics: Topics, path: Path, progress: Progress, silence_s: float) -> None:
        self._kafka, self._topics, self._path = kafka, topics, path
        self._journal = topics.real(JOURNAL)
        self._progress, self._silence_s = progress, silence_s

    def record(self, chosen: Range, earlier: Recording | None) -> RecordingInfo:
        consumer = Consumer(
            self._kafka.confluent()
            | {
                "group.id": f"{self._topics.prefix}ebb-record",  # the client insists; nothing is ever committed to it
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",
                "queued.max.messages.kbytes": 65_536,
                "log_level": 2,
            }
        )
        try:
            return self._record(consumer, chosen, earlier)
        finally:
            consumer.close()

    def _record(self, consumer: Any, chosen: Range, earlier: Recording | None) -> RecordingInfo:
        begins, ends = _bounds(consumer, self._journal)
        segments = Segments.open(self._path, begins, ends)
        ends = self._limit(consumer, segments.ends, begins, chosen.end)
        firsts = [begin if chosen.begin is not None else 0 for begin in begins]
        if earlier is not None:
            firsts = self._after(earlier, begins)
        elif chosen.begin is not None:
            firsts = self._limit(consumer, ends, begins, chosen.begin)
        states = self._states(begins, firsts, earlier, is_range=chosen.begin is not None)
        fold_from = [state.applied + 1 for state in states]
        firsts = [max(first, begin) for first, begin in zip(firsts, fold_from, strict=True)]
        # State that was read just now may be ahead of the ends looked up before it.
        ends = [max(end, state.applied + 1) for end, state in zip(ends, states, strict=True)]
        starts = [min(begin, end) for begin, end in zip(fold_from, ends, strict=True)]
        self._read(consumer, segments, starts, ends)
        return self._assemble(segments, earlier, states, firsts, ends)

    def _after(self, earlier: Recording, begins: list[int]) -> list[int]:
        """Where an earlier recording ends: that is where to go on."""
        if earlier.info.topic != JOURNAL or len(earlier.info.partitions) != len(begins):
            raise RecordingError(f"{earlier.path} is no recording of a journal with {len(begins)} partitions.")
        firsts = [one.end for one in earlier.info.partitions]
        for number, (first, begin) in enumerate(zip(firsts, begins, strict=True)):
            if first < begin:
                raise RecordingError(
                    f"{earlier.path} ends at offset {first} of {self._journal}/{number}, which now begins at {begin}: "
                    "what lies between has passed its retention."
                )
        return firsts

    def _states(
        self, begins: list[int], firsts: list[int], earlier: Recording | None, *, is_range: bool
    ) -> list[PartitionState]:
        """State to begin with: none at the journal's beginning, else the engine's own as of now."""
        if earlier is not None:
            return [PartitionState(first - 1, {}, None) for first in firsts]
        cut = [number for number, begin in enumerate(begins) if begin > 0]
        if not cut:
            return [PartitionState(-1, {}, 0) for _ in begins]
        if is_range:
            number = cut[0]
            raise RecordingError(
                f"{self._journal}/{number} begins at offset {begins[number]}: its beginning has passed its retention, "
                "so the state before a range cannot be folded; go on from a snapshot (`ebb state snapshot`) instead."
            )
        with Reader(self._kafka) as reader:
            states = {}
            if reader.partitions().get(self._topics.real(STATE)) == len(begins):
                states = read_states(reader, self._topics, range(len(begins)))
        if any(states[number].applied + 1 < begins[number] for number in cut) if states else True:
            raise RecordingError(
                f"{self._journal}/{cut[0]} begins at offset {begins[cut[0]]}: its beginning has passed its retention, "
                "and there is no state as of that point, so a recording could not be replayed."
            )
        return [states[number] for number in range(len(begins))]

    def _limit(
        self, consumer: Any, ends: list[int], begins: list[int], bound: datetime | dict[int, int] | None
    ) -> list[int]:
        """Offsets of a bound, by partition; the ends where there is none."""
        if bound is None:
            return ends
        if isinstance(bound, datetime):
            asked = [TopicPartition(self._journal, one, int(bound.timestamp() * 1000)) for one in range(len(ends))]
            found = [one.offset for one in consumer.offsets_for_times(asked, timeout=ANSWER_S)]
        else:
            found = [bound.get(number, -1) for number in range(len(ends))]
        return [
            end if offset < 0 else min(max(offset, begin), end)
            for offset, begin, end in zip(found, begins, ends, strict=True)
        ]

    def _read(self, consumer: Any, segments: Segments, starts: list[int], ends: list[int]) -> None:
        """Read what is not in a segment yet."""
        positions = segments.positions(starts)
        total = sum(end - start for start, end in zip(starts, ends, strict=True))
        done = sum(min(at, end) - start for at, start, end in zip(positions, starts, ends, strict=True))
        left = {number for number, (at, end) in enumerate(zip(positions, ends, strict=True)) if at < end}
        self._progress(done, total)
        consumer.assign([TopicPartition(self._journal, number, positions[number]) for number in sorted(left)])
        heard = time.monotonic()
        while left:
            messages = consumer.consume(_BLOCK, timeout=0.2)
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > self._silence_s:
                raise RecordingError(
                    f"{self._journal} went silent after {done:,} of {total:,} entries: nothing came for "
                    f"{self._silence_s:.0f} s. The same command goes on from there."
                )
            before = done
            for message in messages:
                done += _add(segments, message, ends, left)
            if done > before:
                self._progress(done, total)
        segments.finish()

    def _assemble(
        self,
        segments: Segments,
        earlier: Recording | None,
        states: list[PartitionState],
        firsts: list[int],
        ends: list[int],
    ) -> RecordingInfo:
        """Make one file of everything, folding what comes before the range."""
        if earlier is not None:
            writer_firsts = [one.first_offset for one in earlier.info.partitions]
        else:
            writer_firsts = [min(first, max(end, 0)) for first, end in zip(firsts, ends, strict=True)]
        with RecordingWriter(self._path, writer_firsts) as writer:
            published: list[int | None] = []
            for number, first in enumerate(writer_firsts):
                if earlier is not None:
                    published.append(_take_over(writer, earlier, number))
                    begin = earlier.info.partitions[number].end
                else:
                    begin = states[number].applied + 1
                    published.append(self._begin(writer, segments, number, states[number], first))
                for row in segments.rows(number, max(begin, first), ends[number]):
                    assert row.value is not None
                    writer.add(number, row.offset, row.timestamp_ms, row.key, row.value)
            self._add_live(writer, published, ends)
            info = writer.close()
        expected = [end - first for end, first in zip(ends, writer_firsts, strict=True)]
        if [one.entries for one in info.partitions] != [max(0, count) for count in expected]:
            self._path.unlink()
            raise RecordingError(f"{self._journal} was cut while it was read: record it again.")
        segments.discard()
        return info

    def _begin(
        self, writer: RecordingWriter, segments: Segments, number: int, state: PartitionState, first: int
    ) -> int | None:
        """Write the state before the first entry. Returns: how many interventions had been published by then."""
        if first == 0:
            return 0
        if state.applied + 1 == first:
            add_state(writer, number, state.rows.items(), state.published)
            return state.published
        fold = StateFold(number, state.rows.items())
        for offset, values in segments.blocks(number, state.applied + 1, first):
            fold.feed(offset, values)
        count = None if state.published is None else state.published + fold.decided
        add_state(writer, number, fold.rows(), count)
        return count

    def _add_live(self, writer: RecordingWriter, published: list[int | None], ends: list[int]) -> None:
        """Add what was published for the entries; nothing where the topics are not there or were cut."""
        with Reader(self._kafka) as reader:
            counts = reader.partitions()
            state, out = self._topics.real(STATE), self._topics.real(INTERVENTIONS)
            if counts.get(state) != len(ends) or counts.get(out) != len(ends):
                return
            for number, skip in enumerate(published):
                place = (out, number)
                # The position first: what is read after it can only be more than it decided.
                decided = _position(reader, state, number)
                stretch = reader.stretches([place], uncommitted=True)[place]
                if stretch.begin > 0 or skip is None:
                    continue
                writer.set_live(number, decided)
                for count, message in enumerate(reader.read({place: stretch})):
                    if count >= skip:
                        writer.add_live(
                            number, message.offset(), message.timestamp()[1], message.key(), message.value()
                        )


def _position(reader: Reader, state: str, number: int) -> int:
    """The last entry whose interventions are committed."""
    place = (state, number)
    whole = reader.stretches([place])[place]
    for begin in (max(whole.begin, whole.end - _TAIL), whole.begin):  # it ends every commit, so the tail will do
        position = -1
        for message in reader.read({place: Stretch(begin, whole.end)}):
            if message.key() == POSITION_KEY and message.value() is not None:
                position = int(msgspec.msgpack.decode(message.value())[1])
        if position >= 0 or begin == whole.begin:
            return position
    return -1


def _take_over(writer: RecordingWriter, earlier: Recording, number: int) -> int | None:
    """Copy a partition of an earlier recording, checked on the way."""
    info = earlier.info.partitions[number]
    if info.snapshot is not None:
        add_state(writer, number, earlier.snapshot(number), info.live_from)
    for row in earlier.rows(number):
        writer.add(number, row.offset, row.timestamp_ms, row.key, row.value)
    return info.live_from if info.snapshot is not None else 0


def _bounds(consumer: Any, topic: str) -> tuple[list[int], list[int]]:
    """First offset and end of each partition, as they stand now."""
    described = consumer.list_topics(topic, timeout=ANSWER_S).topics[topic]
    if described.error is not None or not described.partitions:
        raise RecordingError(f"There is no topic {topic} on this cluster: check the brokers and the topic prefix.")
    places = [TopicPartition(topic, partition) for partition in sorted(described.partitions)]
    bounds = [consumer.get_watermark_offsets(place, timeout=ANSWER_S, cached=False) for place in places]
    return [begin for begin, _ in bounds], [end for _, end in bounds]


def _add(segments: Segments, message: Any, ends: list[int], left: set[int]) -> int:
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
    if offset >= ends[partition]:
        left.discard(partition)
        return 0
    if value is None:
        raise RecordingError(f"Entry {offset} of {message.topic()}/{partition} is empty: only ingest may write there.")
    segments.add(partition, offset, message.timestamp()[1], message.key(), value)
    if offset + 1 >= ends[partition]:
        left.discard(partition)
    return 1
