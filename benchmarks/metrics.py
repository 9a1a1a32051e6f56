"""What metrics cost: the engine with and without them on the same journal, and one scrape.

    python -m benchmarks.metrics [--facts N] [--pairs N] [--programs N]

Two engines take turns, a thousand entries and a flush each, so that whatever else the machine does hits both alike. One
is bare; the other is counted as in a worker: at each commit.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain, islice
from statistics import median

from prometheus_client import generate_latest

from agents.engine import engines
from agents.metrics import Metrics
from benchmarks.synthetic import Platform
from schemas.codec import Accepted, decode_fact
from schemas.journal import SourcesEntry, encode_entry, encode_fact_entry
from streams.engine import Engine

BATCH = 1_000
TARGET_SHARE = 0.03


def entries(pairs: int, programs: int, facts: int) -> Iterator[bytes]:
    """One journal partition: its sources, the reference facts of all pairs, then others."""
    yield encode_entry(SourcesEntry(v=1, expected=["pairs/0"], since={}, clock="records", topic_ids={}))
    platform = Platform(pairs, programs)
    offsets: dict[str, int] = {}
    for topic, key, value, arrived_ms in chain(platform.reference(), islice(platform.facts(), facts)):
        accepted = decode_fact(topic, key, value, arrived_ms=arrived_ms)
        assert isinstance(accepted, Accepted), accepted
        offset = offsets[topic] = offsets.get(topic, -1) + 1
        yield encode_fact_entry(topic, 0, offset, arrived_ms, accepted.encoded, None)


def _spent(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=5_000)
    parser.add_argument("--programs", type=int, default=25)
    options = parser.parse_args()
    journal = list(entries(options.pairs, options.programs, options.facts))
    fold_of, folds = engines("")
    bare, counted, metrics = Engine(source="/ebb/", partition=0), fold_of(0), Metrics(folds)
    metrics.observe_engines({0: True})

    def run_bare(begin: int, end: int) -> None:
        for offset in range(begin, end):
            while not bare.apply(offset, journal[offset]):
                pass
        bare.flush()

    def run_counted(begin: int, end: int) -> None:
        for offset in range(begin, end):
            while not counted.apply(offset, journal[offset]):
                pass
        flush = counted.flush()
        metrics.host.committed(0, end - begin, len(flush.rows), len(flush.interventions), 0.01)
        metrics.host.lag(0, len(journal) - end)

    gc.collect()
    gc.disable()
    turns: list[tuple[float, float]] = []
    for turn, begin in enumerate(range(0, len(journal), BATCH)):
        end = min(begin + BATCH, len(journal))
        if turn % 2:
            one = _spent(lambda: run_bare(begin, end))  # noqa: B023
            other = _spent(lambda: run_counted(begin, end))  # noqa: B023
        else:
            other = _spent(lambda: run_counted(begin, end))  # noqa: B023
            one = _spent(lambda: run_bare(begin, end))  # noqa: B023
        if begin > len(journal) - options.facts:  # reference facts are another mix
            turns.append((one, other))
    scrapes = [_spent(lambda: generate_latest(metrics.registry)) for _ in range(5)]
    gc.enable()
    cost = median((other - one) / BATCH for one, other in turns)
    engine = median(one / BATCH for one, _ in turns)
    share = cost / engine
    shown = generate_latest(metrics.registry).decode()
    series = sum('program="' in line for line in shown.splitlines())
    scrape_ms, again_ms = scrapes[0] * 1e3, median(scrapes[1:]) * 1e3
    per_program, size_kb = series / options.programs, len(shown) / 1e3
    lines = [
        f"engine, bare                  {engine * 1e6:7.2f} CPU us a fact",
        f"counting, at the commit       {cost * 1e6:7.2f} CPU us a fact, {share:.1%} of the engine's",
        f"a scrape                      {scrape_ms:7.1f} CPU ms, {again_ms:.1f} when nothing changed",
        f"    {options.programs} programs, {per_program:.0f} series each, {size_kb:.0f} KB",
        f"target {TARGET_SHARE:.0%}: {'held' if share <= TARGET_SHARE else 'missed'}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return int(share > TARGET_SHARE)


if __name__ == "__main__":
    sys.exit(main())
