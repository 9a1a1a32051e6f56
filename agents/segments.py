"""What has been read of a topic so far, in whole files: why a recording that was cut off need not begin again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from agents.recordings import Recording, RecordingError, RecordingWriter, Row

SEGMENT_ROWS: Final = 1_000_000
_PLAN: Final = "plan.json"
_ANY: Final = "state"  # a segment begins anywhere; only the whole recording must know the state before


class _Plan(msgspec.Struct, frozen=True):
    begins: list[int]
    ends: list[int]


class Segments:
    """Rows of journal partitions, each partition contiguous, in as many files as it took.

    Attributes:
        ends: where each partition ended when the recording was first begun.
    """

    def __init__(self, folder: Path, plan: _Plan) -> None:
        self._folder, self._plan = folder, plan
        self.ends = plan.ends
        self._files: list[Recording] = []
        self._writer: RecordingWriter | None = None
        self._rows = 0
        self._positions: list[int] = []

    @classmethod
    def open(cls, destination: Path, begins: list[int], ends: list[int]) -> Segments:
        """Begin, or go on where an earlier recording to the same destination was cut off."""
        folder = destination.with_name(f".{destination.name}.segments")
        plan_path = folder / _PLAN
        plan = _Plan(begins, ends)
        if plan_path.exists():
            former = msgspec.json.decode(plan_path.read_bytes(), type=_Plan)
            if len(former.ends) == len(ends) and all(map(int.__le__, former.ends, ends)):
                plan = former
            else:  # another topic than the one it was begun with
                shutil.rmtree(folder)
        found = cls(folder, plan)
        found._find()
        return found

    def positions(self, starts: list[int]) -> list[int]:
        """Where reading goes on in each partition, given where it was to begin."""
        self._positions = list(starts)
        for file in self._files:
            for number, one in enumerate(file.info.partitions):
                if one.entries and one.first_offset <= self._positions[number]:
                    self._positions[number] = max(self._positions[number], one.end)
        return list(self._positions)

    def add(self, partition: int, offset: int, timestamp_ms: int, key: bytes | None, value: bytes) -> None:
        """Append the next row of a partition.

        Raises: RecordingError when one is missing before it.
        """
        if self._writer is None:
            self._folder.mkdir(exist_ok=True)
            (self._folder / _PLAN).write_bytes(msgspec.json.encode(self._plan))
            path = self._folder / f"{len(self._files):06}.parquet"
            self._writer = RecordingWriter(path, self._positions, topic=_ANY)
        self._writer.add(partition, offset, timestamp_ms, key, value)
        self._positions[partition] = offset + 1
        self._rows += 1
        if self._rows >= SEGMENT_ROWS:
            self.finish()

    def finish(self) -> None:
        """Close the file at work."""
        if self._writer is not None:
            self._writer.close()
            self._files.append(Recording(self._folder / f"{len(self._files):06}.parquet"))
            self._writer, self._rows = None, 0

    def rows(self, partition: int, begin: int, end: int) -> Iterator[Row]:
        """Yield the rows of a partition from one offset up to another.

        Raises: RecordingError when a file is damaged.
        """
        for file in self._files:
            info = file.info.partitions[partition]
            if info.entries and info.end > begin and info.first_offset < end:
                for first, stamps, keys, values in file.journal(partition, keyed=True):
                    assert stamps is not None
                    assert keys is not None
                    for number, value in enumerate(values):
                        if begin <= first + number < end:
                            yield Row(first + number, stamps[number], keys[number], value)

    def blocks(self, partition: int, begin: int, end: int) -> Iterator[tuple[int, list[bytes]]]:
        """As `rows`, values alone, in blocks that follow one another."""
        first, block = begin, []
        for row in self.rows(partition, begin, end):
            assert row.value is not None
            block.append(row.value)
            if len(block) >= 8_192:
                yield first, block
                first, block = first + len(block), []
        if block:
            yield first, block

    def discard(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _find(self) -> None:
        for path in sorted(self._folder.glob("*.parquet")):
            if path != self._folder / f"{len(self._files):06}.parquet":
                break
            try:
                self._files.append(Recording(path))
            except RecordingError:
                break
