"""The loop of an ingest worker: take the next runs, digest them, write the unit, move positions, say how far we are.

One unit is under way while the next is being digested, never two: entries of a unit are acknowledged before the next
is sent. Questions to the broker that can wait (ends of sources, commits) run beside the loop, everything that decides
an order runs in it.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from time import monotonic

from agents.host.chunks import Chunk, ChunkConsumer
from agents.host.clients import KafkaSettings
from agents.host.failpoints import Failpoint
from agents.ingest.announce import Announcer
from agents.ingest.beside import Beside
from agents.ingest.control import announced_record, position_record, stop_key, stop_value, words_record
from agents.ingest.intake import Intake, Unit, progress_value
from agents.ingest.merge import Source
from agents.ingest.notices import Notices
from agents.ingest.observer import IngestObserver
from agents.ingest.options import IngestOptions
from agents.ingest.progress import RecordsClock
from agents.ingest.scout import Scout
from agents.ingest.sources import Sources
from agents.ingest.writer import Writer
from schemas.topics import DEAD_LETTERS, JOURNAL, RULESETS, Topics

log = logging.getLogger("ebb.ingest")

LEADER = Source(RULESETS, 0)
IDLE_S = 0.05
CLOCK_EVERY_S = 30.0
REMEMBER_EVERY_S = 60.0
PATIENCE_S = 10.0


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
        self._observer = observer
        self._failpoint = failpoint
        self._scout = Scout(kafka)
        self._writer = Writer(kafka, topics, dead_letter_partitions=dead_letter_partitions, now_ms=options.now_ms)
        self._notices = Notices(kafka, topics)
        self._announcer = Announcer(kafka, topics, options, self._scout)
        self._records_clock = RecordsClock(options.records_step_ms) if options.clock == "records" else None
        self._intake = Intake(journal_partitions, options.expand_ruleset, self._records_clock)
        self._wake = asyncio.Event()
        self._sources = Sources(
            topics=topics,
            options=options,
            consumer=consumer,
            scout=self._scout,
            announcer=self._announcer,
            observer=observer,
            failpoint=failpoint,
            arrived=self._wake.set,
        )
        self._merge = self._sources.merge
        self._beside = Beside(self._wake.set)
        self._wanted: frozenset[Source] | None = None
        self._under_way: asyncio.Task[None] | None = None
        self._unit: Unit | None = None
        self._unit_began = 0.0
        self._has_announced = False
        self._is_open = False
        self._stopping = False
        self.pulse = 0

    # what others tell us

    def assign(self, sources: Iterable[Source]) -> None:
        """The group gave us these source partitions, and no others."""
        self._wanted = frozenset(sources)
        self._wake.set()

    async def deliver(self, source: Source, chunk: Chunk) -> None:
        """Take a fetched chunk. Raises: Refusal when records before it are lost."""
        await self._sources.deliver(source, chunk)

    def lag(self) -> int:
        """Records known to exist and not acknowledged, stopped and waiting sources left out."""
        return self._sources.lag()

    def waits_for_leader(self) -> bool:
        """Whether writes are not acknowledged because a partition has no leader: a restart would not change that. Safe
        to call from any thread.
        """
        return self._under_way is not None and self._writer.lacks_leader()

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
        if self._under_way is not None and (waits_s := monotonic() - self._unit_began) > PATIENCE_S:
            topics = f"{self._topics.real(JOURNAL)} or {self._topics.real(DEAD_LETTERS)}"
            found.append(f"{topics} has not acknowledged what was written {waits_s:.0f} s ago")
        if self._skewed():
            assert self._writer.skew is not None
            found.append(f"the clock differs from the broker's by {self._writer.skew.seconds:.0f} s")
        return found

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
            await self._sources.commit()
            await self._remember()
        finally:
            await self._beside.stop()
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
        self._beside.check()
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
            self._sources.release()
        unit = self._with_progress(unit)
        if unit is None:
            await self._wait()
            return
        self._unit, self._unit_began = unit, monotonic()
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
            told = self._sources.progress.due(self._options.now_ms())
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
        await asyncio.gather(self._write_dead_letters(unit), self._writer.journal(unit.rows))
        self._pass("ingest_after_journal_ack")
        for scope, words in unit.words.items():
            await self._writer.control(*words_record(scope, words))
        for source, reason in unit.stopped.items():
            log.error("%s stopped at offset %d: %s", source, unit.positions[source], reason)
            stop = stop_value("stopped", unit.positions[source], reason, self._options.now_ms())
            await self._writer.control(stop_key(source), stop)
            self._notices.state.apply(stop_key(source), stop)
        self._observer.unit(sum(unit.counts.values()), monotonic() - began)

    async def _write_dead_letters(self, unit: Unit) -> None:
        if unit.dead:
            await self._writer.dead_letters(unit.dead)
            self._pass("ingest_after_dead_letter")

    async def _settle(self) -> None:
        """Wait for the unit under way, then move positions and progress."""
        if self._under_way is None or self._unit is None:
            return
        task, unit = self._under_way, self._unit
        await task  # still under way for `problems`: this is where a worker waits whose writes are not acknowledged
        self._under_way = self._unit = None
        self._sources.settled(unit, self._options.now_ms())
        for topic, records in unit.counts.items():
            self._observer.forwarded(topic, records)
        for letter in unit.dead:
            self._observer.dead_letter(letter.source.topic, letter.rejected.reason)
        for source, reason in unit.stopped.items():
            self._observer.red(source, reason)
        # Progress alone is no sign of life: it goes on being written while nothing of what waits comes through.
        self.pulse += bool(unit.positions)

    # assignment

    async def _reassign(self) -> None:
        assert self._wanted is not None
        wanted = self._wanted
        for source in self._sources.assigned - wanted:
            self._intake.forget(source)
        # A records clock would run ahead to the newest pair before the first fact; there, age alone decides.
        checks_gate = not self._is_open and self._records_clock is None
        added = await self._sources.take_over(wanted, self._notices.state, checks_gate)
        if LEADER in added:
            self._has_announced = False
        if self._wanted is wanted:
            self._wanted = None
        self._is_open = True
        self._beside.at_once()

    async def _announced(self) -> bool:
        """Whether the journal knows its sources; the owner of `rulesets/0` tells it what is new, the others wait for
        that.
        """
        if self._has_announced:
            return True
        before = self._notices.state.announced
        if LEADER not in self._sources.assigned:
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
                self._beside.run(f"resume {source}", self._sources.fetch_from(source, position))
        if self._notices.words_changed:
            self._notices.words_changed = False
            self._intake.use_words(self._notices.state.words)

    # beside the loop

    def _look_around(self) -> None:
        options = self._options
        self._beside.every("look", options.look_every_s, lambda: self._sources.look(self._notices.state))
        self._beside.every("commit", options.commit_every_s, self._sources.commit)
        self._beside.every("remember", REMEMBER_EVERY_S, self._remember)
        if LEADER in self._sources.assigned:
            self._beside.every("survey", options.survey_every_s, self._survey)
        if self._skewed():
            self._beside.every("clock", CLOCK_EVERY_S, self._read_clock)

    async def _survey(self) -> None:
        before = self._notices.state.announced
        if before is not None and await self._announcer.has_new_sources(before):
            self._has_announced = False

    async def _remember(self) -> None:
        """Keep the group's positions where no broker forgets them."""
        news = self._sources.unremembered(self._notices.state)
        if news:
            now_ms = self._options.now_ms()
            await self._writer.controls(position_record(source, offset, now_ms) for source, offset in news.items())

    async def _read_clock(self) -> None:
        await self._writer.control(b"clock", b"{}")

    def _skewed(self) -> bool:
        return self._options.clock == "wall" and self._writer.skew is not None and self._writer.skew.is_too_large()

    def _pass(self, name: str) -> None:
        if self._failpoint is not None:
            self._failpoint(name)
