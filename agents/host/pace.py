"""How long to gather before working on: as short as the process can afford.

A fetch or a commit costs the same whether it holds one fact or a thousand. While the process has time to spare nothing
waits. When it has none, each wait becomes a little longer, so that there are fewer of them, until there is time to
spare again, or until the wait is `MOST_S`: that is how a worker catches up.

What tells is the time to spare: the share of time in which the event loop had nothing to do, or that the process left
of one CPU, whichever is less. Neither would do alone. On a machine that others use, a process with more work than it
can do gets less than a CPU; and while a consumer's thread works the loop has nothing to do, but could not do it either.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

_T = TypeVar("_T")

WINDOW_S: Final = 0.1
STEP: Final = 1.25
BUSY_BELOW: Final = 0.05
FREE_ABOVE: Final = 0.10
FIRST_S: Final = 0.001
MOST_S: Final = 2.0
LEAST_FETCH_S: Final = 0.004
"""What a fetch waits in any case after one that brought little, so that there are fewer."""
MOST_FETCH_S: Final = 0.05
"""The most that a fetch waits: beyond that it brings enough."""


class _IdleTime(selectors.DefaultSelector):
    """Adds up the time spent waiting for something to happen, seconds."""

    idle_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(timeout)
        began = time.monotonic()
        try:
            return super().select(timeout)
        finally:
            self.idle_s += time.monotonic() - began


class Pace:
    """How long a process gathers now, for all that it fetches and commits.

    Args:
        idle_s: seconds in which the loop had nothing to do so far; None = unknown, and nothing ever waits.
        cpu_s: CPU seconds that the process has used so far.
        now: by the loop's clock, seconds.
    """

    __slots__ = ("_cpu_s", "_idle_s", "_looked_at", "_was_cpu_s", "_was_idle_s", "wait_s")

    def __init__(
        self,
        idle_s: Callable[[], float] | None = None,
        cpu_s: Callable[[], float] = time.process_time,
        now: float = 0.0,
    ) -> None:
        self.wait_s = 0.0
        self._idle_s = idle_s
        self._cpu_s = cpu_s
        self._looked_at = now
        self._was_idle_s = 0.0 if idle_s is None else idle_s()
        self._was_cpu_s = cpu_s()

    @property
    def fetch_s(self) -> float:
        """How long the next fetch waits after one that brought little."""
        return min(max(self.wait_s, LEAST_FETCH_S), MOST_FETCH_S)

    def look(self, now: float) -> None:
        """Called after each fetch and commit, and while waiting: the wait follows the time to spare.

        What is gathered is worked off in one go, so within a wait there are busy moments and idle ones. That there is
        no time to spare is judged by a whole wait; that there is, as soon as that much of it is sure to be idle.
        """
        passed = now - self._looked_at
        if self._idle_s is None or passed < WINDOW_S:
            return
        idle_s, cpu_s = self._idle_s(), self._cpu_s()
        whole = max(passed, self.wait_s)
        spare = min(idle_s - self._was_idle_s, passed - (cpu_s - self._was_cpu_s)) / whole
        if passed < whole and spare <= FREE_ABOVE:
            return
        self._looked_at, self._was_idle_s, self._was_cpu_s = now, idle_s, cpu_s
        change = STEP ** min(passed / WINDOW_S, 100.0)
        if spare < BUSY_BELOW:
            self.wait_s = min(MOST_S, max(self.wait_s, FIRST_S) * change)
        elif spare > FREE_ABOVE:
            self.wait_s = 0.0 if self.wait_s < FIRST_S * change else self.wait_s / change


class MeasuredLoop(asyncio.SelectorEventLoop):
    """An event loop that knows for how long it had nothing to do, and so how long to gather."""

    def __init__(self) -> None:
        self._idle_time = _IdleTime()
        super().__init__(self._idle_time)
        self.pace = Pace(lambda: self.idle_s, now=self.time())

    @property
    def idle_s(self) -> float:
        """Seconds since it was made in which nothing was to be done."""
        return self._idle_time.idle_s


def pace_of_running_loop() -> Pace:
    """The pace of what runs on this event loop; a loop that measures nothing (`run` makes one that does) never
    waits."""
    loop = asyncio.get_running_loop()
    return loop.pace if isinstance(loop, MeasuredLoop) else Pace()


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """`asyncio.run` on a `MeasuredLoop`."""
    with asyncio.Runner(loop_factory=MeasuredLoop) as runner:
        return runner.run(main)
