"""The notifier's process: settings, senders, group membership, health and answer pages, until SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException

from agents.health import Health, Report
from agents.host.checks import partition_counts
from agents.host.failpoints import failpoint_from
from agents.host.process import Refusal, fatal
from agents.logs import name_of
from agents.notifier.answers import ACTIONS, AnswerPages
from agents.notifier.config import Config, load, reader
from agents.notifier.links import check_key
from agents.notifier.metrics import NotifierMetrics
from agents.notifier.owner import FirstComeAssignor
from agents.notifier.recipients import RecipientsFile
from agents.notifier.render import Renderer
from agents.notifier.restore import PROGRAMS, Position, Programs
from agents.notifier.senders import senders_of
from agents.notifier.session import Session
from agents.notifier.texts import FALLBACK
from agents.settings import Settings
from schemas.topics import DEAD_LETTERS, DELIVERIES, INTERVENTIONS

log = logging.getLogger("ebb.notifier")

SHUTDOWN_S: Final = 13.0
LOOK_S: Final = 2.0


def group_of(prefix: str) -> str:
    """The consumer group, and the transactional id of the delivery log."""
    return f"{prefix}ebb-notifier"


class Notifier(ConsumerRebalanceListener):  # type: ignore[misc]
    """One process: in reserve until the group gives it the partitions, then at work."""

    def __init__(self, settings: Settings, config: Config) -> None:
        self._settings = settings
        self._file = RecipientsFile(settings.recipients_file, config)
        self._group = group_of(settings.topic_prefix)
        self._passing = failpoint_from(os.environ) or _nothing
        self.metrics: Final = NotifierMetrics()
        self.health: Final = Health(self.report, self.metrics.registry)
        self.answers: AnswerPages | None = None
        if config.answers is not None:
            keys = reader(config.answers.keys)
            for key in keys():
                check_key(key)
            self.answers = AnswerPages(config.answers, keys, settings, self._newest, self._language_of)
        self._answers_table = config.answers
        self._programs = Programs()
        self._session: Session | None = None
        self._owns = False
        self._given = asyncio.Event()
        self._ending = asyncio.Lock()
        self._stop = asyncio.Event()
        self._refusal = ""

    async def run(self) -> int:
        """Work until SIGTERM or SIGINT. Returns: the exit code 0; whatever goes wrong ends the process with 1."""
        settings = self._settings
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        try:
            if settings.port:
                log.info("health and metrics on http://%s", await self.health.start(settings.host, settings.port))
            await self._check_topics()
            if self.answers is not None:
                log.info("answer pages on http://%s", await self.answers.start())
        except Refusal as refusal:
            fatal(refusal.sentence)
        consumer = AIOKafkaConsumer(
            **settings.kafka.aiokafka_consumer(),
            group_id=self._group,
            partition_assignment_strategy=[FirstComeAssignor],
            auto_offset_reset="earliest",
            session_timeout_ms=int(settings.session_timeout_s * 1_000),
            heartbeat_interval_ms=int(settings.session_timeout_s * 1_000 / 5),
            max_poll_interval_ms=600_000,
        )
        consumer.subscribe([settings.topics.real(INTERVENTIONS)], listener=self)
        programs = asyncio.create_task(self._follow_programs(), name="programs")
        recipients = asyncio.create_task(self._follow_recipients(), name="recipients")
        await consumer.start()
        work = asyncio.create_task(self._work(consumer), name="work")
        stop = asyncio.create_task(self._stop.wait(), name="stop")
        await asyncio.wait({work, programs, recipients, stop}, return_when=asyncio.FIRST_COMPLETED)
        for task in (work, programs, recipients):
            if task.done() and not task.cancelled() and task.exception() is not None:
                fatal("the notifier cannot go on", task.exception())
        log.info("stopping")
        programs.cancel()
        recipients.cancel()
        try:
            async with asyncio.timeout(SHUTDOWN_S):
                await self._end_session()
                work.cancel()
                await consumer.stop()
                if self.answers is not None:
                    await self.answers.stop()
                await self.health.stop()
        except TimeoutError:
            # What is not logged is done again by the next owner; whoever asked us to stop should not have to wait.
            log.warning("not everything stopped within %.0f s; leaving all the same", SHUTDOWN_S)
            logging.shutdown()
            os._exit(0)
        return 0

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002
        """The group settles anew: whoever works lets go, and makes the desk again if it is given back."""
        self._owns = False
        self._given.clear()
        await self._end_session()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Work, or stand by."""
        self._owns = bool(assigned)
        if assigned:
            self._given.set()
        else:
            log.info("in reserve: another notifier works")

    def report(self) -> Report:
        """Ready is a notifier that works, or stands by for one that does."""
        session = self._session
        reasons = [f"{name} does not accept messages" for name in session.resting()] if session is not None else []
        if self._given.is_set() and (session is None or not session.is_ready):
            reasons.append("the delivery log is being read")
        if self.answers is not None and not self.answers.is_ready:
            reasons.append("the answer pages are starting")
        lag = {"notifier": int(self.metrics.lag._value.get())}
        return Report(ready=not reasons, reasons=reasons, lag=lag, positions={})

    async def _work(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            given = asyncio.create_task(self._given.wait())
            while not given.done():
                # Being in a group takes polling, in reserve as well.
                await consumer.getmany(timeout_ms=200, max_records=1) if not consumer.assignment() else None
                await asyncio.wait([given], timeout=0.2)
            force = self._file.in_force
            session = Session(
                consumer,
                self._settings.kafka,
                self._settings.topics,
                force.config,
                force.senders,
                self._programs,
                renderer=self._renderer(),
                metrics=self.metrics,
                group=self._group,
                folder=self._settings.data_dir,
                replayed=self._settings.clock == "records",
                failed=fatal,
                passing=self._passing,
            )
            self._session = session
            try:
                await session.open(self._positions)
            except (KafkaError, KafkaException, Refusal, OSError) as error:
                if self._session is session:
                    fatal("the notifier could not take over", error)
            self.metrics.working.set(1)
            await session.run()
            self.metrics.working.set(0)

    async def _end_session(self) -> None:
        async with self._ending:  # who comes second waits as well: only one session may own the log
            session, self._session = self._session, None
            if session is not None:
                await session.close()

    def _renderer(self) -> Renderer:
        config = self._file.in_force.config
        answering = self.answers.answering if self.answers is not None else None
        return Renderer(answering, config.smtp.unsubscribe.removeprefix("mailto:") if config.smtp else "")

    async def _follow_recipients(self) -> None:
        """Take over what the recipients' file says now, and who has joined a program: make the desk again."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self._programs.has_newcomers and self._session is not None and self._session.is_ready:
                self._programs.has_newcomers = False
                await self._begin_again()
            if not await asyncio.to_thread(self._file.look):
                continue
            self.metrics.refused.set(bool(self._file.problems))
            if self._file.problems:
                log.error("the recipients' file has changed and cannot be used: %s", "; ".join(self._file.problems))
                continue
            log.info("the recipients' file has changed: %d recipients", len(self._file.in_force.config.recipients))
            if self._file.in_force.config.answers != self._answers_table:
                log.warning("what [answers] says now takes effect at the next start")
            await self._begin_again()

    async def _begin_again(self) -> None:
        """End what runs and let it start anew, as after a restart."""
        self._given.clear()
        await self._end_session()
        if self._owns:
            self._given.set()

    async def _positions(self) -> dict[int, Position]:
        admin = AIOKafkaAdminClient(**self._settings.kafka.aiokafka())
        await admin.start()
        try:
            told = await admin.list_consumer_group_offsets(self._group)
        finally:
            await admin.close()
        topic = self._settings.topics.real(INTERVENTIONS)
        return {
            place.partition: Position(one.offset, int(one.metadata) if str(one.metadata).isdigit() else 0)
            for place, one in told.items()
            if place.topic == topic and one.offset >= 0
        }

    async def _follow_programs(self) -> None:
        """Hear what programs say of their coordinators, for as long as the process lives."""
        settings = self._settings
        topic = settings.topics.real(PROGRAMS)
        counts = await partition_counts(settings.kafka, [topic])
        consumer = AIOKafkaConsumer(**settings.kafka.aiokafka_consumer(), auto_offset_reset="earliest")
        await consumer.start()
        try:
            consumer.assign([TopicPartition(topic, number) for number in range(counts[topic])])
            async for message in consumer:
                self._programs.take(message.key, message.value)
        finally:
            await consumer.stop()

    async def _check_topics(self) -> None:
        """Look for broker and topics before any client subscribes: on some brokers, subscribing would create them."""
        settings = self._settings
        needed: Sequence[str] = (INTERVENTIONS, DELIVERIES, DEAD_LETTERS, PROGRAMS, ACTIONS)
        real = [settings.topics.real(name) for name in needed]
        try:
            counts = await partition_counts(settings.kafka, real)
        except (KafkaError, OSError) as error:
            raise Refusal(
                f"No broker at {settings.brokers} answers as it should ({name_of(error)}). Check EBB_BROKERS and the "
                "EBB_KAFKA_ settings; `ebb doctor` says more."
            ) from error
        missing = [name for name in real if name not in counts]
        if missing:
            raise Refusal(f"Topics are missing: {', '.join(missing)}. Create them with `ebb topics create`.")

    def _language_of(self, recipient: str) -> str:
        known = self._file.in_force.config.recipients
        return next((one.language for one in known if one.id == recipient), FALLBACK)

    def _newest(self, intervention_id: str) -> Any:
        session = self._session
        return session.store.newest(intervention_id) if session is not None and session.is_ready else None


def run_notifier(settings: Settings, config: Config) -> int:
    """Run a notifier in this process until it is asked to stop. Returns: the exit code."""

    async def work() -> int:
        return await Notifier(settings, config).run()

    return asyncio.run(work())


def check(settings: Settings) -> Config:
    """Read the recipients' file and make every sender once. Raises: ConfigError or PermanentError."""
    config = load(settings.recipients_file)
    senders_of(config)
    return config


def _nothing(_name: str) -> None:
    """No failpoint is set."""
