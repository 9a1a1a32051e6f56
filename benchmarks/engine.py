"""How fast the engine agent is: journal on a real Kafka → step with all rules, and with the first four → interventions,
state and position in transactions; and how fast it reads its state back.

    python -m benchmarks --only engine

The journal is written beforehand, as ingest would write it: reference facts of all pairs, then a mix of activity,
meetings, surveys, ratings and sentiment (`benchmarks.synthetic`) in `records` mode, so that the clock and its timers
move with every fact. Warm-up: the reference facts and the first tenth of the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Final

from benchmarks.harness.drain import drain
from benchmarks.harness.loading import Loader, disk_bytes
from benchmarks.harness.results import Part
from benchmarks.harness.session import Session, Setting, say
from benchmarks.host import make_topics, recovery
from benchmarks.pair_worker import pair_topics
from benchmarks.synthetic import Platform
from schemas.codec import Accepted, decode_fact
from schemas.journal import SourcesEntry, encode_entry, encode_fact_entry
from streams.partitioner import partition_for

JOURNAL: Final = "engine-journal"
PARTITIONS: Final = 4
PAIRS_PER_PROGRAM: Final = 200


def entries(platform: Platform, facts: int) -> Iterator[tuple[bytes, bytes]]:
    """(program, journal value): reference facts, then `facts` others."""
    offsets: dict[str, int] = {}
    for topic, key, value, arrived_ms in chain(platform.reference(), islice(platform.facts(), facts)):
        accepted = decode_fact(topic, key, value, arrived_ms=arrived_ms)
        assert isinstance(accepted, Accepted), accepted
        offset = offsets[topic] = offsets.get(topic, -1) + 1
        yield key.partition(b"/")[0], encode_fact_entry(topic, 0, offset, arrived_ms, accepted.encoded, None)


def first_entry() -> bytes:
    """What a journal partition in `records` mode begins with."""
    return encode_entry(SourcesEntry(v=1, expected=["pairs/0"], since={}, clock="records", topic_ids={}))


def fill(session: Session, topic: str, platform: Platform, facts: int, partitions: int = PARTITIONS) -> tuple[int, int]:
    """Make a journal. Returns: entries in it, and how many of them come before the facts."""
    session.broker.create_topic(topic, partitions, {"retention.ms": "-1"})
    written = 0
    with Loader(session.brokers) as loader:
        for partition in range(partitions):
            loader.send(topic, first_entry(), b"", partition)
        for program, value in entries(platform, facts):
            loader.send(topic, value, program, partition_for(program, partitions))
            written += 1
    return written + partitions, written + partitions - facts


def run(session: Session) -> Part:
    """Measure the engine and its recovery, `engine` and `recovery` in the results."""
    pairs, facts, rounds = (3_000, 120_000, 2) if session.is_quick else (20_000, 180_000, 5)
    say(f"a journal of {facts:,} facts of {pairs:,} pairs")
    records, before = fill(session, JOURNAL, Platform(pairs, max(1, pairs // PAIRS_PER_PROGRAM)), facts)

    def engine(number: int, name: str = "engine", rules: str = "all") -> dict[str, float]:
        prefix = f"{name}{number}."
        make_topics(session, prefix)
        found = drain(
            "benchmarks.engine_worker",
            session.brokers,
            prefix,
            records,
            session.folder,
            skip=before + facts // 10,
            environment={"BENCH_JOURNAL": JOURNAL, "BENCH_RULES": rules},
        )
        topics = pair_topics(prefix, JOURNAL)
        return found | {
            "journal_bytes": disk_bytes(session.broker, topics.journal) / records,
            "state_bytes": disk_bytes(session.broker, topics.state) / records,
            "intervention_bytes": disk_bytes(session.broker, topics.interventions) / records,
        }

    def read_back(number: int) -> dict[str, float]:
        module = "benchmarks.engine_worker"
        return recovery(module, session.brokers, f"engine{number}.", JOURNAL, session.folder, PARTITIONS)

    setting: Setting = {"facts": facts, "pairs": pairs, "partitions": PARTITIONS, "rules": "all"}
    cases = {"engine": engine, "engine, first four rules": lambda number: engine(number, "four", "four")}
    part = session.part("engine", cases, rounds=rounds, setting=setting)
    session.part("recovery", {"recovery": read_back}, rounds=rounds, setting=setting)
    return part
