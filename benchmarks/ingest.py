"""How fast ingest is: facts of all kinds on a real Kafka → journal, one worker on one CPU.

    python -m benchmarks.ingest [--facts N] [--bad PERCENT] [--brokers HOST:PORT]

Topics and partition counts are those of the catalogue, everything is loaded before the worker starts, so it merges
all of it oldest head first. Counted from the first unit that holds facts until the last is acknowledged; CPU is the
worker process's own (user and system).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import Producer

from agents.host.clients import KafkaSettings
from agents.host.worker import serve
from agents.ingest.agent import build_ingest
from agents.ingest.observer import SilentIngestObserver
from agents.ingest.options import IngestOptions
from benchmarks.synthetic import Platform
from deploy.kafka.broker import KafkaBroker
from schemas.topics import CATALOGUE, REFERENCE_TOPICS
from streams.partitioner import partition_for

ROOT = Path(__file__).resolve().parent.parent
TARGET_RATE = 50_000
PAIRS = 20_000
PROGRAMS = 400


class Figures(NamedTuple):
    """Facts a second, and CPU microseconds a fact."""

    rate: float
    cpu_us: float


class _Meter(SilentIngestObserver):
    """Prints once everything asked for has gone through."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._seen = self._counted = 0
        self._began = self._cpu = 0.0

    def _see(self, records: int) -> None:
        self._seen += records
        if not self._began:
            self._began, self._cpu = time.monotonic(), _cpu_s()
            return
        self._counted += records
        if self._seen >= self._wanted:
            elapsed, cpu = time.monotonic() - self._began, _cpu_s() - self._cpu
            print(f"done {self._counted / elapsed:.0f} {cpu / self._counted * 1e6:.3f}", flush=True)
            os.kill(os.getpid(), signal.SIGTERM)

    def forwarded(self, topic: str, records: int) -> None:
        if topic not in REFERENCE_TOPICS and topic != "rulesets":
            self._see(records)

    def dead_letter(self, topic: str, reason: str) -> None:  # noqa: ARG002 the observer's signature
        self._see(1)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def fill(broker: KafkaBroker, prefix: str, count: int, bad_percent: float) -> None:
    """Create the topics and load programs, pairs, people and facts; of the facts some are no JSON."""
    for topic in CATALOGUE:
        # The facts are dated in the past: kept for 30 days only, the broker would remove them while we measure.
        broker.create_topic(prefix + topic.name, topic.partitions, topic.settings() | {"retention.ms": "-1"})
    partitions = {topic.name: topic.partitions for topic in CATALOGUE}
    producer = Producer(
        KafkaSettings(brokers=broker.bootstrap).confluent()
        | {"linger.ms": 20, "enable.idempotence": True, "queue.buffering.max.messages": 1_000_000, "log_level": 3}
    )
    every = int(100 / bad_percent) if bad_percent else 0
    platform = Platform(PAIRS, PROGRAMS)
    for records, may_spoil in ((platform.reference(), False), (islice(platform.facts(), count), True)):
        for number, (name, key, value, timestamp) in enumerate(records):
            broken = b"{" + value if may_spoil and every and number % every == 0 else value
            partition = partition_for(key, partitions[name])
            while True:
                try:
                    producer.produce(prefix + name, broken, key, partition, timestamp=timestamp)
                    break
                except BufferError:
                    producer.poll(0.1)
    if producer.flush(120):
        raise RuntimeError("the inbound topics could not be filled")


def measure(brokers: str, prefix: str, count: int, timeout_s: float = 180.0) -> Figures:
    """Run one worker on one CPU until all facts stand in the journal."""
    command = [sys.executable, "-m", "benchmarks.ingest", "--worker", brokers, prefix, str(count)]
    with tempfile.TemporaryFile() as output:
        worker = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        os.sched_setaffinity(worker.pid, {max(os.sched_getaffinity(0))})  # threads started later inherit it
        try:
            worker.wait(timeout_s)
        finally:
            if worker.poll() is None:
                worker.kill()
            worker.wait()
        output.seek(0)
        text = output.read().decode()
    for line in text.splitlines():
        if line.startswith("done "):
            rate, cpu_us = line.split()[1:]
            return Figures(float(rate), float(cpu_us))
    raise RuntimeError(f"the worker did not finish:\n{text[-2000:]}")


def _expand(tree: Any) -> tuple[dict[str, Any], str]:
    return dict(tree), "benchmark"


def _work(brokers: str, prefix: str, count: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        options = IngestOptions(
            version="benchmark", shipped_ruleset={}, expand_ruleset=_expand, prefix=prefix, data_dir=Path(folder)
        )
        ingest = build_ingest(KafkaSettings(brokers=brokers), options, observer=_Meter(count))
        return asyncio.run(serve(ingest.app))


def run(count: int, bad_percent: float = 0.0) -> Figures:
    """Start a broker, load it, measure."""
    with KafkaBroker(heap="1g") as broker:
        fill(broker, "bench-", count, bad_percent)
        return measure(broker.bootstrap, "bench-", count)


def main() -> int:
    """Print the figures; exit code 1 when the target is missed."""
    parser = argparse.ArgumentParser(description="How fast ingest is, on one CPU.")
    parser.add_argument("--facts", type=int, default=400_000, help="how many facts (default 400,000)")
    parser.add_argument("--bad", type=float, default=1.0, help="percent of bad records in the second run (default 1)")
    parser.add_argument("--worker", nargs=3, metavar=("BROKERS", "PREFIX", "FACTS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        return _work(given.worker[0], given.worker[1], int(given.worker[2]))
    clean = run(given.facts)
    print(f"ingest: {clean.rate:,.0f} facts/s, {clean.cpu_us:.2f} CPU µs a fact (target {TARGET_RATE:,}/s)")
    spoilt = run(given.facts, given.bad)
    share = spoilt.rate / clean.rate
    print(f"with {given.bad:g} % bad records: {spoilt.rate:,.0f} facts/s, {spoilt.cpu_us:.2f} CPU µs, {share:.0%}")
    return 0 if clean.rate >= TARGET_RATE and share >= 0.8 else 1


if __name__ == "__main__":
    sys.exit(main())
