"""The watchdog: a thread, because what it watches for is an event loop, or a library on it, that no longer moves.

Faust can end a rebalance silently (its recovery takes a time-out of the last seek for a stop) and leave a worker that
is alive, healthy to look at, and does nothing. The watchdog ends such a worker after dumping every thread's stack; the
supervisor restarts it.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from agents.host.process import fatal

log = logging.getLogger("ebb.host")


@dataclass(frozen=True, slots=True)
class Vital:
    """One lane as the watchdog sees it: entries behind the end of its partition, and a number that rises with its
    work."""

    lag: int
    pulse: int


class Watchdog:
    """Ends the process when the event loop, or a lane with lag, stands still.

    Args:
        vitals: called on the watchdog's thread; must only read.
        patience_s: how long standing still is normal.
        every_s: how often to look.
        bite: what to do in the end; the default dumps all stacks to stderr and exits with code 1.
    """

    def __init__(
        self,
        vitals: Callable[[], Mapping[int, Vital]],
        *,
        patience_s: float = 60.0,
        every_s: float = 1.0,
        bite: Callable[[str], None] | None = None,
    ) -> None:
        self._vitals = vitals
        self._patience_s = patience_s
        self._every_s = every_s
        self._bite = bite or dump_and_exit
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lived_s = 0.0
        self._beat_at = 0.0
        self._moved: dict[int, tuple[int, float]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="ebb-watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch the running event loop and the lanes."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; returns at once."""
        self._stop.set()

    def _beat(self) -> None:
        self._beat_at = self._lived_s

    def _watch(self) -> None:
        looked_at = time.monotonic()
        while not self._stop.wait(self._every_s):
            now = time.monotonic()
            # Time counts as far as we lived through it: when we come late ourselves (SIGSTOP, a sleeping laptop, a
            # machine with far too much to do), nobody else could have moved either, and ending makes it worse.
            self._lived_s += min(now - looked_at, self._every_s)
            looked_at = now
            why = self._complaint(self._lived_s)
            if why is not None:
                self._bite(why)
                return

    def _complaint(self, now: float) -> str | None:
        loop = self._loop
        if loop is None or loop.is_closed():
            return None
        loop.call_soon_threadsafe(self._beat)
        if now - self._beat_at > self._patience_s:
            return f"the event loop has not answered for {now - self._beat_at:.0f} s"
        vitals = self._vitals()
        for partition in self._moved.keys() - vitals.keys():
            del self._moved[partition]
        for partition, vital in vitals.items():
            pulse, since = self._moved.get(partition, (-1, now))
            if vital.lag <= 0 or vital.pulse != pulse:
                self._moved[partition] = (vital.pulse, now)
            elif now - since > self._patience_s:
                return f"lane {partition} is {vital.lag} entries behind and has not moved for {now - since:.0f} s"
        return None


def dump_and_exit(why: str) -> NoReturn:
    """Write the stack of every thread to stderr, then end the process with exit code 1."""
    log.critical("watchdog: %s; stacks follow", why)
    faulthandler.dump_traceback(sys.stderr, all_threads=True)
    fatal(f"watchdog: {why}")
