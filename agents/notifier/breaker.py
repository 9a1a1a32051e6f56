"""A circuit breaker: after several failures in a row an endpoint is left alone, then asked once."""

from __future__ import annotations

import random
from collections.abc import Callable

from msgspec import Struct


class BreakerSettings(Struct, frozen=True, kw_only=True):
    """Attributes:
    failures: in a row until it opens.
    open_s: how long it stays open the first time; doubles with each failed probe up to `open_max_s`.
    """

    failures: int = 3
    open_s: float = 30.0
    open_max_s: float = 600.0


class Breaker:
    """One endpoint's. Instants are seconds of one monotonic clock."""

    def __init__(self, settings: BreakerSettings, jitter: Callable[[], float] = random.random) -> None:
        self._settings = settings
        self._jitter = jitter
        self._failures = 0
        self._open_s = settings.open_s
        self._probing = False
        self.open_until: float | None = None

    def allows(self, now: float) -> bool:
        """Whether an attempt may be made; when it was open, one at a time."""
        if self.open_until is None:
            return True
        if now < self.open_until or self._probing:
            return False
        self._probing = True
        return True

    def waits_until(self, now: float) -> float:
        """When to ask again."""
        return now + 0.2 if self.open_until is None else max(self.open_until, now + 0.2)

    def release(self) -> None:
        """The attempt that was allowed was not made after all."""
        self._probing = False

    def succeeded(self) -> None:
        """The endpoint works."""
        self._failures, self._open_s, self.open_until, self._probing = 0, self._settings.open_s, None, False

    def failed(self, now: float) -> None:
        """The endpoint did not do it."""
        self._failures += 1
        self._probing = False
        if self._failures >= self._settings.failures:
            # Up to a quarter more, so that what failed together does not come back together.
            self.open_until = now + self._open_s * (1 + self._jitter() / 4)
            self._open_s = min(self._open_s * 2, self._settings.open_max_s)
