"""The state topic as a snapshot: what the engine held after some entry of each journal partition.

A snapshot has two sources. The state topic gives it as of the newest commit, and nothing older, because it is
compacted. Or entries are folded anew from the beginning of the journal, or from an earlier snapshot, to any offset.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from agents.host.clients import KafkaSettings
from agents.host.fold import HOST_KEY, POSITION_KEY
from agents.reading import Reader, Stretch
from agents.recordings import RecordingError, RecordingInfo, RecordingWriter
from schemas.topics import INTERVENTIONS, STATE, Topics

SETTLE_S: Final = 10.0
AGAIN_S: Final = 0.1


class PartitionState(NamedTuple):
    """State rows of one journal partition.

    `applied` is the entry they stand after; `published` how many interventions had been committed by then, None where a
    busy engine left no moment in which both could be told at once.
    """

    applied: int
    rows: Mapping[bytes, bytes]
    published: int | None


def take_snapshot(kafka: KafkaSettings, topics: Topics, path: Path) -> RecordingInfo:
    """Write the engine's state as of now: a recording that holds no entry yet.

    Raises: RecordingError when there is no state; agents.host.process.Refusal and KafkaException of the brokers.
    """
    with Reader(kafka) as reader:
        count = reader.partitions().get(topics.real(STATE), 0)
        if not count:
            raise RecordingError(f"There is no topic {topics.real(STATE)}: check the brokers and the topic prefix.")
        states = read_states(reader, topics, range(count))
    firsts = [states[number].applied + 1 for number in range(count)]
    with RecordingWriter(path, firsts) as writer:
        for number in range(count):
            add_state(writer, number, states[number].rows.items(), states[number].published)
        return writer.close()


def add_state(
    writer: RecordingWriter, partition: int, rows: Iterable[tuple[bytes, bytes]], published: int | None
) -> None:
    """Write a partition's snapshot into a recording."""
    writer.has_snapshot(partition)
    for key, value in rows:
        writer.add_snapshot(partition, key, value)
    if published is not None:
        writer.set_live_from(partition, published)


def read_states(reader: Reader, topics: Topics, partitions: Iterable[int]) -> dict[int, PartitionState]:
    """Read the state of partitions, whole commits only.

    Raises: RecordingError when what stands there is no state of ours.
    """
    return {number: _read_state(reader, topics, number) for number in partitions}


def _read_state(reader: Reader, topics: Topics, number: int) -> PartitionState:
    state, out = (topics.real(STATE), number), (topics.real(INTERVENTIONS), number)
    ends = _still_ends(reader, state, out)
    stretch = Stretch(reader.stretches([state])[state].begin, ends[0]) if ends else reader.stretches([state])[state]
    rows: dict[bytes, bytes] = {}
    last = None
    for message in reader.read({state: stretch}):
        last = message.key()
        if message.value() is None:
            rows.pop(last, None)
        else:
            rows[last] = message.value()
    rows.pop(HOST_KEY, None)
    if not rows:
        return PartitionState(-1, {}, 0)
    if last != POSITION_KEY:
        raise RecordingError(f"{state[0]}/{number} does not end with a position: something else wrote to it.")
    applied = int(msgspec.msgpack.decode(rows[POSITION_KEY])[1])
    published = None
    if ends is not None:
        places = reader.stretches([out])[out]
        # Where retention has cut the topic, what is gone cannot be counted, but it is not needed either: see `live_of`.
        published = sum(1 for _ in reader.read({out: Stretch(places.begin, ends[1])})) if places.begin == 0 else None
    return PartitionState(applied, rows, published)


def _still_ends(reader: Reader, *places: tuple[str, int]) -> tuple[int, ...] | None:
    """Ends of partitions at a moment in which no transaction is under way in any of them; None when there is none.

    The parts of a transaction become visible one after another. Where all that was written is visible, before and
    after a look, nothing was under way at it.
    """
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        before = reader.stretches(places, uncommitted=True)
        visible = reader.stretches(places)
        if before == visible == reader.stretches(places, uncommitted=True):
            return tuple(visible[place].end for place in places)
        time.sleep(AGAIN_S)
    return None


def position_of(rows: Mapping[bytes, Any]) -> int:
    """The entry that rows of a snapshot stand after."""
    raw = rows.get(POSITION_KEY)
    return -1 if raw is None else int(msgspec.msgpack.decode(raw)[1])
