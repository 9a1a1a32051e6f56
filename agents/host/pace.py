"""How long commits wait for more: as short as the process can afford.

A commit costs the same whether it holds one fact or a thousand. While the process has time to spare, decisions are
committed as soon as `least_s` after the commit before. When it has none, each wait becomes a little longer and there
are fewer commits, until there is time to spare again, or until the wait is `most_s`: that is how a worker catches up.

What tells is the share of time in which the event loop had nothing to do. CPU time would not do: on a machine that
others use, a process with more work than it can do gets less than a CPU.
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
BUSY_BELOW: Final = 0.10
FREE_ABOVE: Final = 0.25


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


class MeasuredLoop(asyncio.SelectorEventLoop):
    """An event loop that knows for how long it had nothing to do."""

    def __init__(self) -> None:
        self._idle_time = _IdleTime()
        super().__init__(self._idle_time)

    @property
    def idle_s(self) -> float:
        """Seconds since it was made in which nothing was to be done."""
        return self._idle_time.idle_s


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """`asyncio.run` on a `MeasuredLoop`."""
    with asyncio.Runner(loop_factory=MeasuredLoop) as runner:
        return runner.run(main)


class Pace:
    """The wait of all lanes of a process.

    Args:
        least_s, most_s: bounds of `linger_s`; one that is fixed has both the same.
        idle_s: seconds in which the process had nothing to do so far; None = unknown, and the wait is the shortest.
    """

    __slots__ = ("_idle_s", "_least_s", "_looked_at", "_most_s", "_was_idle_s", "linger_s")

    def __init__(self, least_s: float, most_s: float, idle_s: Callable[[], float] | None, now: float) -> None:
        self.linger_s = least_s
        self._least_s = least_s
        self._most_s = max(least_s, most_s)
        self._idle_s = idle_s
        self._looked_at = now
        self._was_idle_s = 0.0 if idle_s is None else idle_s()

    @classmethod
    def of_running_loop(cls, least_s: float, most_s: float) -> Pace:
        """The pace of what runs on this event loop; a loop that measures nothing (`run` makes one) has a fixed one."""
        loop = asyncio.get_running_loop()
        idle_s = (lambda: loop.idle_s) if isinstance(loop, MeasuredLoop) else None
        return cls(least_s, most_s, idle_s, loop.time())

    def look(self, now: float) -> None:
        """Called after each commit, `now` by the loop's clock: the wait follows what was idle since the last look."""
        passed = now - self._looked_at
        if self._idle_s is None or passed < WINDOW_S:
            return
        idle_s = self._idle_s()
        share = (idle_s - self._was_idle_s) / passed
        self._looked_at, self._was_idle_s = now, idle_s
        steps = min(passed / WINDOW_S, 100.0)
        if share < BUSY_BELOW:
            # From the least that counts: a wait of nothing would stay one for ever.
            self.linger_s = min(self._most_s, max(self.linger_s, 0.001) * STEP**steps)
        elif share > FREE_ABOVE:
            self.linger_s = max(self._least_s, self.linger_s / STEP**steps)
