"""Peak memory of a backtest: by pairs, and by the length of the recording, which must not matter.

    python -m benchmarks.backtest_memory [--pairs N …] [--months M]

Each recording is replayed by one fresh process, which tells its own peak (resident memory, pages of the mapped file
included). A recording of the journal is replayed partition by partition, so state of one of eight is in memory at a
time; `--jobs 2` holds two.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from agents.backtest import backtest_journal
from agents.recordings import Recording
from benchmarks.backtest import write
from benchmarks.harness.results import Part
from benchmarks.harness.session import Session
from benchmarks.synthetic import FACTS_PER_PAIR_MONTH
from streams.backtest.replay import PARTITIONS

FULL = ((10_000, 0.25), (10_000, 1.0), (100_000, 0.25), (1_000_000, 0.05))
QUICK = ((2_000, 0.1), (10_000, 0.1))
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


def run(session: Session) -> Part:
    """Measure peaks, `backtest-memory` in the results, and say what 12 months of 10 million pairs would take."""
    found: list[Peak] = []

    def case(pairs: int, months: float) -> Callable[[int], dict[str, float]]:
        def work(_round: int) -> dict[str, float]:
            found.append(measure(pairs, months))
            return {"peak_mb": found[-1].peak / 1e6, "base_mb": found[-1].base / 1e6, "entries": found[-1].entries}

        return work

    sizes = QUICK if session.is_quick else FULL
    cases = {f"{pairs:,} pairs, {months:g} months": case(pairs, months) for pairs, months in sizes}
    part = session.part("backtest-memory", cases, rounds=1, setting={"partitions": PARTITIONS}, is_timed=False)
    show_slope(found)
    return part


def show(found: Peak) -> None:
    """Print one replay."""
    print(
        f"backtest of {found.pairs:>9,} pairs, {found.entries:>11,} entries: peak {found.peak / 1e6:>6,.0f} MB, "
        f"{found.base / 1e6:,.0f} MB of it before the first entry"
    )


def show_slope(found: Sequence[Peak]) -> None:
    """Print what a pair adds, by the smallest and the largest: an eighth of all pairs is at work at a time."""
    small, large = min(found, key=lambda one: one.pairs), max(found, key=lambda one: one.pairs)
    if large.pairs > small.pairs:
        added = (large.peak - small.peak) / ((large.pairs - small.pairs) / 8)
        print(f"{'':11}{added:>9,.0f} B more for each pair of the partition at work")
        print(extrapolated(added))


def extrapolated(pair_bytes: float, pairs: int = 10_000_000, months: int = 12, hours: float = 8.0) -> str:
    """What a night for a year of a large platform asks for.

    rate = pairs x months x facts a pair and month / hours; memory = bytes a pair x pairs / partitions x processes.
    """
    facts = pairs * months * FACTS_PER_PAIR_MONTH
    return (
        f"{months} months of {pairs:,} pairs: {pairs:,} x {months} x {FACTS_PER_PAIR_MONTH} = {facts / 1e9:.1f} "
        f"billion facts, in {hours:g} h {facts / hours / 3_600:,.0f} a second, with 2 processes "
        f"{2 * 1e6 * hours * 3_600 / facts:.1f} µs of CPU each; "
        f"{pair_bytes * pairs / PARTITIONS * 2 / 1e9:.1f} GB for {PARTITIONS} partitions and 2 processes"
    )


def _replay(journal: Path) -> None:
    base = _peak()
    backtest_journal(Recording(journal), journal.with_name("out"), None)
    print(base, _peak())


def _peak() -> int:
    """Not `ru_maxrss`, which a process inherits from the one that started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) * 1_024


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
    found = []
    for pairs, months in [(one, options.months) for one in options.pairs] if options.pairs else FULL:
        found.append(measure(pairs, months))
        show(found[-1])
    show_slope(found)


if __name__ == "__main__":
    main()
