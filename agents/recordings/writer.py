"""Writes a recording beside its destination and moves it there when it is whole."""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from agents.recordings.info import (
    FORMAT,
    INBOUND,
    JOURNAL,
    METADATA_KEY,
    SCHEMA,
    LiveSection,
    PartitionInfo,
    RecordingError,
    RecordingInfo,
    Section,
    hash_rows,
    hash_values,
)

GROUP_BYTES: Final = 16 << 20
GROUP_ROWS: Final = 65_536
Kind = Literal["entries", "snapshot", "live"]


class _Lane:
    """What has been written of one section of a partition, and what waits for its next row group."""

    __slots__ = ("count", "groups", "hasher", "is_plain", "keys", "offsets", "partition", "size", "stamps", "values")

    def __init__(self, partition: int, *, is_plain: bool) -> None:
        self.partition = partition
        self.is_plain = is_plain
        self.count = 0
        self.groups: list[int] = []
        self.hasher = sha256()
        self.clear()

    def clear(self) -> None:
        self.size = 0
        self.offsets: list[int] = []
        self.stamps: list[int] = []
        self.keys: list[bytes | None] = []
        self.values: list[bytes | None] = []


class RecordingWriter:
    """A recording being written; nothing stands at its path before `close`."""

    def __init__(
        self,
        path: Path,
        first_offsets: Sequence[int],
        topic: str = JOURNAL,
        places: Sequence[tuple[str, int]] | None = None,
    ) -> None:
        """Begin a recording.

        Args:
            path: where it shall stand.
            first_offsets: offset of the first entry of each partition.
            topic: `journal`, or `inbound`.
            places: of an inbound recording, topic and partition behind each of its partitions.
        """
        self._path = path
        self._partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
        self._topic = topic
        self._places = list(places) if places is not None else [(JOURNAL, -1)] * len(first_offsets)
        self._firsts = list(first_offsets)
        plain = topic != INBOUND
        self._lanes = [_Lane(number, is_plain=plain) for number in range(len(first_offsets))]
        self._snapshots: dict[int, _Lane] = {}
        self._live: dict[int, _Lane] = {}
        self._decided: dict[int, int] = {}
        self._live_from: dict[int, int] = {}
        self._stamps: dict[int, tuple[int, int]] = {}
        self._groups = 0
        self._writer: Any = pq.ParquetWriter(
            self._partial,
            SCHEMA,
            compression="zstd",
            use_dictionary=["partition", "key"],
            column_encoding={"offset": "DELTA_BINARY_PACKED", "timestamp_ms": "DELTA_BINARY_PACKED"},
        )

    def add(self, partition: int, offset: int, timestamp_ms: int, key: bytes | None, value: bytes | None) -> None:
        """Append the next entry of a partition.

        Raises: RecordingError when an entry is missing before it.
        """
        lane = self._lanes[partition]
        if lane.is_plain:
            expected = self._firsts[partition] + lane.count + len(lane.values)
            if offset != expected:
                raise RecordingError(
                    f"Entry {expected} of {self._topic}/{partition} is missing, {offset} follows: the topic was cut "
                    "while it was read, or something other than ingest wrote to it."
                )
        first_ms, _ = self._stamps.get(partition, (timestamp_ms, 0))
        self._stamps[partition] = first_ms, timestamp_ms
        self._append(lane, offset, timestamp_ms, key, value)

    def add_snapshot(self, partition: int, key: bytes, value: bytes) -> None:
        """Append a row of the state before the first entry."""
        self._append(self._section(self._snapshots, partition), -1, -1, key, value)

    def add_live(self, partition: int, offset: int, timestamp_ms: int, key: bytes | None, value: bytes) -> None:
        """Append an intervention that was published for these entries."""
        self._append(self._section(self._live, partition), offset, timestamp_ms, key, value)

    def has_snapshot(self, partition: int) -> None:
        """State that there is a snapshot, even if it has no row."""
        self._section(self._snapshots, partition)

    def set_live(self, partition: int, decided: int) -> None:
        """State that interventions of the entries up to an offset are all there."""
        self._section(self._live, partition)
        self._decided[partition] = decided

    def set_live_from(self, partition: int, count: int) -> None:
        """State how many interventions stood there before the first entry."""
        self._live_from[partition] = count

    def close(self) -> RecordingInfo:
        """Finish the file and move it to its place."""
        for sections in (self._snapshots.values(), self._lanes, self._live.values()):
            for lane in sections:
                if lane.values:
                    self._write(lane)
        info = RecordingInfo(FORMAT, self._topic, [self._describe(number) for number in range(len(self._lanes))])
        self._writer.add_key_value_metadata({METADATA_KEY: msgspec.json.encode(info)})
        self._writer.close()
        with self._partial.open("rb") as written:
            os.fsync(written.fileno())
        self._partial.replace(self._path)
        return info

    def discard(self) -> None:
        """Leave nothing behind; does nothing after `close`."""
        if self._writer.is_open:
            self._writer.close()
        self._partial.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()

    def _describe(self, number: int) -> PartitionInfo:
        lane, (topic, partition) = self._lanes[number], self._places[number]
        snapshot, live = self._snapshots.get(number), self._live.get(number)
        first_ms, last_ms = self._stamps.get(number, (-1, -1))
        return PartitionInfo(
            self._firsts[number],
            lane.count,
            lane.hasher.hexdigest(),
            lane.groups,
            topic=topic,
            number=partition,
            snapshot=None
            if snapshot is None
            else Section(snapshot.count, snapshot.hasher.hexdigest(), snapshot.groups),
            live=None
            if live is None
            else LiveSection(live.count, live.hasher.hexdigest(), live.groups, self._decided.get(number, -1)),
            live_from=self._live_from.get(number),
            first_ms=first_ms,
            last_ms=last_ms,
        )

    def _section(self, sections: dict[int, _Lane], partition: int) -> _Lane:
        lane = sections.get(partition)
        if lane is None:
            lane = sections[partition] = _Lane(partition, is_plain=False)
        return lane

    def _append(self, lane: _Lane, offset: int, timestamp_ms: int, key: bytes | None, value: bytes | None) -> None:
        lane.offsets.append(offset)
        lane.stamps.append(timestamp_ms)
        lane.keys.append(key)
        lane.values.append(value)
        lane.size += 0 if value is None else len(value)
        if lane.size >= GROUP_BYTES or len(lane.values) >= GROUP_ROWS:
            self._write(lane)

    def _write(self, lane: _Lane) -> None:
        count = len(lane.values)
        columns = [
            pa.array([lane.partition] * count, pa.int32()),
            pa.array(lane.offsets, pa.int64()),
            pa.array(lane.stamps, pa.int64()),
            pa.array(lane.keys, pa.binary()),
            pa.array(lane.values, pa.binary()),
        ]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=SCHEMA), row_group_size=count)
        if lane.is_plain:
            hash_values(lane.hasher, [value for value in lane.values if value is not None])
        else:
            hash_rows(lane.hasher, zip(lane.offsets, lane.keys, lane.values, strict=True))
        lane.groups.append(self._groups)
        lane.count += count
        self._groups += 1
        lane.clear()
