"""`make bench`: every figure of the README in one run, on a real Kafka, one CPU for what is measured.

Each part is a module of its own and can be run alone. Timings on a shared machine are noisy: compare figures of one run
with one another, the bare client loop first of all, and trust CPU microseconds more than rates.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks import backtest, backtest_memory, engine, host, ingest, latency, memory
from benchmarks.pair_worker import pair_topics
from deploy.kafka.broker import KafkaBroker


def say(what: str, rate: float, cpu_us: float, target: str = "") -> None:
    """Print one row."""
    sys.stdout.write(f"{what:<44}{rate:>11,.0f} /s {cpu_us:>8.2f} CPU us{'   target ' + target if target else ''}\n")
    sys.stdout.flush()


def pair_job(records: int, stock_records: int, rounds: int) -> None:
    """The host by itself: the bare loop and our host in turn, and stock Faust with a table on a part of the load."""
    bare: list[host.Figures] = []
    ours: list[host.Figures] = []
    recovered: list[float] = []
    for number in range(rounds):
        prefix = f"bench{number}."
        with KafkaBroker() as broker, tempfile.TemporaryDirectory(prefix="ebb-bench-") as name:
            topics = pair_topics(prefix)
            broker.create_topic(topics.journal, host.PARTITIONS, {"retention.ms": "-1"})
            broker.create_topic(topics.state, host.PARTITIONS, {"cleanup.policy": "compact"})
            broker.create_topic(topics.interventions, host.PARTITIONS, {"retention.ms": "-1"})
            host.fill(broker.bootstrap, topics.journal, records)
            folder = Path(name)
            bare.append(host.run_bare(broker.bootstrap, topics.journal, records, folder))
            ours.append(host.run_host(broker.bootstrap, prefix, records, folder))
            recovered.append(host.recovery_rate(broker.bootstrap, prefix, folder))
    floor = median(figures.cpu_us for figures in bare)
    cost = median(figures.cpu_us for figures in ours)
    say("bare aiokafka loop that decodes", median(figures.rate for figures in bare), floor)
    say("pair job through our host, exactly once", median(figures.rate for figures in ours), cost, "150,000 /s, 6.5 us")
    stock_prefix = "stock."
    with KafkaBroker() as broker, tempfile.TemporaryDirectory(prefix="ebb-bench-") as name:
        topics = pair_topics(stock_prefix)
        broker.create_topic(topics.journal, host.PARTITIONS, {"retention.ms": "-1"})
        broker.create_topic(f"{stock_prefix}stock-pairs-changelog", host.PARTITIONS, {"cleanup.policy": "compact"})
        broker.create_topic(f"{stock_prefix}stock-output", host.PARTITIONS)
        host.fill(broker.bootstrap, topics.journal, stock_records)
        stock = host.run_host(
            broker.bootstrap, stock_prefix, stock_records, Path(name), module="benchmarks.faust_table", is_ours=False
        )
    say("pair job on a stock Faust table", stock.rate, stock.cpu_us)
    sys.stdout.write(
        f"{'':44}our host: {cost / floor:.2f} x the bare loop, 1/{stock.cpu_us / cost:.0f} of the stock table; "
        f"state read back at {median(recovered):,.0f} rows/s\n"
    )


def main() -> int:
    """Print all figures, each beside its target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller loads, one round: two minutes instead of ten")
    quick = parser.parse_args().quick
    began = time.monotonic()
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    sys.stdout.write(f"{os.cpu_count()} CPUs, load average at the start {load}\n")
    pair_job(300_000 if quick else 1_000_000, 20_000 if quick else 60_000, 1 if quick else 3)
    with KafkaBroker() as broker:
        found = engine.measure(broker, 10_000 if quick else 20_000, 100_000 if quick else 500_000)
    say("engine agent, all rules, exactly once", found.rate, found.cpu_us, "60,000 /s")
    taken = ingest.run(100_000 if quick else 400_000)
    say("ingest", taken.rate, taken.cpu_us, "50,000 /s")
    spoiled = ingest.run(100_000 if quick else 400_000, 1.0)
    say("ingest, 1 % bad records", spoiled.rate, spoiled.cpu_us, "80 % of the rate without")
    replayed = backtest.table(10_000 if quick else 20_000, 0.25 if quick else 1.0)
    say("backtest of a recording, all rules", replayed.full.rate, replayed.full.cpu_us, "80,000 /s")
    say("backtest of a recording, first four rules", replayed.four.rate, replayed.four.cpu_us, "80,000 /s")
    backtest.show(replayed)
    for pairs, months in backtest_memory.QUICK if quick else backtest_memory.FULL:
        backtest_memory.show(backtest_memory.measure(pairs, months))
    per_pair, per_record, _ = memory.measure(20_000 if quick else 200_000)
    sys.stdout.write(
        f"memory{per_pair:>49,.0f} B a pair, {per_record:,.0f} B a stored record   target 2,048 B, 500 B\n"
    )
    with KafkaBroker() as broker:
        seen = latency.measure(broker, seconds=5 if quick else 20)
    sys.stdout.write(
        f"rating to intervention at 500 facts/s{'':17}p50 {seen.p50:.1f} ms, p99 {seen.p99:.1f} ms, "
        f"worst {seen.worst:.1f} ms   target 30, 150 ms\n"
    )
    sys.stdout.write(f"done in {time.monotonic() - began:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
