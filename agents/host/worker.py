"""Putting it together: a Faust app whose one agent feeds the lanes, and the process that runs apps."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from agents.host import pace
from agents.host.checks import LaneTopics, topology_of
from agents.host.chunks import ChunkApp, JournalFlow, chunk_topic, chunks
from agents.host.clients import KafkaSettings
from agents.host.fold import Fold
from agents.host.lane import LaneOptions
from agents.host.lanes import Lanes, refuse_and_exit
from agents.host.observer import HostObserver
from agents.host.process import Refusal, fatal
from agents.host.watchdog import Watchdog

log = logging.getLogger("ebb.host")

SHUTDOWN_S = 13.0
LOOK_EVERY_S = 0.5


def host_lanes(
    app: ChunkApp,
    fold_of: Callable[[int], Fold],
    *,
    kafka: KafkaSettings,
    topics: LaneTopics,
    options: LaneOptions | None = None,
    observer: HostObserver | None = None,
    refused: Callable[[Refusal], None] = refuse_and_exit,
    watchdog_patience_s: float = 60.0,
) -> Lanes:
    """Make an app (from `make_app`) consume the journal into lanes.

    Args:
        fold_of: makes the empty fold of a partition.
        refused: told of a start-up check that fails, before or after lanes open; expected to end the process.

    Returns: the lanes, for health and metrics; they start and stop with the app.
    """
    lanes = Lanes(
        fold_of,
        kafka=kafka,
        topics=topics,
        flow=JournalFlow(app, topics.journal),
        options=options,
        observer=observer,
        refused=refused,
    )
    watchdog = Watchdog(lanes.vitals, patience_s=watchdog_patience_s)

    @app.agent(chunk_topic(app, topics.journal), name="journal")
    async def journal(stream: Any) -> None:
        try:
            async for chunk in chunks(stream):
                lanes.deliver(chunk.partition, chunk.records)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # Faust would log it and restart the agent with its chunk lost
            log.exception("the journal agent")
            fatal("the journal agent failed", error)

    async def before_start() -> None:
        watchdog.start()
        try:
            lanes.start(await topology_of(kafka, topics))
        except Refusal as refusal:
            refused(refusal)

    app.before_start.append(before_start)

    @app.on_partitions_assigned.connect(weak=False)
    async def assigned(_app: Any, assigned: Any, **_: Any) -> None:
        lanes.assign(sorted(tp.partition for tp in assigned if tp.topic == topics.journal))

    @app.on_before_shutdown.connect(weak=False)
    async def down(_app: Any, **_: Any) -> None:
        watchdog.stop()
        await lanes.close()

    return lanes


def run_apps(*apps: ChunkApp) -> NoReturn:
    """Run apps in this process until SIGTERM or SIGINT, then exit with code 0; with code 1 when one of them fails.

    Faust's own command line is not used: it redirects output, reads command-line arguments and goes on after some
    crashes.
    """
    tune_interpreter()
    sys.exit(pace.run(serve(*apps)))


def tune_interpreter() -> None:
    """Let the cyclic garbage collector look less often, and threads take turns sooner.

    State is hundreds of thousands of long-lived objects that form no cycles, and chunks are thousands of short-lived
    ones: with the stock thresholds the collector walks both again and again and finds nothing. The first threshold is
    what all records of a unit bring with them when they were cold; most of that is gone again before it is reached.

    A consumer's thread works for a moment at a time, several times a fetch, and each time it may have to wait for the
    interpreter until a busy main thread has had its turn: 5 ms by default.
    """
    gc.freeze()
    gc.set_threshold(400_000, 20, 100)
    sys.setswitchinterval(0.001)


async def serve(*apps: ChunkApp) -> int:
    """What `run_apps` does, on a running loop. Returns: the exit code, always 0; a failure ends the process."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    starting = [loop.create_task(app.start(), name=f"start-{app.conf.id}") for app in apps]
    while not stop.is_set():
        for app, task in zip(apps, starting, strict=True):
            _check_alive(app, task)
        try:
            async with asyncio.timeout(LOOK_EVERY_S):
                await stop.wait()
        except TimeoutError:
            continue
    log.info("stopping")
    try:
        async with asyncio.timeout(SHUTDOWN_S):
            await asyncio.gather(*(app.stop() for app in apps))
    except TimeoutError:
        # What is not committed is done again by the next owner; whoever asked us to stop should not have to wait.
        log.warning("not everything stopped within %.0f s; leaving all the same", SHUTDOWN_S)
        logging.shutdown()
        os._exit(0)
    return 0


def _check_alive(app: ChunkApp, starting: asyncio.Task[None]) -> None:
    if starting.done() and starting.exception() is not None:
        fatal(f"{app.conf.id} did not start", starting.exception())
    if app.crashed:
        fatal(f"{app.conf.id} crashed", app.crash_reason)
    if app.should_stop:
        fatal(f"{app.conf.id} stopped by itself")
