"""Peak memory of a backtest: by pairs, and by the length of the recording, which must not matter.

    python -m benchmarks.backtest_memory [--pairs N …] [--months M]

Each recording is replayed by one fresh process, which tells its own peak (resident memory, pages of the mapped file
included). A recording of the journal is replayed partition by partition, so state of one of eight is in memory at a
time; `--jobs 2` holds two.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from agents.backtest import backtest_journal
from agents.recordings import Recording
from benchmarks.backtest import write

FULL = ((10_000, 0.25), (10_000, 1.0), (100_000, 0.25), (1_000_000, 0.05))
QUICK = ((10_000, 0.25),)
"""Pairs, and months of facts."""


class Peak(NamedTuple):
    """Of one replay: pairs, months, entries, and peaks in bytes; `base` is the one before anything was replayed."""

    pairs: int
    months: float
    entries: int
    peak: int
    base: int


def measure(pairs: int, months: float) -> Peak:
    """Write a recording in this process, replay it in another."""
    with tempfile.TemporaryDirectory() as name:
        journal, lines = write(Path(name), pairs, months)
        lines.unlink()
        entries = Recording(journal).info.entries
        command = [sys.executable, "-m", "benchmarks.backtest_memory", "--replay", str(journal)]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return Peak(pairs, months, entries, int(told[1]), int(told[0]))


def show(found: Peak) -> None:
    """Print one replay."""
    state = (found.peak - found.base) / (found.pairs / 8)
    print(
        f"backtest of {found.pairs:>9,} pairs, {found.entries:>11,} entries: peak {found.peak / 1e6:>6,.0f} MB, "
        f"{state:,.0f} B a pair of the partition at work over {found.base / 1e6:,.0f} MB"
    )


def _replay(journal: Path) -> None:
    base = _peak()
    backtest_journal(Recording(journal), journal.with_name("out"), None)
    print(base, _peak())


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, nargs="*")
    parser.add_argument("--months", type=float, default=0.25)
    parser.add_argument("--replay", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.replay is not None:
        _replay(options.replay)
        return
    for pairs, months in [(one, options.months) for one in options.pairs] if options.pairs else FULL:
        show(measure(pairs, months))


if __name__ == "__main__":
    main()
