"""State topics of a large platform, made in minutes: the real engine folds, the real writer commits, nothing runs.

    python -m tests.faults.million BROKERS PREFIX PAIRS SECONDS NUMBER OF BEGIN_MS

folds every OF-th journal partition from NUMBER on, so that several processes share the work. Reference facts come
first, then facts for so many seconds, as many as this machine can, in the mix of benchmarks/synthetic.py. A unit is
committed as a worker does that is behind: when so many rows are pending. The journal gets as many placeholders as
entries were folded; nobody reads those again. Prints how many.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import NamedTuple

from aiokafka import AIOKafkaProducer

from agents.app import expand_ruleset, lane_topics
from agents.host.clients import KafkaSettings
from agents.host.lane import LaneOptions
from agents.host.transactions import TransactionalWriter
from agents.ingest.intake import Intake, progress_value
from agents.ingest.merge import Run, Source
from benchmarks.synthetic import Platform, Record
from schemas.journal import ENTRY_VERSION, EngineEntry, RulesetEntry, SourcesEntry, encode_entry
from schemas.outbound import ce_source
from schemas.topics import INBOUND, JOURNAL, Topics
from streams.engine import Engine
from streams.partitioner import partition_for

PARTITIONS = 8
PROGRAMS = 400
BLOCK = 2_000
DAYS_AGO = 120
PLACEHOLDER = b"{}"
SOURCES = {name: Source(name, 0) for name in INBOUND}


class _Inbound(NamedTuple):
    """A record as ingest takes it."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: tuple[()] = ()


def platform(pairs: int, begin_ms: int) -> Platform:
    return Platform(pairs, PROGRAMS, begin_ms=begin_ms)


def _beginning() -> list[bytes]:
    """What a journal partition begins with."""
    tree, content_hash = expand_ruleset({})
    names = [str(source) for source in SOURCES.values()]
    return [
        encode_entry(EngineEntry(v=ENTRY_VERSION, version="million")),
        encode_entry(
            RulesetEntry(
                v=ENTRY_VERSION, ruleset=tree, hash=content_hash, scope="*", backfill="emit", source=None,
                arrived_at=None,
            )
        ),
        encode_entry(
            SourcesEntry(
                v=ENTRY_VERSION, expected=names, since=dict.fromkeys(names), clock="wall", topic_ids={}
            )
        ),
    ]  # fmt: skip


def _entries(records: Iterable[Record], ours: frozenset[int]) -> Iterator[list[list[bytes]]]:
    """Journal values by partition, block by block, with progress after each block."""
    intake = Intake(PARTITIONS, expand_ruleset)
    programs = {b"program-%04d" % number for number in range(PROGRAMS)}
    routed = frozenset(program for program in programs if partition_for(program, PARTITIONS) in ours)
    offsets = dict.fromkeys(INBOUND, 0)
    wanted = (record for record in records if record[1].partition(b"/")[0] in routed)
    while block := list(islice(wanted, BLOCK)):
        runs = []
        for topic, key, value, at_ms in block:
            runs.append(Run(SOURCES[topic], [_Inbound(offsets[topic], at_ms, key, value)], 0, 1))
            offsets[topic] += 1
        newest = block[-1][3]
        unit = intake.digest(runs, newest)
        assert not unit.dead, unit.dead[0]
        progress = progress_value(dict.fromkeys(SOURCES.values(), newest))
        yield [[*(value for _, value in rows), progress] for rows in unit.rows]


async def fold(kafka: KafkaSettings, topics: Topics, records: Iterable[Record], ours: frozenset[int]) -> int:
    """Fold, commit, and fill the journal. Returns: how many entries."""
    names, unit_rows = lane_topics(topics), LaneOptions().unit_records
    engines = {number: Engine(ce_source(topics.prefix), partition=number) for number in ours}
    writers = {
        number: TransactionalWriter(
            kafka, names.transactional_id(number), number, interventions=names.interventions, state=names.state,
            timeout_s=60, passing=lambda _name: None,
        )
        for number in ours
    }  # fmt: skip
    for writer in writers.values():
        await writer.own()

    async def flush(number: int) -> None:
        flushed = engines[number].flush()
        await writers[number].commit(flushed.interventions, flushed.rows)

    for values in chain([[_beginning() for _ in range(PARTITIONS)]], _entries(records, ours)):
        for number, engine in engines.items():
            for value in values[number]:
                offset = engine.applied + 1
                while not engine.apply(offset, value):
                    await flush(number)
            if engine.pending() >= unit_rows:
                await flush(number)
    for number, writer in writers.items():
        await flush(number)
        await writer.stop()
    await _fill(kafka, topics.real(JOURNAL), {number: engine.applied + 1 for number, engine in engines.items()})
    return sum(engine.applied + 1 for engine in engines.values())


async def _fill(kafka: KafkaSettings, journal: str, counts: dict[int, int]) -> None:
    producer = AIOKafkaProducer(**kafka.aiokafka(), acks="all", enable_idempotence=True, max_batch_size=900_000)
    await producer.start()
    for number, count in counts.items():
        left = count
        while left:
            batch = producer.create_batch()
            while left and batch.append(key=None, value=PLACEHOLDER, timestamp=None) is not None:
                left -= 1
            await (await producer.send_batch(batch, journal, partition=number))
    await producer.stop()


def _for(seconds: float, facts: Iterator[Record]) -> Iterator[Record]:
    ends_at: float | None = None
    for number, fact in enumerate(facts):
        yield fact
        if number % BLOCK == 0:
            ends_at = ends_at or time.monotonic() + seconds
            if time.monotonic() >= ends_at:
                return


def main() -> None:
    """Do it, as the command line says."""
    brokers, prefix, pairs, seconds, number, of, begin_ms = sys.argv[1:]
    made = platform(int(pairs), int(begin_ms))
    records = chain(made.reference(), _for(float(seconds), made.facts()))
    ours = frozenset(range(int(number), PARTITIONS, int(of)))
    count = asyncio.run(fold(KafkaSettings(brokers=brokers), Topics(prefix), records, ours))
    print(count)  # noqa: T201


if __name__ == "__main__":
    main()
