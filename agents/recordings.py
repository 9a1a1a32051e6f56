"""The journal as a Parquet file: written from a live cluster, read partition by partition for a replay.

One row per entry: `partition`, `offset`, `timestamp_ms` (the journal's append time), `key`, `value`. A row group holds
entries of one partition, in order. The file's metadata (`ebb`, JSON) says which partitions there are, what each holds
and its SHA-256, taken over the values as lines; reading checks all of that, so that a replay of a damaged or incomplete
recording ends with a sentence and not with other interventions.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

FORMAT: Final = 1
METADATA_KEY: Final = b"ebb"
GROUP_BYTES: Final = 16 << 20
GROUP_ROWS: Final = 65_536
READ_ROWS: Final = 8_192
_SCHEMA: Final = pa.schema(
    [
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("timestamp_ms", pa.int64(), nullable=False),
        pa.field("key", pa.binary()),
        pa.field("value", pa.binary(), nullable=False),
    ]
)


class RecordingError(Exception):
    """A recording that cannot be made or read. The text is one sentence for the person who asked."""


class PartitionInfo(msgspec.Struct, frozen=True):
    """What a recording holds of one partition: entries `first_offset` to `first_offset + entries - 1`."""

    first_offset: int
    entries: int
    sha256: str
    groups: list[int]


class RecordingInfo(msgspec.Struct, frozen=True):
    """What a recording says of itself. `partitions` is indexed by the journal's partitions."""

    format: int
    topic: str
    partitions: list[PartitionInfo]

    @property
    def entries(self) -> int:
        return sum(partition.entries for partition in self.partitions)

    @property
    def content_hash(self) -> str:
        """SHA-256 of what is recorded, whatever the file looks like; equal entries give an equal hash."""
        lines = (f"{n} {p.first_offset} {p.entries} {p.sha256}\n" for n, p in enumerate(self.partitions))
        return sha256("".join(lines).encode()).hexdigest()


class _Lane:
    """What has been written of one partition, and what waits for its next row group."""

    __slots__ = ("entries", "first", "groups", "hasher", "keys", "size", "stamps", "values")

    def __init__(self, first: int) -> None:
        self.first = first
        self.entries = 0
        self.groups: list[int] = []
        self.hasher = sha256()
        self.clear()

    def clear(self) -> None:
        self.size = 0
        self.stamps: list[int] = []
        self.keys: list[bytes | None] = []
        self.values: list[bytes] = []


class RecordingWriter:
    """Writes a recording beside its destination and moves it there when it is whole."""

    def __init__(self, path: Path, first_offsets: Sequence[int], topic: str = "journal") -> None:
        """Begin a recording.

        Args:
            path: where it shall stand; nothing is there before `close`.
            first_offsets: offset of the first entry of each partition.
            topic: catalogue name of what is recorded.
        """
        self._path = path
        self._partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
        self._topic = topic
        self._lanes = [_Lane(first) for first in first_offsets]
        self._groups = 0
        self._writer: Any = pq.ParquetWriter(
            self._partial,
            _SCHEMA,
            compression="zstd",
            use_dictionary=["partition", "key"],
            column_encoding={"offset": "DELTA_BINARY_PACKED", "timestamp_ms": "DELTA_BINARY_PACKED"},
        )

    def add(self, partition: int, offset: int, timestamp_ms: int, key: bytes | None, value: bytes) -> None:
        """Append the next entry of a partition.

        Raises: RecordingError when an entry is missing before it.
        """
        lane = self._lanes[partition]
        expected = lane.first + lane.entries + len(lane.values)
        if offset != expected:
            raise RecordingError(
                f"Entry {expected} of {self._topic}/{partition} is missing, {offset} follows: the topic was cut while "
                "it was read, or something other than ingest wrote to it."
            )
        lane.stamps.append(timestamp_ms)
        lane.keys.append(key)
        lane.values.append(value)
        lane.size += len(value)
        if lane.size >= GROUP_BYTES or len(lane.values) >= GROUP_ROWS:
            self._write(partition, lane)

    def close(self) -> RecordingInfo:
        """Finish the file and move it to its place."""
        for partition, lane in enumerate(self._lanes):
            if lane.values:
                self._write(partition, lane)
        partitions = [PartitionInfo(one.first, one.entries, one.hasher.hexdigest(), one.groups) for one in self._lanes]
        info = RecordingInfo(FORMAT, self._topic, partitions)
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

    def _write(self, partition: int, lane: _Lane) -> None:
        count, first = len(lane.values), lane.first + lane.entries
        columns = [
            pa.array([partition] * count, pa.int32()),
            pa.array(range(first, first + count), pa.int64()),
            pa.array(lane.stamps, pa.int64()),
            pa.array(lane.keys, pa.binary()),
            pa.array(lane.values, pa.binary()),
        ]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=_SCHEMA), row_group_size=count)
        _take_in(lane.hasher, lane.values)
        lane.groups.append(self._groups)
        lane.entries += count
        self._groups += 1
        lane.clear()


