"""How fast a recording is replayed: synthetic facts, with all rules, one process on one CPU.

    python -m benchmarks.backtest [--pairs N] [--months N] [--profile]

The recording is written first and not counted. Then the same facts go through twice: as a Parquet recording of the
journal, with as many progress entries as a platform of 200,000 pairs has at one a minute (in a small recording of a
long time they would outnumber the facts), and as lines of `.jsonl`, which are also decoded and checked as at the edge.
CPU is this process's own (user and system), garbage collection and output included.
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
from benchmarks.synthetic import Platform
from schemas.base import from_ms
from schemas.codec import Accepted, decode_fact
from schemas.compact import instant_bytes
from schemas.journal import ProgressEntry, SourcesEntry, encode_entry, encode_fact_entry
from schemas.topics import BY_NAME, INBOUND
from streams.backtest.replay import PARTITIONS
from streams.partitioner import partition_for

TARGET_RATE = 80_000
PAIRS_PER_PROGRAM = 200
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


def run(pairs: int, months: float) -> tuple[Figures, Figures]:
    """Replay both forms of the same facts. Returns: the figures of the journal, then those of the lines."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        journal, lines = write(folder, pairs, months)
        recorded = measure(lambda: backtest_journal(Recording(journal), folder / "one", None))
        raw = measure(lambda: backtest_facts(FactFiles(lines), folder / "two", None))
    return recorded, raw


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
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        recorded, raw = run(options.pairs, options.months)
    finally:
        os.sched_setaffinity(0, before)
    for name, figures in (("recording of the journal", recorded), ("lines of facts", raw)):
        print(f"{name:<26} {figures.rate:>9,.0f} facts a second, {figures.cpu_us:5.1f} µs of CPU each")
    verdict = "met" if recorded.cpu_rate >= TARGET_RATE else "MISSED"
    print(f"target {TARGET_RATE:,} a second and core: {verdict} ({recorded.cpu_rate:,.0f} by CPU)")


if __name__ == "__main__":
    main()
