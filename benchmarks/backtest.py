"""How fast a recording is replayed, written and read: synthetic facts, one process on one CPU, then two processes.

    python -m benchmarks.backtest [--pairs N] [--months N] [--profile]

The recording is written first and not counted. Then the same facts go through several times: as a Parquet recording of
the journal with all rules and with the first four, as lines of `.jsonl`, which are also decoded and checked as at the
edge, and by two processes. The recording has as many progress entries as a platform of 200,000 pairs has at one a
minute (in a small recording of a long time they would outnumber the facts). CPU is this process's own (user and
system), garbage collection and output included. `benchmarks.backtest_memory` measures memory.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from agents.backtest import backtest_facts, backtest_journal
from agents.fact_files import FactFiles
from agents.recordings import Recording, RecordingWriter
from benchmarks.synthetic import FACTS_PER_PAIR_MONTH, Platform
from schemas.base import from_ms
from schemas.codec import Accepted, decode_fact
from schemas.compact import instant_bytes
from schemas.journal import ProgressEntry, SourcesEntry, encode_entry, encode_fact_entry
from schemas.topics import BY_NAME, INBOUND
from streams.backtest.replay import PARTITIONS
from streams.partitioner import partition_for
from streams.rules import RULES
from streams.ruleset import RuleSet, parse

TARGET_RATE = 80_000
PAIRS_PER_PROGRAM = 200
FIRST_RULES = frozenset(
    {"rating.low", "first_meeting.missing", "program.sentiment_slowdown", "pair.sentiment_slowdown"}
)
SOURCES = [
    f"{topic.name}/{number}" for topic in map(BY_NAME.__getitem__, INBOUND) for number in range(topic.partitions)
]
PROGRESS_EVERY = 900


class Figures(NamedTuple):
    """Facts a second by the clock on the wall and by the CPU."""

    rate: float
    cpu_rate: float

    @property
    def cpu_us(self) -> float:
        """CPU microseconds a fact."""
        return 1e6 / self.cpu_rate


def write(folder: Path, pairs: int, months: float) -> tuple[Path, Path]:
    """Write the same facts as a recording and as lines."""
    platform = Platform(pairs, max(1, pairs // PAIRS_PER_PROGRAM))
    journal, lines = folder / "recording.parquet", folder / "facts.jsonl"
    offsets = [0] * PARTITIONS
    with RecordingWriter(journal, offsets) as writer, lines.open("wb") as file:

        def append(partition: int, value: bytes, key: bytes | None = None) -> None:
            writer.add(partition, offsets[partition], 0, key, value)
            offsets[partition] += 1

        sources = encode_entry(
            SourcesEntry(v=1, expected=SOURCES, since=dict.fromkeys(SOURCES), clock="wall", topic_ids={})
        )
        for partition in range(PARTITIONS):
            append(partition, sources)
        for number, (topic, key, value, at_ms) in enumerate(chain(platform.reference(), platform.months(months))):
            accepted = decode_fact(topic, key, value, arrived_ms=at_ms)
            assert isinstance(accepted, Accepted), accepted
            if number % PROGRESS_EVERY == 0:
                progress = encode_entry(ProgressEntry(v=1, sources=dict.fromkeys(SOURCES, from_ms(at_ms))))
                for partition in range(PARTITIONS):
                    append(partition, progress)
            program = key.partition(b"/")[0]
            entry = encode_fact_entry(topic, 0, number, at_ms, accepted.encoded, None)
            append(partition_for(program, PARTITIONS), entry, program)
            file.write(b'{"topic":"%b","arrived_at":"%b",%b\n' % (topic.encode(), instant_bytes(at_ms), value[1:]))
        writer.close()
    return journal, lines


def measure(work: Callable[[], dict[str, Any]]) -> Figures:
    """Run a backtest once."""
    began, cpu = time.perf_counter(), time.process_time()
    facts = work()["facts"]
    return Figures(facts / (time.perf_counter() - began), facts / (time.process_time() - cpu))


def four_rules() -> RuleSet:
    """The shipped rule set with nothing on but the four rules Ebb began with."""
    return parse({"rules": {rule.id: {"enabled": rule.id in FIRST_RULES} for rule in RULES}})


class Table(NamedTuple):
    """Everything measured on one recording; `wrote` and `read` are entries a second, `size` bytes an entry."""

    full: Figures
    four: Figures
    lines: Figures
    two_processes: float
    one_process: float
    wrote: float
    read: float
    size: float

    @property
    def speedup(self) -> float:
        """How many times as fast two processes are as one, start and end included."""
        return self.two_processes / self.one_process

    def hours(self, pairs: int = 10_000_000, months: int = 12) -> float:
        """Hours of two cores for so many pairs and months: facts x CPU seconds a fact / speedup."""
        return pairs * months * FACTS_PER_PAIR_MONTH * self.full.cpu_us / 1e6 / self.speedup / 3_600


def table(pairs: int, months: float) -> Table:
    """Measure everything but memory on one recording."""
    everywhere = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        journal, lines = write(folder, pairs, months)
        recording, out = Recording(journal), folder / "out"
        os.sched_setaffinity(0, {max(everywhere)})
        try:
            full = measure(lambda: backtest_journal(recording, out, None))
            four = measure(lambda: backtest_journal(recording, out, four_rules()))
            raw = measure(lambda: backtest_facts(FactFiles(lines), out, None))
            wrote, read = _input_output(recording, folder / "copy.parquet")
        finally:
            os.sched_setaffinity(0, everywhere)
        one = measure(lambda: backtest_journal(recording, out, None, jobs=1)).rate
        two = measure(lambda: backtest_journal(recording, out, None, jobs=2)).rate
        return Table(full, four, raw, two, one, wrote, read, journal.stat().st_size / recording.info.entries)


def _input_output(recording: Recording, path: Path) -> tuple[float, float]:
    """Entries a second that are written, and read with all checks."""
    count = recording.info.entries
    began = time.perf_counter()
    for partition in range(PARTITIONS):
        for _ in recording.entries(partition):
            pass
    read = count / (time.perf_counter() - began)
    rows = [(number, row) for number in range(PARTITIONS) for row in recording.rows(number)]
    began = time.perf_counter()
    with RecordingWriter(path, [0] * PARTITIONS) as writer:
        for partition, row in rows:
            writer.add(partition, row.offset, row.timestamp_ms, row.key, row.value)
        writer.close()
    return count / (time.perf_counter() - began), read


def show(found: Table) -> None:
    """Print all figures of a recording."""
    for name, figures in (
        ("recording, all rules", found.full),
        ("recording, first four rules", found.four),
        ("lines of facts, all rules", found.lines),
    ):
        print(f"{name:<30} {figures.rate:>9,.0f} facts a second, {figures.cpu_us:5.1f} µs of CPU each")
    print(f"{'1 and 2 processes':<30} {found.one_process:>9,.0f} and {found.two_processes:,.0f}: x {found.speedup:.2f}")
    print(f"{'recording':<30} {found.wrote:>9,.0f} entries a second written, {found.read:,.0f} read and checked,")
    print(f"{'':<30} {found.size:>9,.0f} bytes an entry")
    facts = 10_000_000 * 12 * FACTS_PER_PAIR_MONTH
    needed = facts / (8 * 3_600)
    print(
        f"12 months of 10 million pairs: {facts / 1e9:.1f} billion facts x {found.full.cpu_us:.1f} µs / "
        f"{found.speedup:.2f} = {found.hours():.0f} h on 2 cores; a night of 8 h needs {needed:,.0f} facts a second, "
        f"{found.hours() / 8:.1f} times as many"
    )


def profile(pairs: int, months: float) -> None:
    """Print where the time of a replay of the journal goes."""
    with tempfile.TemporaryDirectory() as name:
        journal, _ = write(Path(name), pairs, months)
        recording, profiler = Recording(journal), cProfile.Profile()
        profiler.runcall(backtest_journal, recording, Path(name) / "out", None)
        pstats.Stats(profiler, stream=sys.stdout).sort_stats("tottime").print_stats(40)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=5_000)
    parser.add_argument("--months", type=float, default=1.0)
    parser.add_argument("--profile", action="store_true", help="where the time goes, instead of how much it is")
    options = parser.parse_args()
    if options.profile:
        profile(options.pairs, options.months)
        return
    found = table(options.pairs, options.months)
    show(found)
    verdict = "met" if found.full.cpu_rate >= TARGET_RATE else "MISSED"
    print(f"target {TARGET_RATE:,} a second and core: {verdict} ({found.full.cpu_rate:,.0f} by CPU)")


if __name__ == "__main__":
    main()
