"""Making the state anew from the journal where it was lost or cut (`ebb state rebuild`).

The engine is a function of the journal, so folding it from its beginning gives every row again, and every intervention
in the same order and bytes. Those that stand on the topic already are recognised and left alone; only what is missing
after the last of them is published. All of a partition becomes visible in one transaction, so a rebuild that is
interrupted has changed nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from agents.host.checks import LaneTopics, Topology, host_row, topology_of
from agents.host.clients import KafkaSettings
from agents.host.fold import HOST_KEY, POSITION_KEY, Fold, Message
from agents.host.process import Refusal
from agents.host.transactions import TransactionalWriter
from agents.reading import Reader, has_members

ANSWER_S: Final = 15.0
TRANSACTION_S: Final = 600.0


class Rebuilt(NamedTuple):
    """What became of one partition: entries folded, rows written, interventions found there and published now."""

    partition: int
    entries: int
    rows: int
    known: int
    published: int


async def rebuild(
    kafka: KafkaSettings,
    topics: LaneTopics,
    group: str,
    fold_of: Callable[[int], Fold],
    partitions: Iterable[int] | None = None,
) -> list[Rebuilt]:
    """Fold partitions of the journal from their beginning and write what they give.

    Args:
        group: consumer group of the engine, which must have no members.
        fold_of: makes the empty fold of a partition.
        partitions: default: all.

    Raises: Refusal when workers run, when the journal has lost its beginning, or when the interventions on the topic
        are not those of the journal.
    """
    topology = await topology_of(kafka, topics)
    await asyncio.to_thread(_check_nobody_works, kafka, group)
    numbers = sorted(set(range(topology.partitions) if partitions is None else partitions))
    if beyond := [number for number in numbers if number >= topology.partitions]:
        raise Refusal(f"{topics.journal} has {topology.partitions} partitions, there is no {beyond[0]}.")
    return [await _rebuild(kafka, topics, topology, number, fold_of(number)) for number in numbers]


async def _rebuild(kafka: KafkaSettings, topics: LaneTopics, topology: Topology, partition: int, fold: Fold) -> Rebuilt:
    writer = TransactionalWriter(
        kafka,
        topics.transactional_id(partition),
        partition,
        interventions=topics.interventions,
        state=topics.state,
        timeout_s=TRANSACTION_S,
        passing=lambda _: None,
    )
    try:
        await writer.own()
        messages, rows, entries = await asyncio.to_thread(_folded, kafka, topics, partition, fold)
        known, there, begin = await asyncio.to_thread(_present, kafka, topics, partition)
        missing = _missing(f"{topics.interventions}/{partition}", messages, known)
        position = rows.pop(POSITION_KEY, None)
        if position is None:
            return Rebuilt(partition, 0, 0, len(known), 0)  # an empty journal has no state
        stale: list[tuple[bytes, bytes | None]] = [(key, None) for key in there - rows.keys()]
        written = [(HOST_KEY, host_row(topology, begin)), *stale, *rows.items(), (POSITION_KEY, position)]
        await writer.commit(missing, written)
    finally:
        await writer.stop()
    return Rebuilt(partition, entries, len(rows), len(known), len(missing))


def _check_nobody_works(kafka: KafkaSettings, group: str) -> None:
    if has_members(kafka, group):
        raise Refusal(
            "A worker is running: stop every engine worker first, then rebuild. One that was killed or refused to "
            "start still counts until its session is over (EBB_SESSION_TIMEOUT_S)."
        )


def _folded(
    kafka: KafkaSettings, topics: LaneTopics, partition: int, fold: Fold
) -> tuple[list[Message], dict[bytes, bytes], int]:
    """Everything the journal partition gives: interventions in order, rows by key, and of how many entries."""
    place = (topics.journal, partition)
    messages: list[Message] = []
    rows: dict[bytes, bytes] = {}
    entries = 0

    def flush() -> None:
        flushed = fold.flush()
        messages.extend(flushed.interventions)
        for key, value in flushed.rows:
            if value is None:
                rows.pop(key, None)
            else:
                rows[key] = value

    with Reader(kafka) as reader:
        stretches = reader.stretches([place])
        if begin := stretches[place].begin:
            raise Refusal(
                f"{place[0]}/{partition} begins at {begin}: its head is gone, and with it what state was made from. "
                f"Restore {topics.state}, or choose a new topic prefix and send the facts again."
            )
        for record in reader.read(stretches):
            while not fold.apply(record.offset(), record.value()):
                flush()
            entries += 1
            if fold.pending() >= 20_000:
                flush()
    if entries:
        flush()
    return messages, rows, entries


def _present(kafka: KafkaSettings, topics: LaneTopics, partition: int) -> tuple[list[Any], set[bytes], int]:
    """Interventions there are, keys of state there are, and where the state topic begins."""
    out, state = (topics.interventions, partition), (topics.state, partition)
    keys: set[bytes] = set()
    with Reader(kafka) as reader:
        published = list(reader.read(reader.stretches([out])))
        stretches = reader.stretches([state])
        for record in reader.read(stretches):
            if record.value() is None:
                keys.discard(record.key())
            else:
                keys.add(record.key())
    return published, keys - {HOST_KEY, POSITION_KEY}, stretches[state].begin


def _missing(place: str, messages: list[Message], published: list[Any]) -> list[Message]:
    """What comes after the last intervention that stands on the topic.

    Raises: Refusal when what stands there is no stretch of what the journal gives.
    """
    if not published:
        return messages
    there = [Message(m.key(), m.value(), m.timestamp()[1], m.headers() or []) for m in published]
    last = next((number for number in range(len(messages) - 1, -1, -1) if messages[number] == there[-1]), None)
    if last is None or messages[max(0, last + 1 - len(there)) : last + 1] != there:
        raise Refusal(
            f"{place} holds interventions that are not among the {len(messages):,} of the journal: other code or "
            "another journal made them. Restore the state, or move the interventions away and rebuild, which "
            "publishes all."
        )
    return messages[last + 1 :]
