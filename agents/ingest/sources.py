"""The source partitions of one worker: where each of them stands in the group, on the broker and in the merge."""

import logging
from collections.abc import Callable
from time import monotonic
from typing import Any

from aiokafka.errors import IllegalStateError, KafkaError
from faust.types import TP

from agents.host.chunks import Chunk, ChunkConsumer
from agents.host.failpoints import Failpoint
from agents.ingest.announce import Announcer
from agents.ingest.checks import check_position
from agents.ingest.control import ControlState
from agents.ingest.gate import Gate
from agents.ingest.intake import Unit
from agents.ingest.merge import Merge, Source
from agents.ingest.observer import IngestObserver
from agents.ingest.options import IngestOptions
from agents.ingest.progress import SourceProgress
from agents.ingest.scout import Scout
from schemas.topics import FACT_TOPICS, REFERENCE_TOPICS, RULESETS, Topics

log = logging.getLogger("ebb.ingest")

EXPLAINING = (RULESETS, *REFERENCE_TOPICS)
# Among records of one age those come first that others rest on.
ORDER = (*EXPLAINING, *FACT_TOPICS)
PROBE_AFTER_S = 0.5
SEEK_AFTER_S = 5.0
MOST_HEALS = 50


class Sources:
    """What was assigned to us, and how far each of it has been fetched, acknowledged and committed.

    Attributes:
        merge: buffers and order.
        progress: how far in time.
        assigned: the source partitions that are ours.
        acked: the next offset of each that is not yet acknowledged by the journal.
    """

    def __init__(
        self,
        *,
        topics: Topics,
        options: IngestOptions,
        consumer: Callable[[], ChunkConsumer],
        scout: Scout,
        announcer: Announcer,
        observer: IngestObserver,
        failpoint: Failpoint | None,
        arrived: Callable[[], None],
    ) -> None:
        """Start without sources; `arrived` is called after each chunk."""
        self._topics = topics
        self._options = options
        self._consumer_of = consumer
        self._scout = scout
        self._announcer = announcer
        self._observer = observer
        self._failpoint = failpoint
        self._arrived = arrived
        self._gate = Gate(topics, scout)
        self._committed: dict[Source, int] = {}
        self._awaited_since: dict[Source, tuple[int, float]] = {}
        self._sought_at: dict[Source, tuple[int, float]] = {}
        self._read_to: dict[Source, tuple[int, int]] = {}  # (tail, where what is readable goes on)
        self._heals: dict[Source, int] = {}
        self._most_buffered = options.buffer_records
        self.merge = Merge(ORDER, first=EXPLAINING)
        self.progress = SourceProgress(options.intervals)
        self.assigned: frozenset[Source] = frozenset()
        self.acked: dict[Source, int] = {}

    async def take_over(self, wanted: frozenset[Source], control: ControlState, checks_gate: bool) -> frozenset[Source]:
        """Make the assignment ours: drop what went, open what came where the group left off.

        Args:
            checks_gate: whether facts may have to wait because this is the first start.

        Returns: what came.
        Raises: Refusal when records of a new source were lost, or when an inbound topic is missing.
        """
        consumer = self._consumer_of()
        for source in self.assigned - wanted:
            self.merge.close(source)
            self.acked.pop(source, None)
            self._committed.pop(source, None)
            self._sought_at.pop(source, None)
            self._read_to.pop(source, None)
            consumer.release(self._tp(source))
            self._observer.red(source, None)
        self.assigned &= wanted
        added = {source: self._tp(source) for source in sorted(wanted - self.assigned)}
        committed = await consumer.committed_offsets(added.values())
        begins = await consumer.beginning_offsets(added.values())
        ends = await consumer.end_offsets(added.values())
        if checks_gate:
            counted = await self._announcer.sources()
            self.merge.gate_is_closed = await self._gate.close(counted, consumer, control)
        positions: dict[TP, int] = {}
        for source, tp in added.items():
            kept = committed[tp]
            if kept is None:
                kept = control.remembered(source, ends[tp])
            check_position(self._topics, source, kept, begins[tp], ends[tp])
            stop = control.stops.get(source)
            position = max(begins[tp] if kept is None else kept, stop.offset if stop is not None else 0)
            self.merge.open(source, position, ends[tp])
            self._sought_at[source] = (position, monotonic())
            self.acked[source] = position
            positions[tp] = position
            if control.is_stopped(source):
                assert stop is not None
                self.merge.stop(source, position)
                consumer.hold(tp)
                self._observer.red(source, stop.reason)
        self.assigned = wanted
        self.progress.keep(sorted(wanted))
        self._most_buffered = max(1_000, self._options.buffer_records // max(1, len(wanted)))
        try:
            await consumer.seek_to(positions)
        except IllegalStateError:
            log.info("the assignment changed while it was being taken over; the next one follows")
        log.info("%d source partitions, %d of them new", len(wanted), len(added))
        return frozenset(added)

    async def deliver(self, source: Source, chunk: Chunk) -> None:
        """Take a fetched chunk. If it does not follow what is here, what lies between is fetched first, or refused if
        it is lost.
        """
        tail, records = self.merge.tail(source), chunk.records
        if tail is None or not records:
            return  # not open yet: opening seeks to where it begins
        of_tail, read_to = self._read_to.get(source, (tail, tail))
        if chunk.begin > (read_to if of_tail == tail else tail):
            await self._fetch_missing(source, tail)
            return
        if records[0].offset > tail:  # nothing readable stands between: compaction, control records
            self.merge.skip_to(source, records[0].offset)
        known = sum(record.offset < tail for record in records) if records[0].offset < tail else 0
        if known:
            self._observer.repeated(source.topic, known)
        self.merge.add(source, records)
        if self.merge.tail(source) == records[-1].offset + 1:
            self._read_to[source] = (records[-1].offset + 1, chunk.end)
        self._heals.pop(source, None)
        self._sought_at.pop(source, None)
        if self.merge.buffered(source) > self._most_buffered:
            self._consumer_of().hold(self._tp(source))
        self._arrived()

    def lag(self) -> int:
        """Records known to exist and not acknowledged, stopped sources left out."""
        return sum(
            max(0, self.merge.end(source) - self.acked.get(source, 0))
            for source in self.merge.sources()
            if not self.merge.is_stopped(source) and self.merge.may_pass(source)
        )

    def release(self) -> None:
        """Let sources come again whose buffers have room."""
        consumer = self._consumer_of()
        for tp in consumer.held():
            source = self._source(tp)
            if self.merge.buffered(source) <= self._most_buffered // 2 and not self.merge.is_stopped(source):
                consumer.release(tp)

    async def look(self, control: ControlState) -> None:
        """Look up where sources end now, and learn from it what is behind, what is caught up and what was cut off."""
        sources = self.merge.sources()
        looked_ms = self._options.now_ms()
        ends = await self._consumer_of().end_offsets([self._tp(source) for source in sources])
        for source in sources:
            if source not in self.assigned:
                continue
            end, acked = ends[self._tp(source)], self.acked[source]
            if end < acked:
                check_position(self._topics, source, acked, 0, end)
            self.merge.know_end(source, end)
            if acked >= end and not self.merge.is_stopped(source):
                self.progress.caught_up(source, looked_ms, self._options.now_ms())
            self._observer.lag(source, max(0, end - acked))
        if self._consumer_of().flow_active:  # nothing comes during a rebalance, and what comes after it is sought anew
            await self._look_for_awaited()
        else:
            self._awaited_since.clear()
        if self.merge.gate_is_closed:
            self.merge.gate_is_closed = await self._gate.is_closed(self._consumer_of(), control)

    async def _look_for_awaited(self) -> None:
        """Sources are behind and nothing of them comes: nothing may be there but markers, or the fetch lost its way.

        All of them are asked about at once and fetched again at once: one after the other, on a busy machine, they took
        minutes.
        """
        now, waited = monotonic(), dict[Source, float]()
        ranges = dict[Source, tuple[int, int]]()
        for source, tail, end in self.merge.awaited():
            since_tail, since = self._awaited_since.get(source, (-1, now))
            if since_tail != tail:
                self._awaited_since[source] = (tail, now)
            elif now - since >= PROBE_AFTER_S:
                ranges[source], waited[source] = (tail, end), now - since
        if not ranges:
            return
        place = {source: (self._topics.real(source.topic), source.partition) for source in ranges}
        begins = await self._scout.beginnings(place.values())
        for source, (tail, end) in ranges.items():
            check_position(self._topics, source, tail, begins[place[source]], max(tail, end))
        firsts = await self._scout.first_records({place[source]: range_ for source, range_ in ranges.items()})
        lost = dict[Source, int]()
        for source, (tail, end) in ranges.items():
            if self.merge.tail(source) != tail:
                continue  # it came, or went, meanwhile
            if firsts[place[source]] is not None:
                if waited[source] > SEEK_AFTER_S:
                    lost[source] = tail
            elif self.acked.get(source) == tail:  # all before it is acknowledged, so the position may move along
                self.merge.skip_to(source, end)
                self.acked[source] = end
        if lost:
            listed = ", ".join(f"{source} from offset {tail}" for source, tail in lost.items())
            log.warning("sources do not come although they have more, fetching again: %s", listed)
        for source, tail in lost.items():
            self._awaited_since[source] = (tail, monotonic())
            await self._seek(source, tail)

    async def _fetch_missing(self, source: Source, tail: int) -> None:
        """A chunk was fetched from beyond what should come next. Fetch that first; the chunk comes again after it."""
        sought, at = self._sought_at.get(source, (-1, 0.0))
        if sought == tail and monotonic() - at < SEEK_AFTER_S:
            return  # fetched before we sought, like others that may be under way; what is missing comes behind them
        place = (self._topics.real(source.topic), source.partition)
        begin = (await self._scout.beginnings([place]))[place]
        check_position(self._topics, source, tail, begin, max(begin, tail))
        if self.merge.tail(source) != tail:
            return
        self._heals[source] = self._heals.get(source, 0) + 1
        if self._heals[source] > MOST_HEALS:
            raise RuntimeError(f"{source}: offset {tail} was never delivered, although later ones were")
        await self._seek(source, tail)

    async def commit(self) -> None:
        """Commit acknowledged positions to the group."""
        moved = {source: position for source, position in self.acked.items() if self._committed.get(source) != position}
        if not moved:
            return
        if self._failpoint is not None:
            self._failpoint("ingest_before_offset_commit")
        try:
            await self._consumer_of().commit_positions({self._tp(source): offset for source, offset in moved.items()})
        except (KafkaError, TimeoutError) as error:
            # Normal while the group rebalances; what is not committed is forwarded again and recognised.
            log.info("positions not committed now: %s", type(error).__name__)
            return
        self._committed.update(moved)

    def unremembered(self, control: ControlState) -> dict[Source, int]:
        """Positions the group has, and the control topic has not."""
        return {source: offset for source, offset in self._committed.items() if control.positions.get(source) != offset}

    async def fetch_from(self, source: Source, position: int) -> None:
        """Let a resumed source come again, from `position`."""
        await self._seek(source, position)
        self._consumer_of().release(self._tp(source))

    async def _seek(self, source: Source, offset: int) -> None:
        self._sought_at[source] = (offset, monotonic())
        try:
            await self._consumer_of().seek_to({self._tp(source): offset})
        except IllegalStateError:
            log.info("%s is being taken away; its next owner reads on", source)

    def _tp(self, source: Source) -> TP:
        return TP(self._topics.real(source.topic), source.partition)

    def _source(self, tp: Any) -> Source:
        return Source(self._topics.catalogue(tp.topic) or tp.topic, tp.partition)

    def settled(self, unit: Unit, now_ms: int) -> None:
        """Everything of a unit is acknowledged: move positions and progress."""
        for source, position in unit.positions.items():
            if source in self.assigned:
                self.acked[source] = position
                self.progress.forwarded(source, unit.newest[source], now_ms)
                self._observer.lag(source, max(0, self.merge.end(source) - position))
            self._gate.forwarded(source, position)
        for source in unit.stopped:
            self._consumer_of().hold(self._tp(source))
