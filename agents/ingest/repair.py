"""What an operator does about a source: let a stopped one go on, accept that records of one are lost (`ebb ingest`)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalGenerationError, UnknownMemberIdError

from agents.host.checks import partition_counts, topic_ids
from agents.host.clients import KafkaSettings
from agents.host.process import Refusal
from agents.ingest.agent import group_of
from agents.ingest.control import ControlState, Stop, announced_record, position_record, stop_key, stop_value
from agents.ingest.merge import Source
from agents.ingest.notices import Notices
from agents.ingest.options import wall_ms
from agents.ingest.scout import Scout
from agents.ingest.writer import Writer
from schemas.base import from_ms
from schemas.journal import (
    ENTRY_VERSION,
    GapEntry,
    ProgressEntry,
    SourcesEntry,
    decode_entry,
    encode_entry,
)
from schemas.topics import DEAD_LETTERS, INBOUND, JOURNAL, Topics

_BLOCK = 5_000


class AcceptedGap(NamedTuple):
    """What was given up of a source: how many records (None: unknown), between which instants, and where reading goes
    on.
    """

    source: Source
    lost: int | None
    first: datetime
    last: datetime
    position: int


def parse_source(text: str) -> Source:
    """Read `TOPIC/PARTITION`, the topic named without prefix.

    Raises: ValueError, with a sentence, when it is none of the inbound topics.
    """
    topic, _, partition = text.rpartition("/")
    if topic not in INBOUND or not partition.isdecimal():
        raise ValueError(
            f"{text!r} is no source: give an inbound topic without prefix and a partition, as in ratings/0"
        )
    return Source(topic, int(partition))


async def stopped_sources(kafka: KafkaSettings, topics: Topics) -> dict[Source, Stop]:
    """The sources that wait for somebody to resume them."""
    state = await _control_state(kafka, topics)
    return {source: stop for source, stop in state.stops.items() if state.is_stopped(source)}


async def resume(kafka: KafkaSettings, topics: Topics, source: Source) -> Stop:
    """Let a stopped source go on, now if a worker runs, else at its next start.

    Returns: why and where it had stopped.
    Raises: Refusal when it is not stopped.
    """
    stop = (await stopped_sources(kafka, topics)).get(source)
    if stop is None:
        raise Refusal(f"{source} is not stopped.")
    async with _writer(kafka, topics) as writer:
        value = stop_value("resumed", stop.offset, stop.reason, wall_ms())
        await writer.control(stop_key(source), value)
    return stop


async def accept_gap(kafka: KafkaSettings, topics: Topics, source: Source) -> list[AcceptedGap]:
    """Give up records that are gone: tell every journal partition, then move the group's position to what is left.

    A topic that was deleted and recreated is given up as a whole, whichever of its partitions is named.

    Returns: what was given up, one for each source.
    Raises: Refusal when nothing is missing, or while a worker runs.
    """
    state = await _control_state(kafka, topics)
    counts = await partition_counts(kafka, [topics.real(source.topic), topics.real(JOURNAL)])
    partitions, journals = counts.get(topics.real(source.topic), 0), counts.get(topics.real(JOURNAL), 0)
    if source.partition >= partitions or not journals:
        raise Refusal(f"{topics.real(source.topic)}/{source.partition} or {topics.real(JOURNAL)} does not exist.")
    known = state.announced.topic_ids.get(source.topic) if state.announced is not None else None
    # Asking is only worth it where ids were told before.
    now_id = (await topic_ids(kafka, [topics.real(source.topic)])).get(topics.real(source.topic)) if known else None
    is_new = known is not None and now_id is not None and known != now_id
    asked = [Source(source.topic, number) for number in range(partitions)] if is_new else [source]
    async with _scout(kafka) as scout, _Group(kafka, topics) as group:
        finder = _Finder(topics, scout, group, state, same_topic=known is not None and known == now_id)
        gaps = [gap for one in asked if (gap := await finder.gap(one, is_new)) is not None]
        if not gaps:
            raise Refusal(f"Nothing is missing from {source}: it still holds everything that was not read.")
        values = [
            encode_entry(GapEntry(v=ENTRY_VERSION, source=str(gap.source), first=gap.first, last=gap.last))
            for gap in gaps
        ]
        announced = state.announced
        if is_new and announced is not None and now_id is not None:
            announced = msgspec.structs.replace(announced, topic_ids={**announced.topic_ids, source.topic: now_id})
            entry = SourcesEntry(
                v=ENTRY_VERSION,
                expected=announced.expected,
                since=announced.since,
                clock=announced.clock,
                topic_ids=announced.topic_ids,
            )
            values.append(encode_entry(entry))
        await group.check_empty(source)
        async with _writer(kafka, topics) as writer:
            await writer.journal([[(None, value) for value in values] for _ in range(journals)])
            await group.commit({gap.source: gap.position for gap in gaps})
            for gap in gaps:
                await writer.control(*position_record(gap.source, gap.position, wall_ms()))
                if gap.source in state.stops:
                    await writer.control(stop_key(gap.source), None)
            if announced is not None and announced is not state.announced:
                await writer.control(*announced_record(announced))
    return gaps


class _Group:
    """The consumer group's positions, without being a member."""

    def __init__(self, kafka: KafkaSettings, topics: Topics) -> None:
        self._topics = topics
        options = kafka.aiokafka_consumer() | {"group_id": group_of(topics.prefix), "auto_offset_reset": "none"}
        self._consumer: Any = AIOKafkaConsumer(**options)

    async def __aenter__(self) -> "_Group":
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    def _tp(self, source: Source) -> TopicPartition:
        return TopicPartition(self._topics.real(source.topic), source.partition)

    async def committed(self, source: Source) -> int | None:
        tp = self._tp(source)
        self._consumer.assign([tp])
        offset: int | None = await self._consumer.committed(tp)
        return offset

    async def check_empty(self, source: Source) -> None:
        """Commit what is committed: the broker refuses that while the group has members."""
        offset = await self.committed(source)
        if offset is not None:
            await self.commit({source: offset})

    async def commit(self, positions: dict[Source, int]) -> None:
        self._consumer.assign([self._tp(source) for source in positions])
        try:
            await self._consumer.commit({self._tp(source): offset for source, offset in positions.items()})
        except (CommitFailedError, UnknownMemberIdError, IllegalGenerationError) as error:
            raise Refusal("A worker is running: stop every ingest worker first, then accept the gap.") from error


