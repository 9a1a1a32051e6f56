"""Reading one partition of the state topic back: newest value per key, whole transactions only.

Our own reader instead of Faust's table recovery, which ignores transactions (it waits for an offset that is a control
record), reads through the shared consumer whose positions it resets, and restores a twentieth of the rows a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter

from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.host.clients import KafkaSettings
from agents.host.fetching import Batch, hand_out_batches
from agents.host.fold import HOST_KEY, POSITION_KEY
from agents.host.process import Refusal

PARTITION_FETCH_BYTES = 8 << 20
_key, _value = attrgetter("key"), attrgetter("value")


@dataclass(slots=True)
class Recovered:
    """What a partition of the state topic said, and where the topics around it begin and end.

    Attributes:
        rows: newest value by key, without tombstones.
        host: the host's own row, if there is one.
        records: how many records were read.
        begin: offset at which the state partition begins.
        journal_begin, journal_end: offset of the oldest journal entry and after the newest, when recovery began.
        evidence: where there is no state, what speaks for earlier work all the same; None: nothing does.
    """

    rows: dict[bytes, bytes]
    host: bytes | None
    records: int
    begin: int
    journal_begin: int
    journal_end: int
    evidence: str | None


async def recover(
    kafka: KafkaSettings, partition: int, *, state: str, journal: str, interventions: str, tick: Callable[[], None]
) -> Recovered:
    """Read `state/partition` to its end. The partition must be owned already: only then is its end final.

    Args:
        tick: called after each batch, to show that recovery moves.

    Raises: Refusal when the last record is not the marker, so that the rows are no state we wrote.
    """
    here = TopicPartition(state, partition)
    there, out = TopicPartition(journal, partition), TopicPartition(interventions, partition)
    options = kafka.aiokafka_consumer() | {"fetch_max_wait_ms": 100}
    consumer = AIOKafkaConsumer(
        **options,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
    )
    await consumer.start()
    try:
        hand_out_batches(consumer)
        # All three are assigned, so that the client learns at once where they are, and paused until their offsets are
        # known: what is asked behind a fetch is answered behind it.
        consumer.assign([here, there, out])
        consumer.pause(here, there, out)
        ends, begins = await asyncio.gather(
            consumer.end_offsets([here, there, out]), consumer.beginning_offsets([here, there])
        )
        consumer.seek(here, begins[here])
        consumer.resume(here)
        rows: dict[bytes, bytes] = {}
        records, last = 0, None
        while await consumer.position(here) < ends[here]:
            # 100 ms: when only a control record is left, getmany waits its whole timeout.
            for batches in (await consumer.getmany(here, timeout_ms=100)).values():
                for batch in batches:
                    if keys := apply_batch(batch, rows):
                        records += len(keys)
                        last = keys[-1]
                    tick()
            await asyncio.sleep(0)
        evidence = None if records else await _evidence(consumer, out, ends)
    finally:
        await consumer.stop()
    if records and last != POSITION_KEY:
        raise Refusal(
            f"{state}/{partition} does not end with a position: something else wrote to it. "
            "Restore the topic from a backup, or run `ebb state rebuild`."
        )
    return Recovered(rows, rows.pop(HOST_KEY, None), records, begins[here], begins[there], ends[there], evidence)


def apply_batch(batch: Batch, rows: dict[bytes, bytes]) -> list[bytes]:
    """Put the records of a batch into the newest values by key, and take out those that were deleted.

    Returns: the keys of the records, in order.
    """
    found = batch.records()
    keys, values = list(map(_key, found)), list(map(_value, found))
    rows.update(zip(keys, values, strict=True))
    if None in values:
        for key in {key for key, value in zip(keys, values, strict=True) if value is None}:
            if rows[key] is None:
                del rows[key]
    return keys


async def _evidence(
    consumer: AIOKafkaConsumer, interventions: TopicPartition, ends: dict[TopicPartition, int]
) -> str | None:
    """Look for signs that this partition was worked on before.

    Offsets alone prove nothing: a first transaction that was aborted leaves some in both topics, but no committed
        record.
    """
    consumer.assign([interventions])
    await consumer.seek_to_beginning(interventions)
    while await consumer.position(interventions) < ends[interventions]:
        found = await consumer.getmany(interventions, timeout_ms=100, max_records=1)
        if any(batch.records() for batches in found.values() for batch in batches):
            return f"{interventions.topic}/{interventions.partition} holds interventions"
    return None