def _take_in(hasher: Any, values: list[bytes]) -> None:
    # Entries are compact JSON, so a line break can only be the one between them.
    hasher.update(b"\n".join(values))
    hasher.update(b"\n")


def is_parquet(path: Path) -> bool:
    """Tell whether a file begins as Parquet does."""
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


class Recording:
    """A recording to be read.

    Attributes:
        info: what it says of itself.
    """

    def __init__(self, path: Path) -> None:
        """Open a recording.

        Raises: RecordingError when it is incomplete, none of ours, of a later format, or does not begin at offset 0.
        """
        self._path = path
        try:
            self._file: Any = pq.ParquetFile(path, memory_map=True)
        except (pa.ArrowInvalid, OSError) as error:
            raise RecordingError(
                f"{path} is no complete Parquet file: it was cut off or damaged, record it again."
            ) from error
        raw = (self._file.metadata.metadata or {}).get(METADATA_KEY)
        if raw is None:
            raise RecordingError(f"{path} is a Parquet file, but no recording made by `ebb record`.")
        try:
            version = msgspec.json.decode(raw)["format"]
            if version == FORMAT:
                self.info = msgspec.json.decode(raw, type=RecordingInfo)
        except (msgspec.DecodeError, KeyError, TypeError) as error:
            raise RecordingError(f"{path} does not say what it holds: it is damaged, record it again.") from error
        if version != FORMAT:
            raise RecordingError(
                f"{path} has format {version}, this version reads format {FORMAT}: use the version that recorded it."
            )
        for number, partition in enumerate(self.info.partitions):
            if partition.first_offset:
                raise RecordingError(
                    f"{path} begins at offset {partition.first_offset} of journal partition {number} and holds no "
                    "state snapshot of that point, so it cannot be replayed."
                )

    def entries(self, partition: int) -> Iterator[tuple[int, list[bytes]]]:
        """Yield the entries of a partition in blocks: the offset of the first, and the values.

        Raises: RecordingError when an entry is missing or the content is not what was recorded.
        """
        info = self.info.partitions[partition]
        expected, hasher = info.first_offset, sha256()
        try:
            columns = ["partition", "offset", "value"]
            batches = self._file.iter_batches(READ_ROWS, info.groups, columns) if info.groups else ()
            for batch in batches:
                count = batch.num_rows
                here, offsets = (
                    pa.repeat(pa.scalar(partition, pa.int32()), count),
                    pa.arange(expected, expected + count),
                )
                if not (batch.column(0).equals(here) and batch.column(1).equals(offsets)):
                    raise RecordingError(
                        f"{self._path} has a hole in journal partition {partition} at or after offset {expected}: "
                        "record it again."
                    )
                values = batch.column(2).to_pylist()
                _take_in(hasher, values)
                yield expected, values
                expected += count
        except (pa.ArrowInvalid, OSError) as error:
            raise RecordingError(
                f"{self._path} is damaged in journal partition {partition}: record it again."
            ) from error
        if expected != info.first_offset + info.entries or hasher.hexdigest() != info.sha256:
            raise RecordingError(
                f"{self._path} does not hold what was recorded of journal partition {partition}: record it again."
            )