@dataclass(slots=True)
class _Finder:
    topics: Topics
    scout: Scout
    group: _Group
    control: ControlState
    same_topic: bool

    async def gap(self, source: Source, is_new: bool) -> AcceptedGap | None:
        here = (self.topics.real(source.topic), source.partition)
        committed = await self.group.committed(source)
        begin, end = (await self.scout.beginnings([here]))[here], (await self.scout.ends([here]))[here]
        if committed is None:
            committed = self.control.remembered(source, end)
        # With a topic Kafka also deletes what a group committed of it, so a recreated one may have no position at all.
        if not is_new and (committed is None or begin <= committed <= end):
            return None
        lost: int | None = None
        position = begin
        if committed is not None and not is_new and committed < begin:
            lost = begin - committed
        elif committed is not None and committed > end and self.same_topic:
            # Cut, not recreated: what is left was read already.
            lost, position = committed - end, end
        oldest = await self.scout.first_record(here, position, end) if position < end else None
        last_ms = oldest.timestamp if oldest is not None and oldest.timestamp >= 0 else wall_ms()
        last = from_ms(last_ms)
        first = await self._progress(source)
        return AcceptedGap(source, lost, min(first, last) if first is not None else last, last, position)

    async def _progress(self, source: Source) -> datetime | None:
        """How far the source had been read, from the newest progress entry that names it; every partition has them
        all.
        """
        journal = (self.topics.real(JOURNAL), 0)
        begin, end = (await self.scout.beginnings([journal]))[journal], (await self.scout.ends([journal]))[journal]
        while end > begin:
            start = max(begin, end - _BLOCK)
            found: datetime | None = None
            for record in await self.scout.records(journal, start, end):
                if b'"kind":"progress"' in record.value[:24]:
                    entry = decode_entry(record.value)
                    if isinstance(entry, ProgressEntry):
                        found = entry.sources.get(str(source), found)
            if found is not None:
                return found
            end = start
        return None


async def _control_state(kafka: KafkaSettings, topics: Topics) -> ControlState:
    notices = Notices(kafka, topics)
    try:
        await notices.read()
    finally:
        await notices.stop()
    return notices.state


@asynccontextmanager
async def _writer(kafka: KafkaSettings, topics: Topics) -> AsyncIterator[Writer]:
    counts = await partition_counts(kafka, [topics.real(DEAD_LETTERS)])
    writer = Writer(
        kafka, topics, dead_letter_partitions=max(1, counts.get(topics.real(DEAD_LETTERS), 1)), now_ms=wall_ms
    )
    await writer.start()
    try:
        yield writer
    finally:
        await writer.stop()


@asynccontextmanager
async def _scout(kafka: KafkaSettings) -> AsyncIterator[Scout]:
    scout = Scout(kafka)
    await scout.start()
    try:
        yield scout
    finally:
        await scout.stop()
