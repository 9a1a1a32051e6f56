"""Ingest as a Faust app: the agent on all inbound topics, and the pump beside it."""

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

from agents.host.checks import partition_counts
from agents.host.chunks import ChunkApp, chunk_topic, chunks, consumer_of, make_app
from agents.host.clients import KafkaSettings
from agents.host.failpoints import failpoint_from
from agents.host.process import Refusal, fatal
from agents.host.watchdog import Vital, Watchdog
from agents.ingest.checks import check_complete
from agents.ingest.merge import Source
from agents.ingest.observer import IngestObserver, SilentIngestObserver
from agents.ingest.options import IngestOptions
from agents.ingest.pump import Pump
from schemas.topics import DEAD_LETTERS, INBOUND, INGEST_CONTROL, JOURNAL, Topics

log = logging.getLogger("ebb.ingest")

STOP_S = 10.0
TOPICS_S = 5.0


def group_of(prefix: str) -> str:
    """The consumer group of ingest."""
    return f"{prefix}ebb-ingest"


def _end(refusal: Refusal) -> None:
    fatal(refusal.sentence)


@dataclass(slots=True)
class Ingest:
    """One worker's ingest: run `app` (agents.host.worker.serve), ask `problems` for readiness."""

    app: ChunkApp
    pump: Pump | None = None

    def problems(self) -> list[str]:
        """What keeps it from being ready, a sentence each; empty when all is well."""
        return ["ingest has not begun yet"] if self.pump is None else self.pump.problems()

    def lag(self) -> int:
        """Records known to exist and not yet in the journal, stopped sources left out."""
        return 0 if self.pump is None else self.pump.lag()


def build_ingest(
    kafka: KafkaSettings,
    options: IngestOptions,
    *,
    observer: IngestObserver | None = None,
    refused: Callable[[Refusal], None] = _end,
    watchdog_patience_s: float = 60.0,
) -> Ingest:
    """Make the Faust app that carries inbound topics into the journal.

    Args:
        observer: told of everything worth counting.
        refused: told of a check that failed; expected to end the process.
    """
    topics = Topics(options.prefix)
    app = make_app(
        group_of(options.prefix),
        kafka,
        data_dir=options.data_dir,
        session_timeout_s=options.session_timeout_s,
        instance_id=options.instance_id,
    )
    ingest = Ingest(app)
    running: list[asyncio.Task[None]] = []

    def vitals() -> dict[int, Vital]:
        pump = ingest.pump
        return {} if pump is None or pump.waits_for_leader() else {0: Vital(pump.lag(), pump.pulse)}

    watchdog = Watchdog(vitals, patience_s=watchdog_patience_s)

    async def work(pump: Pump) -> None:
        try:
            await pump.run()
        except Refusal as refusal:
            refused(refusal)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            log.exception("ingest")
            fatal("ingest failed", error)

    async def before_start() -> None:
        try:
            ingest.pump = await _make_pump(kafka, topics, options, observer or SilentIngestObserver(), app)
        except Refusal as refusal:
            refused(refusal)
            return
        watchdog.start()
        running.append(asyncio.create_task(work(ingest.pump), name="ingest-pump"))

    app.before_start.append(before_start)

    @app.agent(chunk_topic(app, *topics.inbound()), name="ingest")
    async def ingest_chunks(stream: Any) -> None:
        try:
            async for chunk in chunks(stream):
                if ingest.pump is not None:
                    source = Source(topics.catalogue(chunk.topic) or chunk.topic, chunk.partition)
                    await ingest.pump.deliver(source, chunk)
        except asyncio.CancelledError:
            raise
        except Refusal as refusal:
            refused(refusal)
        except BaseException as error:  # Faust would log it and restart the agent with its chunk lost
            log.exception("the ingest agent")
            fatal("the ingest agent failed", error)

    @app.on_partitions_assigned.connect(weak=False)
    async def assigned(_app: Any, assigned: Any, **_: Any) -> None:
        if ingest.pump is not None:
            named = ((topics.catalogue(tp.topic), tp.partition) for tp in assigned)
            ingest.pump.assign(Source(name, partition) for name, partition in named if name in INBOUND)

    @app.on_before_shutdown.connect(weak=False)
    async def down(_app: Any, **_: Any) -> None:
        watchdog.stop()
        if ingest.pump is not None:
            ingest.pump.stop()
        for task in running:
            done, _pending = await asyncio.wait([task], timeout=STOP_S)
            if not done:
                log.warning("the last unit was not acknowledged in time; it will be forwarded again")
                task.cancel()

    return ingest


async def _make_pump(
    kafka: KafkaSettings, topics: Topics, options: IngestOptions, observer: IngestObserver, app: ChunkApp
) -> Pump:
    needed = (*INBOUND, JOURNAL, DEAD_LETTERS, INGEST_CONTROL)
    deadline = monotonic() + TOPICS_S
    while True:
        counts = await partition_counts(kafka, [topics.real(name) for name in needed])
        by_name = {name: counts.get(topics.real(name), 0) for name in needed}
        if all(by_name.values()) or monotonic() > deadline:
            break
        # A topic that was created this moment is not known to every broker yet.
        await asyncio.sleep(0.5)
    check_complete(topics, by_name)
    return Pump(
        kafka=kafka,
        topics=topics,
        options=options,
        consumer=lambda: consumer_of(app),
        journal_partitions=by_name[JOURNAL],
        dead_letter_partitions=by_name[DEAD_LETTERS],
        observer=observer,
        failpoint=failpoint_from(os.environ),
    )
