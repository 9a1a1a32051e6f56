"""Facts as lines of text: a `.jsonl` file, or a folder of them merged by arrival, file name and line.

Files are read twice. The first time tells whether each is in order already, which nearly all are; those are then merged
as they are read. One that is not in order is read into memory and sorted.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from schemas.rejections import Rejected
from streams.backtest.lines import Arrival, read_arrival

SUFFIX: Final = ".jsonl"
_TOLD_EVERY: Final = 4_096


class Line(NamedTuple):
    """A line where it stands in the merged order. Sorts by arrival, file, number; no two lines share all three."""

    at_ms: int
    file: int
    number: int
    content: Arrival | Rejected


class FactFiles:
    """The lines of a recording of raw facts.

    Attributes:
        names: of the files, in order.
        is_folder: whether a file's name belongs to where a line stands.
        content_hash: SHA-256 of the file, as `sha256sum` tells it; of a folder, of what `sha256sum *.jsonl` prints.
        size: bytes of all files.
    """

    def __init__(self, path: Path) -> None:
        """Read the files once.

        Raises: FileNotFoundError when a folder holds no `.jsonl` file; OSError when one cannot be read.
        """
        self.is_folder = path.is_dir()
        self._paths = sorted(path.glob(f"*{SUFFIX}"), key=lambda one: one.name) if self.is_folder else [path]
        if not self._paths:
            raise FileNotFoundError(f"{path} holds no {SUFFIX} file")
        self.names = [one.name for one in self._paths]
        self.size = sum(one.stat().st_size for one in self._paths)
        self._arrivals: list[array[int]] = []
        digests = [self._scan(one) for one in self._paths]
        listing = "".join(f"{digest}  {name}\n" for digest, name in zip(digests, self.names, strict=True))
        self.content_hash = sha256(listing.encode()).hexdigest() if self.is_folder else digests[0]

    def lines(self, progress: Callable[[int], None] = lambda _: None) -> Iterator[Line]:
        """Yield all lines but empty ones by arrival, file name and number; tell `progress` of bytes read.

        A line without a readable arrival stands where the one before it stands.
        """
        sources = [self._file(number, progress) for number in range(len(self._paths))]
        yield from sources[0] if len(sources) == 1 else heapq.merge(*sources)

    def _scan(self, path: Path) -> str:
        hasher, arrivals, at_ms = sha256(), array("q"), 0
        with path.open("rb") as file:
            for line in file:
                hasher.update(line)
                found = read_arrival(line)
                if isinstance(found, Arrival):
                    at_ms = found.arrived_ms
                arrivals.append(at_ms)
        self._arrivals.append(arrivals)
        return hasher.hexdigest()

    def _file(self, file: int, progress: Callable[[int], None]) -> Iterator[Line]:
        arrivals = self._arrivals[file]
        in_order = all(map(int.__le__, arrivals, arrivals[1:]))
        lines = self._read(file, arrivals, progress)
        return lines if in_order else iter(sorted(lines))

    def _read(self, file: int, arrivals: array[int], progress: Callable[[int], None]) -> Iterator[Line]:
        read = 0
        with self._paths[file].open("rb") as lines:
            # What was appended since the first reading is left out, and is not in the hash either.
            for number, (line, at_ms) in enumerate(zip(lines, arrivals, strict=False), 1):
                read += len(line)
                if number % _TOLD_EVERY == 0:
                    progress(read)
                    read = 0
                if not line.isspace():
                    yield Line(at_ms, file, number, read_arrival(line))
        progress(read)
