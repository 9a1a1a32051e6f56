"""How fast the engine agent is: journal on a real Kafka → step with all rules → interventions, state and position in
transactions.

    python -m benchmarks.engine [--facts N] [--pairs N]

The journal is written beforehand, as ingest would write it: reference facts of all pairs, then a mix of activity,
meetings, surveys, ratings and sentiment (`benchmarks.synthetic`) in `records` mode, so that the clock and its timers
move with every fact. The worker is pinned to one CPU; its CPU counts from the first commit on.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from confluent_kafka import Producer

from agents.host.clients import KafkaSettings
from benchmarks.host import Figures, run_host
from benchmarks.pair_worker import pair_topics
from benchmarks.synthetic import Platform
from deploy.kafka.broker import KafkaBroker
from schemas.codec import Accepted, decode_fact
from schemas.journal import SourcesEntry, encode_entry, encode_fact_entry
from streams.partitioner import partition_for

PARTITIONS = 4
TARGET_RATE = 60_000


def journal_records(pairs: int, facts: int) -> Iterator[tuple[int, bytes, bytes]]:
    """(partition, key, value) of a journal: its sources, then reference facts and `facts` others."""
    sources = SourcesEntry(v=1, expected=["pairs/0"], since={}, clock="records", topic_ids={})
    for partition in range(PARTITIONS):
        yield partition, b"", encode_entry(sources)
    platform = Platform(pairs, max(1, pairs // 200))
    offsets: dict[str, int] = {}
    for topic, key, value, arrived_ms in chain(platform.reference(), islice(platform.facts(), facts)):
        accepted = decode_fact(topic, key, value, arrived_ms=arrived_ms)
        assert isinstance(accepted, Accepted), accepted
        program = key.partition(b"/")[0]
        offset = offsets[topic] = offsets.get(topic, -1) + 1
        yield (
            partition_for(program, PARTITIONS),
            program,
            encode_fact_entry(topic, 0, offset, arrived_ms, accepted.encoded, None),
        )


def fill(brokers: str, topic: str, pairs: int, facts: int) -> int:
    """Write the journal; returns how many records it has."""
    settings = {"linger.ms": 20, "enable.idempotence": True, "queue.buffering.max.messages": 1_000_000, "log_level": 3}
    producer = Producer(KafkaSettings(brokers=brokers).confluent() | settings)
    written = 0
    for partition, key, value in journal_records(pairs, facts):
        while True:
            try:
                producer.produce(topic, key=key, value=value, partition=partition)
                break
            except BufferError:
                producer.poll(0.1)
        written += 1
    if producer.flush(60):
        raise RuntimeError("the journal could not be filled")
    return written


def measure(broker: KafkaBroker, pairs: int, facts: int, prefix: str = "engine.") -> Figures:
    """Make the topics, fill the journal and run one worker over it."""
    topics = pair_topics(prefix)
    broker.create_topic(topics.journal, PARTITIONS, {"retention.ms": "-1"})
    broker.create_topic(topics.state, PARTITIONS, {"cleanup.policy": "compact"})
    broker.create_topic(topics.interventions, PARTITIONS, {"retention.ms": "-1"})
    records = fill(broker.bootstrap, topics.journal, pairs, facts)
    with tempfile.TemporaryDirectory(prefix="ebb-bench-") as folder:
        return run_host(broker.bootstrap, prefix, records, Path(folder), module="benchmarks.engine_worker")


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=int, default=500_000)
    parser.add_argument("--pairs", type=int, default=20_000)
    options = parser.parse_args()
    with KafkaBroker() as broker:
        figures = measure(broker, options.pairs, options.facts)
    sys.stdout.write(
        f"engine agent, all rules    {figures.rate:>10,.0f} facts/s    {figures.cpu_us:5.2f} CPU us a fact\n"
    )
    sys.stdout.write(f"target {TARGET_RATE:,} a second: {'held' if figures.rate >= TARGET_RATE else 'missed'}\n")
    return int(figures.rate < TARGET_RATE)


if __name__ == "__main__":
    sys.exit(main())
