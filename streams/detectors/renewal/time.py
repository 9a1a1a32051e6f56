"""Which time counts towards a gap."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from streams.calendar import Interval, due_ms, running_ms


class ActiveTime(Protocol):
    """A clock that may stand still. All in ms; instants are UTC."""

    def between(self, from_ms: int, to_ms: int) -> int:
        """Measure the active time between two instants, 0 when the second is not later."""
        ...

    def after(self, from_ms: int, active_ms: int) -> int | None:
        """Find the first instant with so much active time since `from_ms`, None when it never comes."""
        ...


class RunningTime(NamedTuple):
    """Plain time outside `stops` (sorted, disjoint): clock-stop as absence rules have it."""

    stops: Sequence[Interval] = ()

    def between(self, from_ms: int, to_ms: int) -> int:
        return running_ms(from_ms, to_ms, self.stops)

    def after(self, from_ms: int, active_ms: int) -> int | None:
        return due_ms(from_ms, active_ms, self.stops)
