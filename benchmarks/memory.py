"""How much memory a pair takes in the engine, with its two people, timers and a week of remembered event ids.

    python -m benchmarks.memory [--pairs N]

RSS growth of a fresh process that applies reference facts of N pairs and one week of facts, divided by N; and the
average size of a stored record.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from itertools import chain, islice
from pathlib import Path

from benchmarks.synthetic import FACTS_PER_PAIR_MONTH, Platform
from schemas.codec import Accepted, decode_fact
from schemas.facts import RulesetActivated
from schemas.journal import SourcesEntry
from streams.engine import Engine
from streams.state.table import is_record

TARGET_BYTES = 2_048
TARGET_RECORD_BYTES = 500
FLUSH_EVERY = 10_000


def rss_bytes() -> int:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure(pairs: int) -> tuple[float, float, int]:
    """Returns: bytes a pair, average bytes of a stored record, facts applied."""
    engine = Engine()
    engine.step(0, SourcesEntry(v=1, expected=["pairs/0"], since={}, clock="records", topic_ids={}))
    platform = Platform(pairs, max(1, pairs // 200))
    week = pairs * FACTS_PER_PAIR_MONTH * 7 // 30
    gc.collect()
    before = rss_bytes()
    sizes: dict[bytes, int] = {}
    done = 0
    for topic, key, value, arrived_ms in chain(platform.reference(), islice(platform.facts(), week)):
        accepted = decode_fact(topic, key, value, arrived_ms=arrived_ms)
        assert isinstance(accepted, Accepted)
        assert not isinstance(accepted.fact, RulesetActivated)
        engine.advance(arrived_ms)
        engine.take(accepted.fact, topic, 0, done, arrived_ms)
        engine.settle()
        done += 1
        if done % FLUSH_EVERY == 0:
            engine.flush()
    engine.flush()
    gc.collect()
    grown = rss_bytes() - before
    for record_key, record in engine.state.table.stored():
        if is_record(record_key):
            sizes[record_key[:1]] = sizes.get(record_key[:1], 0) + len(record)
    return grown / pairs, sum(sizes.values()) / len(engine.state.table), done


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=200_000)
    options = parser.parse_args()
    per_pair, per_record, facts = measure(options.pairs)
    missed = per_pair > TARGET_BYTES or per_record > TARGET_RECORD_BYTES
    sys.stdout.write(
        f"memory, {options.pairs:,} pairs and {facts:,} facts: {per_pair:,.0f} B a pair (RSS), "
        f"{per_record:,.0f} B a stored record\n"
        f"target {TARGET_BYTES:,} B and {TARGET_RECORD_BYTES} B: {'missed' if missed else 'held'}\n"
    )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
