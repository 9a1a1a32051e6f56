"""The loop of an ingest worker: take the next runs, digest them, write the unit, move positions, say how far we are.

One unit is under way while the next is being digested, never two: entries of a unit are acknowledged before the next
is sent. Questions to the broker that can wait (ends of sources, commits) run beside the loop, everything that decides
an order runs in it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from time import monotonic
from typing import Any

from aiokafka.errors import IllegalStateError, KafkaError
from faust.types import TP

from agents.host.chunks import ChunkConsumer
from agents.host.clients import KafkaSettings
from agents.host.failpoints import Failpoint
from agents.ingest.announce import Announcer
from agents.ingest.checks import check_position
from agents.ingest.control import announced_record, stop_key, stop_value, words_record
from agents.ingest.gate import Gate
from agents.ingest.intake import Intake, Unit, progress_value
from agents.ingest.merge import Merge, Record, Source
from agents.ingest.notices import Notices
from agents.ingest.observer import IngestObserver
from agents.ingest.options import IngestOptions
from agents.ingest.progress import RecordsClock, SourceProgress
from agents.ingest.scout import Scout
from agents.ingest.writer import Writer
from schemas.topics import FACT_TOPICS, REFERENCE_TOPICS, RULESETS, Topics

log = logging.getLogger("ebb.ingest")

LEADER = Source(RULESETS, 0)
EXPLAINING = (RULESETS, *REFERENCE_TOPICS)
# Among records of one age those come first that others rest on.
ORDER = (*EXPLAINING, *FACT_TOPICS)
IDLE_S = 0.05
PROBE_AFTER_S = 0.5
SEEK_AFTER_S = 5.0
MOST_HEALS = 50
CLOCK_EVERY_S = 30.0


class Pump:
    """One worker's ingest, from assignment to acknowledged journal entries. All methods run on the app's event loop."""

    def __init__(
        self,
        *,
        kafka: KafkaSettings,
        topics: Topics,
        options: IngestOptions,
        consumer: Callable[[], ChunkConsumer],
        journal_partitions: int,
        dead_letter_partitions: int,
        observer: IngestObserver,
        failpoint: Failpoint | None,
    ) -> None:
        self._topics = topics
        self._options = options
        self._consumer_of = consumer
        self._observer = observer
        self._failpoint = failpoint
        self._scout = Scout(kafka)
        self._writer = Writer(kafka, topics, dead_letter_partitions=dead_letter_partitions, now_ms=options.now_ms)
        self._notices = Notices(kafka, topics)
        self._announcer = Announcer(kafka, topics, options, self._scout)
        self._records_clock = RecordsClock(options.records_step_ms) if options.clock == "records" else None
        self._intake = Intake(journal_partitions, options.expand_ruleset, self._records_clock)
        self._merge = Merge(ORDER, first=EXPLAINING)
        self._progress = SourceProgress(options.intervals)
        self._gate = Gate(topics, self._scout)
        self._wanted: frozenset[Source] | None = None
        self._assigned: frozenset[Source] = frozenset()
        self._acked: dict[Source, int] = {}
        self._committed: dict[Source, int] = {}
        self._awaited_since: dict[Source, tuple[int, float]] = {}
        self._heals: dict[Source, int] = {}
        self._most_buffered = options.buffer_records
        self._under_way: asyncio.Task[None] | None = None
        self._unit: Unit | None = None
        self._beside: dict[str, asyncio.Task[None]] = {}
        self._next_at: dict[str, float] = {}
        self._has_announced = False
        self._is_open = False
        self._stopping = False
        self._wake = asyncio.Event()
        self.pulse = 0

    # what others tell us

    def assign(self, sources: Iterable[Source]) -> None:
        """The group gave us these source partitions, and no others."""
        self._wanted = frozenset(sources)
        self._wake.set()

    async def deliver(self, source: Source, records: list[Record]) -> None:
        """Take a fetched chunk. A chunk that does not follow what is here is fetched again, or refused if records are
        lost.
        """
        tail = self._merge.tail(source)
        if tail is None or not records:
            return  # not open yet: opening seeks to where it begins
        if records[0].offset > tail:
            await self._bridge(source, tail, records[0].offset)
            if self._merge.tail(source) != records[0].offset:
                return
        known = sum(record.offset < tail for record in records) if records[0].offset < tail else 0
        if known:
            self._observer.repeated(source.topic, known)
        self._merge.add(source, records)
        self._heals.pop(source, None)
        if self._merge.buffered(source) > self._most_buffered:
            self._consumer_of().hold(self._tp(source))
        self._wake.set()

    def problems(self) -> list[str]:
        """What keeps this worker from being ready, a sentence each; empty when all is well."""
        found = []
        if not self._is_open or not self._has_announced:
            found.append("ingest has not begun yet")
        if self._merge.gate_is_closed:
            found.append("reference topics are being read for the first time; facts wait")
        for source in self._merge.stopped():
            stop = self._notices.state.stops.get(source)
            reason = stop.reason if stop is not None else "too many bad records"
            found.append(f"{self._topics.real(source.topic)}/{source.partition} stopped: {reason}")
        if self._skewed():
            assert self._writer.skew is not None
            found.append(f"the clock differs from the broker's by {self._writer.skew.seconds:.0f} s")
        return found

    def lag(self) -> int:
        """Records known to exist and not acknowledged, stopped sources left out."""
        return sum(
            max(0, self._merge.end(source) - self._acked.get(source, 0))
            for source in self._merge.sources()
            if not self._merge.is_stopped(source) and self._merge.may_pass(source)
        )

    # life

    async def run(self) -> None:
        """Work until `stop`.

        Raises: Refusal when a check fails; anything else is an error after which the process must end.
        """
        try:
            await self._begin()
            while not self._stopping:
                await self._turn()
            await self._settle()
            await self._commit()
        finally:
            for task in self._beside.values():
                task.cancel()
            await asyncio.gather(*self._beside.values(), return_exceptions=True)
            await self._notices.stop()
            await self._writer.stop()
            await self._scout.stop()

    def stop(self) -> None:
        """Finish the unit under way, commit, and let `run` return."""
        self._stopping = True
        self._wake.set()

    async def _begin(self) -> None:
        await self._scout.start()
        await self._writer.start()
        await self._notices.start(self._wake.set)
        self._intake.use_words(self._notices.state.words)
        await self._read_clock()

    async def _turn(self) -> None:
        self._wake.clear()
        if self._wanted is not None:
            await self._settle()
            await self._reassign()
            return
        self._raise_beside()
        self._heed_notices()
        if not self._is_open or not await self._announced():
            await self._wait()
            return
        self._look_around()
        runs = self._merge.take(self._options.unit_records)
        unit = self._intake.digest(runs, self._options.now_ms()) if runs else None
        await self._settle()
        if unit is not None:
            for source in unit.stopped:
                self._merge.stop(source, unit.positions[source])
            self._release()
        unit = self._with_progress(unit)
        if unit is None:
            await self._wait()
            return
        self._unit = unit
        self._under_way = asyncio.create_task(self._write(unit), name="ingest-write")
        await asyncio.sleep(0)

    async def _wait(self) -> None:
        if not self._wake.is_set():
            try:
                async with asyncio.timeout(IDLE_S):
                    await self._wake.wait()
            except TimeoutError:
                return

    # units

    def _with_progress(self, unit: Unit | None) -> Unit | None:
        """Put progress that is due before the entries of a unit: it speaks of units before this one only."""
        if self._skewed():
            return unit
        if self._records_clock is not None:
            # The intake tells steps of its own; what is left is told when everything is forwarded.
            idle = unit is None and not self._merge.gate_is_closed and not self._merge.is_any_behind()
            told = self._records_clock.untold() if idle else {}
        else:
            told = self._progress.due(self._options.now_ms())
        if not told:
            return unit
        unit = unit or self._intake.unit()
        value = progress_value(told)
        for rows in unit.rows:
            rows.insert(0, (None, value))
        for source, at_ms in told.items():
            self._observer.progress(source, at_ms)
        return unit

    async def _write(self, unit: Unit) -> None:
        began = monotonic()
        if unit.dead:
            await self._writer.dead_letters(unit.dead)
            self._pass("ingest_after_dead_letter")
        await self._writer.journal(unit.rows)
        self._pass("ingest_after_journal_ack")
        for scope, words in unit.words.items():
            await self._writer.control(*words_record(scope, words))
        for source, reason in unit.stopped.items():
            log.error("%s stopped at offset %d: %s", source, unit.positions[source], reason)
            stop = stop_value("stopped", unit.positions[source], reason, self._options.now_ms())
            await self._writer.control(stop_key(source), stop)
            self._notices.state.apply(stop_key(source), stop)
        self._observer.unit(sum(unit.counts.values()), monotonic() - began)

    async def _settle(self) -> None:
        """Wait for the unit under way, then move positions and progress."""
        if self._under_way is None or self._unit is None:
            return
        task, unit = self._under_way, self._unit
        self._under_way = self._unit = None
        await task
        now_ms = self._options.now_ms()
        for source, position in unit.positions.items():
            if source in self._assigned:
                self._acked[source] = position
                self._progress.forwarded(source, unit.newest[source], now_ms)
                self._observer.lag(source, max(0, self._merge.end(source) - position))
            self._gate.forwarded(source, position)
        for topic, records in unit.counts.items():
            self._observer.forwarded(topic, records)
        for letter in unit.dead:
            self._observer.dead_letter(letter.source.topic, letter.rejected.reason)
        for source, reason in unit.stopped.items():
            self._consumer_of().hold(self._tp(source))
            self._observer.red(source, reason)
        self.pulse += 1

    def _release(self) -> None:
        consumer = self._consumer_of()
        for tp in consumer.held():
            source = self._source(tp)
            if self._merge.buffered(source) <= self._most_buffered // 2 and not self._merge.is_stopped(source):
                consumer.release(tp)

    # assignment

    async def _reassign(self) -> None:
        assert self._wanted is not None
        consumer = self._consumer_of()
        wanted = self._wanted
        for source in self._assigned - wanted:
            self._merge.close(source)
            self._intake.forget(source)
            self._acked.pop(source, None)
            self._committed.pop(source, None)
            consumer.release(self._tp(source))
            self._observer.red(source, None)
        self._assigned &= wanted
        added = {source: self._tp(source) for source in sorted(wanted - self._assigned)}
        committed = await consumer.committed_offsets(added.values())
        begins = await consumer.beginning_offsets(added.values())
        ends = await consumer.end_offsets(added.values())
        if not self._is_open:
            counted = await self._announcer.sources()
            # A records clock would run ahead to the newest pair before the first fact; there, age alone decides.
            if self._records_clock is None:
                self._merge.gate_is_closed = await self._gate.close(counted, consumer, self._notices.state)
        positions: dict[TP, int] = {}
        for source, tp in added.items():
            kept = committed[tp]
            check_position(self._topics, source, kept, begins[tp], ends[tp])
            stop = self._notices.state.stops.get(source)
            position = max(begins[tp] if kept is None else kept, stop.offset if stop is not None else 0)
            self._merge.open(source, position, ends[tp])
            self._acked[source] = position
            positions[tp] = position
            if self._notices.state.is_stopped(source):
                assert stop is not None
                self._merge.stop(source, position)
                consumer.hold(tp)
                self._observer.red(source, stop.reason)
        if LEADER in added:
            self._has_announced = False
        self._assigned = wanted
        self._progress.keep(sorted(wanted))
        self._most_buffered = max(1_000, self._options.buffer_records // max(1, len(wanted)))
        if self._wanted is wanted:
            self._wanted = None
        self._is_open = True
        self._next_at.clear()
        try:
            await consumer.seek_to(positions)
        except IllegalStateError:
            log.info("the assignment changed while it was being taken over; the next one follows")
        log.info("%d source partitions, %d of them new", len(wanted), len(added))

    async def _announced(self) -> bool:
        """Whether the journal knows its sources; the owner of `rulesets/0` tells it what is new, the others wait for
        that.
        """
        if self._has_announced:
            return True
        before = self._notices.state.announced
        if LEADER not in self._assigned:
            self._has_announced = before is not None
            return self._has_announced
        await self._settle()
        now = await self._announcer.current(before)
        unit = self._intake.unit()
        words = await self._announcer.write(unit, before, now)
        await self._writer.journal(unit.rows)
        if words is not None:
            self._intake.use_words({"*": words})
            await self._writer.control(*words_record("*", words))
        if now != before:
            await self._writer.control(*announced_record(now))
        self._has_announced = True
        return True

    def _heed_notices(self) -> None:
        """Do what changed on the control topic asks for."""
        self._notices.check()
        for source in self._merge.stopped():
            if not self._notices.state.is_stopped(source) and source not in (self._unit.stopped if self._unit else ()):
                position = self._merge.resume(source)
                self._intake.forget(source)
                self._observer.red(source, None)
                log.info("%s resumed at offset %d", source, position)
                self._run_beside(f"resume {source}", self._fetch_from(source, position))
        if self._notices.words_changed:
            self._notices.words_changed = False
            self._intake.use_words(self._notices.state.words)

    async def _fetch_from(self, source: Source, position: int) -> None:
        await self._seek(source, position)
        self._consumer_of().release(self._tp(source))

    # beside the loop

    def _look_around(self) -> None:
        options = self._options
        self._every("look", options.look_every_s, self._look)
        self._every("commit", options.commit_every_s, self._commit)
        if LEADER in self._assigned:
            self._every("survey", options.survey_every_s, self._survey)
        if self._skewed():
            self._every("clock", CLOCK_EVERY_S, self._read_clock)

    def _every(self, name: str, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        now = monotonic()
        if now >= self._next_at.get(name, 0.0) and name not in self._beside:
            self._next_at[name] = now + seconds
            self._run_beside(name, work())

    def _run_beside(self, name: str, work: Awaitable[None]) -> None:
        self._beside[name] = asyncio.ensure_future(work)
        self._beside[name].add_done_callback(lambda _: self._wake.set())

    def _raise_beside(self) -> None:
        for name, task in list(self._beside.items()):
            if task.done():
                del self._beside[name]
                task.result()

    async def _look(self) -> None:
        """Look up where sources end now, and learn from it what is behind, what is caught up and what was cut off."""
        sources = self._merge.sources()
        looked_ms = self._options.now_ms()
        ends = await self._consumer_of().end_offsets([self._tp(source) for source in sources])
        for source in sources:
            if source not in self._assigned or self._wanted is not None:
                continue
            end, acked = ends[self._tp(source)], self._acked[source]
            if end < acked:
                check_position(self._topics, source, acked, 0, end)
            self._merge.know_end(source, end)
            if acked >= end and not self._merge.is_stopped(source):
                self._progress.caught_up(source, looked_ms, self._options.now_ms())
            self._observer.lag(source, max(0, end - acked))
        for source, tail, end in self._merge.awaited():
            await self._probe(source, tail, end)
        if self._merge.gate_is_closed:
            self._merge.gate_is_closed = await self._gate.is_closed(self._consumer_of(), self._notices.state)

    async def _probe(self, source: Source, tail: int, end: int) -> None:
        """A source is behind and nothing of it comes: nothing may be there but markers, or the fetch lost its way."""
        since_tail, since = self._awaited_since.get(source, (-1, 0.0))
        if since_tail != tail:
            self._awaited_since[source] = (tail, monotonic())
            return
        waited = monotonic() - since
        if waited < PROBE_AFTER_S:
            return
        place = (self._topics.real(source.topic), source.partition)
        if await self._scout.first_record(place, tail, end) is None:
            # Only when all before it is acknowledged, so that the position may move along.
            if self._merge.tail(source) == tail and self._acked.get(source) == tail:
                self._merge.skip_to(source, end)
                self._acked[source] = end
        elif waited > SEEK_AFTER_S:
            self._awaited_since[source] = (tail, monotonic())
            log.warning("%s does not come although it has more: fetching again from offset %d", source, tail)
            await self._seek(source, tail)

    async def _bridge(self, source: Source, tail: int, first: int) -> None:
        """A chunk begins beyond what should come next: go on if nothing readable stands between, else fetch that
        first.
        """
        place = (self._topics.real(source.topic), source.partition)
        begin = (await self._scout.beginnings([place]))[place]
        check_position(self._topics, source, tail, begin, max(first, tail))
        missing = await self._scout.first_record(place, tail, first)
        if self._merge.tail(source) != tail:
            return
        if missing is None:
            self._merge.skip_to(source, first)
            return
        self._heals[source] = self._heals.get(source, 0) + 1
        if self._heals[source] > MOST_HEALS:
            raise RuntimeError(f"{source}: offset {tail} was never delivered, although offset {first} was")
        await self._seek(source, tail)

    async def _seek(self, source: Source, offset: int) -> None:
        try:
            await self._consumer_of().seek_to({self._tp(source): offset})
        except IllegalStateError:
            log.info("%s is being taken away; its next owner reads on", source)

    async def _commit(self) -> None:
        moved = {
            source: position for source, position in self._acked.items() if self._committed.get(source) != position
        }
        if not moved:
            return
        self._pass("ingest_before_offset_commit")
        try:
            await self._consumer_of().commit_positions({self._tp(source): offset for source, offset in moved.items()})
        except (KafkaError, TimeoutError) as error:
            # Normal while the group rebalances; what is not committed is forwarded again and recognised.
            log.info("positions not committed now: %s", type(error).__name__)
            return
        self._committed.update(moved)

    async def _survey(self) -> None:
        before = self._notices.state.announced
        if before is not None and await self._announcer.has_new_sources(before):
            self._has_announced = False

    async def _read_clock(self) -> None:
        await self._writer.control(b"clock", b"{}")

    def _skewed(self) -> bool:
        return self._options.clock == "wall" and self._writer.skew is not None and self._writer.skew.is_too_large()

    # names

    def _tp(self, source: Source) -> TP:
        return TP(self._topics.real(source.topic), source.partition)

    def _source(self, tp: Any) -> Source:
        return Source(self._topics.catalogue(tp.topic) or tp.topic, tp.partition)

    def _pass(self, name: str) -> None:
        if self._failpoint is not None:
            self._failpoint(name)
