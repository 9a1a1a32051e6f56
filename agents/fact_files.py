"""Facts as lines of text: a `.jsonl` file, or a folder of them merged by arrival, file name and line.

Files are read twice. The first time tells whether each is in order already, which nearly all are; those are then merged
as they are read. One that is not is sorted in runs on disk, which are merged in turn, so that memory does not grow with
what is read.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from schemas.rejections import Rejected
from streams.backtest.lines import Arrival, read_arrival

SUFFIX: Final = ".jsonl"
RUN_LINES: Final = 200_000
_TOLD_EVERY: Final = 4_096


class Line(NamedTuple):
    """A line where it stands in the merged order. Sorts by arrival, file, number; no two lines share all three."""

    at_ms: int
    file: int
    number: int
    content: Arrival | Rejected


class _Scanned(NamedTuple):
    digest: str
    lines: int
    is_in_order: bool


_Raw = tuple[int, int, bytes]
"""Arrival, number and text of a line."""


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
        self._scanned = [_scan(one) for one in self._paths]
        listing = "".join(f"{one.digest}  {name}\n" for one, name in zip(self._scanned, self.names, strict=True))
        self.content_hash = sha256(listing.encode()).hexdigest() if self.is_folder else self._scanned[0].digest

    def lines(self, progress: Callable[[int], None] = lambda _: None) -> Iterator[Line]:
        """Yield all lines but empty ones by arrival, file name and number; tell `progress` of bytes read.

        A line without a readable arrival stands where the one before it stands.
        """
        sources = [self._file(number, progress) for number in range(len(self._paths))]
        yield from sources[0] if len(sources) == 1 else heapq.merge(*sources)

    def _file(self, file: int, progress: Callable[[int], None]) -> Iterator[Line]:
        scanned = self._scanned[file]
        if scanned.is_in_order:
            read = _read(self._paths[file], scanned.lines, progress)
            return (Line(at_ms, file, number, found) for at_ms, number, _, found in read)
        read = _read(self._paths[file], scanned.lines, lambda _: None)  # told of as they come out of the sort
        ordered = sorted_on_disk((at_ms, number, line) for at_ms, number, line, _ in read)
        return _sorted(file, ordered, progress)


def _scan(path: Path) -> _Scanned:
    hasher, at_ms, count, is_in_order = sha256(), 0, 0, True
    with path.open("rb") as file:
        for line in file:
            hasher.update(line)
            count += 1
            found = read_arrival(line)
            if isinstance(found, Arrival):
                is_in_order = is_in_order and found.arrived_ms >= at_ms
                at_ms = found.arrived_ms
    return _Scanned(hasher.hexdigest(), count, is_in_order)


def _read(
    path: Path, count: int, progress: Callable[[int], None]
) -> Iterator[tuple[int, int, bytes, Arrival | Rejected]]:
    read = at_ms = 0
    with path.open("rb") as lines:
        # What was appended since the first reading is left out, and is not in the hash either.
        for number, line in zip(range(1, count + 1), lines, strict=False):
            read += len(line)
            if number % _TOLD_EVERY == 0:
                progress(read)
                read = 0
            found = read_arrival(line)
            if isinstance(found, Arrival):
                at_ms = found.arrived_ms
            if not line.isspace():
                yield at_ms, number, line, found
    progress(read)


def _sorted(file: int, ordered: Iterator[_Raw], progress: Callable[[int], None]) -> Iterator[Line]:
    told = 0
    for count, (at_ms, number, line) in enumerate(ordered, 1):
        told += len(line)
        if count % _TOLD_EVERY == 0:
            progress(told)
            told = 0
        yield Line(at_ms, file, number, read_arrival(line))
    progress(told)


def sorted_on_disk(lines: Iterator[_Raw]) -> Iterator[_Raw]:
    """Sort by arrival and number, with runs of `RUN_LINES` in temporary files."""
    runs: list[list[_Raw] | Iterator[_Raw]] = []
    with tempfile.TemporaryDirectory(prefix="ebb-sort-") as folder:
        run: list[_Raw] = []
        for line in lines:
            run.append(line)
            if len(run) >= RUN_LINES:
                runs.append(_spill(sorted(run), Path(folder) / str(len(runs))))
                run = []
        runs.append(sorted(run))
        yield from heapq.merge(*runs)


def _spill(run: list[_Raw], path: Path) -> Iterator[_Raw]:
    with path.open("wb") as file:
        for at_ms, number, line in run:
            file.write(b"%d %d %b\n" % (at_ms, number, line.rstrip(b"\n")))
    return _unspill(path)


def _unspill(path: Path) -> Iterator[_Raw]:
    with path.open("rb") as file:
        for row in file:
            at_ms, number, line = row.split(b" ", 2)
            yield int(at_ms), int(number), line
