"""Reads a recording partition by partition, and refuses what is not what was recorded."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from agents.recordings.info import (
    FORMAT,
    JOURNAL,
    METADATA_KEY,
    RecordingError,
    RecordingInfo,
    Section,
    hash_rows,
    hash_values,
)

READ_ROWS: Final = 8_192


class Row(NamedTuple):
    """One row of a recording; `offset` and `timestamp_ms` are -1 in a snapshot."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


def is_parquet(path: Path) -> bool:
    """Tell whether a file begins as Parquet does."""
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


class Recording:
    """A recording to be read.

    Attributes:
        path: of the file.
        info: what it says of itself.
    """

    def __init__(self, path: Path) -> None:
        """Open a recording.

        Raises: RecordingError when it is incomplete, none of ours, of a later format, or begins in the middle of the
            journal without a snapshot of the state before.
        """
        self.path = path
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
            if version <= FORMAT:
                self.info = msgspec.json.decode(raw, type=RecordingInfo)
        except (msgspec.DecodeError, KeyError, TypeError) as error:
            raise RecordingError(f"{path} does not say what it holds: it is damaged, record it again.") from error
        if version > FORMAT:
            raise RecordingError(
                f"{path} has format {version}, this version reads up to {FORMAT}: use the version that recorded it."
            )
        for number, partition in enumerate(self.info.partitions):
            if self.info.topic == JOURNAL and partition.first_offset and partition.snapshot is None:
                raise RecordingError(
                    f"{path} begins at offset {partition.first_offset} of journal partition {number} and holds no "
                    "state snapshot of that point, so it cannot be replayed."
                )

    def __reduce__(self) -> tuple[type[Recording], tuple[Path]]:
        return Recording, (self.path,)  # another process opens the file itself

    @property
    def has_live(self) -> bool:
        """Whether what was published is recorded too, for every partition that has entries."""
        return all(one.live is not None for one in self.info.partitions if one.entries)

    def entries(self, partition: int) -> Iterator[tuple[int, list[bytes]]]:
        """Yield the entries of a journal partition in blocks: the offset of the first, and the values.

        Raises: RecordingError when an entry is missing or the content is not what was recorded.
        """
        for first, _, _, values in self.journal(partition):
            yield first, values

    def journal(
        self, partition: int, *, keyed: bool = False
    ) -> Iterator[tuple[int, list[int] | None, list[bytes | None] | None, list[bytes]]]:
        """Yield blocks of a journal partition: first offset, append times and keys (if `keyed`), values.

        Raises: as `entries`.
        """
        info = self.info.partitions[partition]
        expected, hasher = info.first_offset, sha256()
        try:
            columns = ["partition", "offset", "timestamp_ms", "key", "value"] if keyed else _BARE
            for batch in self._batches(info.groups, columns):
                count = batch.num_rows
                self._check_places(batch, partition, expected)
                values = batch.column(columns.index("value")).to_pylist()
                hash_values(hasher, values)
                stamps = batch.column(2).to_pylist() if keyed else None
                yield expected, stamps, batch.column(3).to_pylist() if keyed else None, values
                expected += count
        except (pa.ArrowInvalid, OSError) as error:
            raise self._damaged(partition) from error
        if expected != info.end or hasher.hexdigest() != info.sha256:
            raise RecordingError(
                f"{self.path} does not hold what was recorded of journal partition {partition}: record it again."
            )

    def rows(self, partition: int) -> Iterator[Row]:
        """Yield the records of a partition, of whatever topic.

        Raises: RecordingError when the content is not what was recorded.
        """
        info = self.info.partitions[partition]
        if info.topic != JOURNAL:
            yield from self._section(partition, Section(info.entries, info.sha256, info.groups), f"of {info.topic}")
            return
        for first, stamps, keys, values in self.journal(partition, keyed=True):
            assert stamps is not None
            assert keys is not None
            yield from map(Row, range(first, first + len(values)), stamps, keys, values)

    def snapshot(self, partition: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield the state rows before the first entry; none where the partition begins at its beginning.

        Raises: RecordingError when the content is not what was recorded.
        """
        section = self.info.partitions[partition].snapshot
        if section is not None:
            for row in self._section(partition, section, "of the state in"):
                assert row.key is not None
                assert row.value is not None
                yield row.key, row.value

    def live(self, partition: int) -> Iterator[Row]:
        """Yield the interventions that were published for the entries, in their order.

        Raises: RecordingError when the content is not what was recorded.
        """
        section = self.info.partitions[partition].live
        if section is not None:
            yield from self._section(partition, section, "of what was published for")

    def _section(self, partition: int, section: Section, what: str) -> Iterator[Row]:
        hasher, count = sha256(), 0
        try:
            for batch in self._batches(section.groups, ["offset", "timestamp_ms", "key", "value"]):
                offsets, stamps, keys, values = (batch.column(number).to_pylist() for number in range(4))
                hash_rows(hasher, zip(offsets, keys, values, strict=True))
                count += batch.num_rows
                yield from map(Row, offsets, stamps, keys, values)
        except (pa.ArrowInvalid, OSError) as error:
            raise self._damaged(partition) from error
        if count != section.rows or hasher.hexdigest() != section.sha256:
            raise RecordingError(
                f"{self.path} does not hold what was recorded {what} partition {partition}: record it again."
            )

    def _batches(self, groups: list[int], columns: list[str]) -> Iterator[Any]:
        return iter(self._file.iter_batches(READ_ROWS, groups, columns)) if groups else iter(())

    def _check_places(self, batch: Any, partition: int, expected: int) -> None:
        count = batch.num_rows
        here = pa.repeat(pa.scalar(partition, pa.int32()), count)
        if not (batch.column(0).equals(here) and batch.column(1).equals(pa.arange(expected, expected + count))):
            raise RecordingError(
                f"{self.path} has a hole in journal partition {partition} at or after offset {expected}: "
                "record it again."
            )

    def _damaged(self, partition: int) -> RecordingError:
        return RecordingError(f"{self.path} is damaged in partition {partition}: record it again.")


_BARE: Final = ["partition", "offset", "value"]
