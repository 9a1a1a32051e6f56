"""One spell as the notifier that works: own the log, make the desk again, then decide and send until the end.

The order that makes it safe: a record's decision and the position after it are one transaction; an attempt is logged
before it is made; what the log does not say has not happened.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from agents.host.clients import KafkaSettings
from agents.notifier.config import Config
from agents.notifier.delivery_log import DeliveryLog, Letter
from agents.notifier.dispatch import Dispatcher
from agents.notifier.metrics import NotifierMetrics
from agents.notifier.parcel import Parcel, Sender
from agents.notifier.render import Renderer
from agents.notifier.restore import PROGRAMS, Position, Programs, restore
from agents.notifier.store import Store
from schemas.dead_letters import ATTEMPT, EXCEPTION, MESSAGE, OFFSET, PARTITION, TOPIC
from schemas.outbound import Intervention, ce_headers, ce_source, decode_intervention
from schemas.topics import DEAD_LETTERS, DELIVERIES, INTERVENTIONS, Topics
from streams.delivery.case import Message
from streams.delivery.desk import Desk
from streams.delivery.entries import Entry, row_of
from streams.delivery.people import Directory, Line
from streams.delivery.sending import reload

log = logging.getLogger("ebb.notifier")

LOOK_MS: Final = 200
_MOST_RECORDS: Final = 1_000
_WATER_EVERY_S: Final = 10.0


class Session:
    """See the module.

    Args:
        consumer: a member of the group that has been given every partition of `interventions`.
        senders: how each line is reached.
        programs: kept up to date by whoever hosts us.
        failed: called when going on would be wrong; expected to end the process.
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        kafka: KafkaSettings,
        topics: Topics,
        config: Config,
        senders: Mapping[Line, Sender],
        programs: Programs,
        *,
        renderer: Renderer,
        metrics: NotifierMetrics,
        group: str,
        folder: Path | None,
        replayed: bool,
        failed: Callable[[str, BaseException], None],
        passing: Callable[[str], None],
    ) -> None:
        self._consumer = consumer
        self._kafka = kafka
        self._topics = topics
        self._renderer = renderer
        self._metrics = metrics
        self._passing = passing
        self._failed = failed
        recipients = [one.recipient() for one in config.recipients]
        self._programs = programs
        self.store: Final = Store(folder)
        directory = Directory(recipients, programs.known)
        self.desk: Final = Desk(directory, config.policy.policy(replayed=replayed), self.store.decided)
        self._log = DeliveryLog(
            kafka,
            topic=topics.real(DELIVERIES),
            group=group,
            transactional_id=group,
            failed=failed,
            passing=passing,
        )
        self._dispatcher = Dispatcher(
            self.desk,
            senders,
            render=self._render,
            record=self._record,
            retry=config.retry,
            metrics=metrics,
            failed=failed,
            passing=passing,
        )
        self._water: dict[int, tuple[int, float]] = {}
        self._ended = asyncio.Event()
        self.is_ready = False

    async def open(self, positions: Callable[[], Any]) -> None:
        """Fence the former owner and take over what it left.

        Args:
            positions: looks up where the group stands; called once nobody else can move it.
        """
        await self._log.own()
        known: Mapping[int, Position] = await positions()
        started = time.monotonic()
        found = await asyncio.to_thread(
            restore,
            self._kafka,
            self.desk,
            self.store,
            self._programs,
            interventions=self._topics.real(INTERVENTIONS),
            deliveries=self._topics.real(DELIVERIES),
            program_topic=self._topics.real(PROGRAMS),
            positions=known,
            now_ms=self._dispatcher.now_ms(),
        )
        for _, channel in found.interrupted:
            self._metrics.unknown.labels(channel).inc()
        self._passing("notifier_mid_restore")
        self._tidy()
        topic = self._topics.real(INTERVENTIONS)
        starts = {TopicPartition(topic, partition): offset for partition, offset in found.starts.items()}
        await self._record(found.rows, starts if found.rows or found.first else {})
        await self._log.write([(key.encode(), None) for key in found.stale])
        for place, offset in starts.items():
            self._consumer.seek(place, offset)
        log.info(
            "took over in %.1f s: %d rows of the log, %d records read again, %d interventions open",
            time.monotonic() - started,
            found.logged,
            found.folded,
            len(self.desk.cases),
        )
        self.is_ready = True

    async def run(self) -> None:
        """Decide and send until `close`."""
        while not self._ended.is_set():
            batches = await self._consumer.getmany(timeout_ms=LOOK_MS, max_records=_MOST_RECORDS)
            if self._ended.is_set():
                return
            if batches:
                await self._decide(batches)
            self._bring_back()
            self._dispatcher.pump()
            self._observe()

    async def close(self) -> None:
        """Stop: let attempts under way end and be logged, then let go of everything."""
        self._ended.set()
        await self._dispatcher.close()
        await self._log.close()
        self.store.close()

    def resting(self) -> list[str]:
        """Endpoints that go on failing."""
        return self._dispatcher.resting()

    async def _decide(self, batches: Mapping[TopicPartition, list[Any]]) -> None:
        self._passing("notifier_after_poll")
        rows: list[Entry] = []
        letters: list[Letter] = []
        positions: dict[TopicPartition, int] = {}
        now_ms = self._dispatcher.now_ms()
        for place, messages in batches.items():
            for message in messages:
                positions[place] = message.offset + 1
                try:
                    record = decode_intervention(message.value)
                except (msgspec.DecodeError, TypeError):
                    log.error("a record of %s cannot be read", INTERVENTIONS)
                    letters.append(self._letter(place, message.offset, message, "bad_intervention", 1))
                    continue
                self.store.put(record.intervention_id, record.sequence, message.value)
                rows += self.desk.decide(record, place.partition, message.offset, now_ms)
        self._passing("notifier_after_decision")
        await self._record(rows, positions, letters)

    async def _record(
        self, rows: list[Entry], positions: Mapping[TopicPartition, int] | None = None, letters: Any = ()
    ) -> None:
        offsets = {
            place: OffsetAndMetadata(offset, str(self._low_water(place.partition, offset)))
            for place, offset in (positions or {}).items()
        }
        letters = [*letters, *(self._failure(entry) for entry in rows if entry.state == "failed")]
        await self._log.write([(entry.key.encode(), row_of(entry)) for entry in rows], letters, offsets)
        self._metrics.written(rows)
        self._tidy()

    def _tidy(self) -> None:
        """Move what the desk gave away: to the file, or out of it."""
        if self.desk.spilled:
            self.store.set_aside(self.desk.spilled)
            self.desk.spilled.clear()
        if self.desk.forgotten:
            self.store.forget(self.desk.forgotten)
            self.desk.forgotten.clear()

    def _bring_back(self) -> None:
        limit = self.desk.policy.queue_limit
        for line, book in self.desk.books.items():
            if book.spilled and len(book.queue) <= limit // 2:
                reload(self.desk, line, self.store.bring(line, limit - len(book.queue)))

    def _low_water(self, partition: int, end: int) -> int:
        """An older mark is always safe, so it is worked out only now and then."""
        now = time.monotonic()
        mark, since = self._water.get(partition, (end, 0.0))
        if partition not in self._water or now - since >= _WATER_EVERY_S:
            lowest, aside = self.desk.low_water(partition, end), self.store.lowest(partition)
            mark = lowest if aside is None else min(lowest, aside)
            self._water[partition] = (mark, now)
        return mark

    def _render(self, message: Message) -> Parcel:
        recipient = self.desk.directory.recipients[message.line[0]]
        if message.kind == "each":
            entry = message.items[0].entry
            value = self.store.value(entry.intervention_id, entry.sequence)
            assert value is not None, "a record that waits is kept"
            return self._renderer.machine(message, value)
        records: dict[str, Intervention] = {}
        for item in message.items:
            value = self.store.newest(item.entry.intervention_id)
            assert value is not None, "a case that waits is kept"
            records[item.entry.intervention_id] = decode_intervention(value)
        return self._renderer.person(message, records, recipient, self._dispatcher.now_ms())

    def _failure(self, entry: Entry) -> Letter:
        """A dead letter: the record, and why it could not be delivered."""
        value = self.store.value(entry.intervention_id, entry.sequence) or b""
        headers = ce_headers(decode_intervention(value), ce_source(self._topics.prefix)) if value else []
        headers += self._why(entry.partition, entry.offset, f"delivery_{entry.reason}", max(1, entry.attempts))
        headers.append(("ebb_delivery", entry.key.encode()))
        return Letter(self._topics.real(DEAD_LETTERS), entry.program_id.encode(), value, headers)

    def _letter(self, place: TopicPartition, offset: int, message: Any, reason: str, attempt: int) -> Letter:
        headers = [*message.headers, *self._why(place.partition, offset, reason, attempt)]
        return Letter(self._topics.real(DEAD_LETTERS), message.key, message.value or b"", headers)

    def _why(self, partition: int, offset: int, reason: str, attempt: int) -> list[tuple[str, bytes]]:
        return [
            (TOPIC, self._topics.real(INTERVENTIONS).encode()),
            (PARTITION, b"%d" % partition),
            (OFFSET, b"%d" % max(offset, 0)),
            (EXCEPTION, reason.encode()),
            (MESSAGE, b"The notifier could not deliver it; `ebb_delivery` says to whom."),
            (ATTEMPT, b"%d" % attempt),
        ]

    def _observe(self) -> None:
        self._metrics.open_cases.set(len(self.desk.cases))
        waiting: dict[str, int] = {}
        for (_, channel), book in self.desk.books.items():
            frozen = sum(len(one.entries) for one in book.frozen)
            waiting[channel] = waiting.get(channel, 0) + len(book.pending) + len(book.queue) + book.spilled + frozen
        for channel, count in waiting.items():
            self._metrics.waiting.labels(channel).set(count)
        lag = 0
        for place in self._consumer.assignment():
            end, at = self._consumer.highwater(place), self._consumer.last_stable_offset(place)
            lag += max(0, (end or 0) - (at or end or 0))
        self._metrics.lag.set(lag)
