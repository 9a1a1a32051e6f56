"""How fast the host is by itself: the pair job on a real Kafka, beside the barest loop that could do anything with the
same records.

    python -m benchmarks.host [--records N] [--brokers HOST:PORT]

Both run in a process of their own, pinned to one CPU. The bare loop fetches with aiokafka and decodes, keeps nothing
and writes
nothing: what it costs, nobody who uses aiokafka can save. CPU is the process's own (user and system), from the first
    commit on.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Producer

from agents.host.clients import KafkaSettings
from benchmarks.pair_job import Rating
from benchmarks.pair_worker import pair_topics
from deploy.kafka.broker import KafkaBroker

PARTITIONS = 4
PAIRS = 20_000
ROOT = Path(__file__).resolve().parent.parent
TARGET_RATE = 150_000
TARGET_CPU_US = 6.5


class Figures(NamedTuple):
    """Records a second, and CPU microseconds a record."""

    rate: float
    cpu_us: float


def fill(brokers: str, topic: str, records: int, seed: int = 1) -> None:
    """Load the journal with ratings of about 200 bytes: 20,000 pairs in 500 programs, a quarter of them 2 or less."""
    producer = Producer(
        KafkaSettings(brokers=brokers).confluent()
        | {"linger.ms": 20, "enable.idempotence": True, "queue.buffering.max.messages": 1_000_000, "log_level": 3}
    )
    dice = random.Random(seed)
    for number in range(records):
        pair = dice.randrange(PAIRS)
        value = b'{"pair":"pair-%06d","rating":%d,"at_ms":%d,"note":"%s"}' % (
            pair,
            dice.choice((1, 2, 3, 3, 4, 4, 5, 5)),
            1_700_000_000_000 + number,
            b"x" * 136,
        )
        while True:
            try:
                producer.produce(topic, key=b"program-%d" % (pair % 500), value=value, partition=pair % PARTITIONS)
                break
            except BufferError:
                producer.poll(0.1)
    if producer.flush(60):
        raise RuntimeError("the journal could not be filled")


def run_host(
    brokers: str,
    prefix: str,
    records: int,
    folder: Path,
    timeout_s: float = 120.0,
    module: str = "benchmarks.pair_worker",
    is_ours: bool = True,
) -> Figures:
    """Run one worker until it has applied everything; one of ours has to end in order as well."""
    log = folder / "worker.log"
    with (
        log.open("wb") as output,
        _pinned([sys.executable, "-m", module, brokers, prefix], output) as worker,
    ):
        deadline = time.monotonic() + timeout_s
        while worker.poll() is None and time.monotonic() < deadline:
            commits = _commits(log)
            if sum(entries for entries, _, _ in commits) >= records:
                break
            time.sleep(0.2)
        else:
            raise RuntimeError(f"the worker did not finish, see\n{log.read_text()[-2000:]}")
        worker.send_signal(signal.SIGTERM)
        if worker.wait(20) != 0 and is_ours:
            raise RuntimeError(f"the worker did not stop in order, see\n{log.read_text()[-2000:]}")
    (_, began, cpu_before), (_, ended, cpu_after) = commits[0], commits[-1]
    counted = sum(entries for entries, _, _ in commits[1:])
    return Figures(counted / (ended - began), (cpu_after - cpu_before) / counted * 1e6)


def recovery_rate(brokers: str, prefix: str, folder: Path, timeout_s: float = 60.0) -> float:
    """Start a worker on the state the former one left; returns state rows read back a second, all partitions
    together."""
    log = folder / "recovery.log"
    with (
        log.open("wb") as output,
        _pinned([sys.executable, "-m", "benchmarks.pair_worker", brokers, prefix], output) as worker,
    ):
        deadline = time.monotonic() + timeout_s
        found: list[tuple[str, str]] = []
        while len(found) < PARTITIONS and worker.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
            found = re.findall(r"recovered \d+ (\d+) ([\d.]+)", log.read_text())
        worker.send_signal(signal.SIGTERM)
        worker.wait(20)
    if len(found) < PARTITIONS:
        raise RuntimeError(f"the worker did not recover, see\n{log.read_text()[-2000:]}")
    return sum(int(rows) for rows, _ in found) / max(float(seconds) for _, seconds in found)


def _commits(log: Path) -> list[tuple[int, float, float]]:
    found = re.findall(r"committed \d+ (\d+) \d+ \d+ [\d.]+ ([\d.]+) ([\d.]+)\n", log.read_text())
    return [(int(entries), float(moment), float(cpu)) for entries, moment, cpu in found]


@contextmanager
def _pinned(command: list[str], output: BinaryIO) -> Iterator[subprocess.Popen[bytes]]:
    cpu = max(os.sched_getaffinity(0))
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=output,
        stderr=subprocess.STDOUT,
    )
    os.sched_setaffinity(process.pid, {cpu})  # threads started later inherit it
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


async def bare_loop(brokers: str, topic: str, records: int) -> Figures:
    """Fetch and decode, nothing else."""
    consumer = AIOKafkaConsumer(**KafkaSettings(brokers=brokers).aiokafka_consumer(), auto_offset_reset="earliest")
    await consumer.start()
    decode = msgspec.json.Decoder(Rating).decode
    consumer.assign([TopicPartition(topic, partition) for partition in range(PARTITIONS)])
    seen, began, cpu = 0, 0.0, 0.0
    counted = 0
    while seen < records:
        for batch in (await consumer.getmany(timeout_ms=500, max_records=4_000)).values():
            for record in batch:
                decode(record.value)
            if not began:
                began, cpu = time.monotonic(), time.process_time()
            else:
                counted += len(batch)
            seen += len(batch)
    figures = Figures(counted / (time.monotonic() - began), (time.process_time() - cpu) / counted * 1e6)
    await consumer.stop()
    return figures


def run_bare(brokers: str, topic: str, records: int, folder: Path) -> Figures:
    """Run the bare loop in a process of its own."""
    answer = folder / "bare.txt"
    with answer.open("wb") as output:
        command = [
            sys.executable,
            "-m",
            "benchmarks.host",
            "--bare",
            topic,
            "--brokers",
            brokers,
            "--records",
            str(records),
        ]
        with _pinned(command, output) as process:
            if process.wait(120) != 0:
                raise RuntimeError(f"the bare loop failed:\n{answer.read_text()}")
    rate, cpu_us = answer.read_text().split()
    return Figures(float(rate), float(cpu_us))


def measure(brokers: str, records: int) -> tuple[Figures, Figures, float]:
    """Fill `bench.journal` and run both; returns (host, bare, recovered rows a second)."""
    topics = pair_topics("bench.")
    fill(brokers, topics.journal, records)
    with tempfile.TemporaryDirectory(prefix="ebb-bench-") as name:
        folder = Path(name)
        bare = run_bare(brokers, topics.journal, records, folder)
        host = run_host(brokers, "bench.", records, folder)
        return host, bare, recovery_rate(brokers, "bench.", folder)


def main() -> int:
    """Print the figures; returns 1 when the host misses its targets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument(
        "--brokers", help="a broker with empty topics bench.{journal,state,interventions}; default: start one"
    )
    parser.add_argument("--bare", metavar="TOPIC", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        figures = asyncio.run(bare_loop(options.brokers, options.bare, options.records))
        sys.stdout.write(f"{figures.rate} {figures.cpu_us}\n")
        return 0
    if options.brokers:
        host, bare, recovered = measure(options.brokers, options.records)
    else:
        with KafkaBroker() as broker:
            topics = pair_topics("bench.")
            broker.create_topic(topics.journal, PARTITIONS, {"retention.ms": "-1"})
            broker.create_topic(topics.state, PARTITIONS, {"cleanup.policy": "compact"})
            broker.create_topic(topics.interventions, PARTITIONS, {"retention.ms": "-1"})
            host, bare, recovered = measure(broker.bootstrap, options.records)
    write = sys.stdout.write
    write(f"pair job through the host  {host.rate:>10,.0f} records/s  {host.cpu_us:5.2f} CPU us a record\n")
    write(f"bare aiokafka and decode   {bare.rate:>10,.0f} records/s  {bare.cpu_us:5.2f} CPU us a record\n")
    write(f"state read back            {recovered:>10,.0f} rows/s\n")
    missed = host.rate < TARGET_RATE or host.cpu_us > TARGET_CPU_US
    write(f"target {TARGET_RATE:,} a second and {TARGET_CPU_US} us: {'missed' if missed else 'held'}\n")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
