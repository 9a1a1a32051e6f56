"""The interventions of one partition under one rule set: their lines in a file, instants and lengths in memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, Final

from schemas.outbound import encode_intervention
from streams.lifecycle import Decision

_MOST: Final = 1 << 62


class Part:
    """Lines in the order they were decided.

    Args:
        path: of their file, which may be read in another process than the one that wrote it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.instants = array("q")
        self.lengths = array("q")

    def __len__(self) -> int:
        return len(self.instants)

    def append(self, file: BinaryIO, at_ms: int, line: bytes) -> None:
        """Write one line, without its end."""
        file.write(line + b"\n")
        self.instants.append(at_ms)
        self.lengths.append(len(line) + 1)

    def write(self, file: BinaryIO, decisions: Iterable[Decision], programs: frozenset[str] | None = None) -> None:
        """Write what an engine decided about some programs (None: about everything)."""
        for at_ms, record in decisions:
            if programs is None or record.program_id in programs:
                self.append(file, at_ms, encode_intervention(record))

    def in_order(self) -> Iterator[tuple[int, bytes]]:
        """Lines as they were decided, with their instants."""
        with self.path.open("rb") as file:
            yield from zip(self.instants, file, strict=True)

    def by_time(
        self, number: int, from_ms: int = 0, to_ms: int = _MOST, limit: int | None = None
    ) -> Iterator[tuple[int, int, int, bytes]]:
        """Lines decided in [from, to) by instant, those of one instant as decided: (instant, `number`, place, line).

        Args:
            limit: only so many of the lines, the first ones decided; None: all.
        """
        starts = self._starts()
        count = len(self) if limit is None else min(limit, len(self))
        with self.path.open("rb") as file:
            for place in sorted(range(count), key=self.instants.__getitem__):
                if from_ms <= self.instants[place] < to_ms:
                    file.seek(starts[place])
                    yield self.instants[place], number, place, file.read(self.lengths[place])

    def reader(self) -> PartReader:
        """Single lines, by place."""
        return PartReader(self.path, self._starts(), self.lengths)

    def _starts(self) -> array[int]:
        return array("q", [0, *accumulate(self.lengths)])


class PartReader:
    """Reads single lines of a part, from `with` on."""

    def __init__(self, path: Path, starts: array[int], lengths: array[int]) -> None:
        self._file = path.open("rb")
        self._starts, self._lengths = starts, lengths

    def __enter__(self) -> PartReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def line(self, place: int) -> bytes:
        """The line decided as number `place`."""
        self._file.seek(self._starts[place])
        return self._file.read(self._lengths[place])
