"""How an attempt can fail. `reason` is a stable code for the log, metrics and the delivery log."""

from __future__ import annotations


class DeliveryError(Exception):
    """Base of both."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TransientError(DeliveryError):
    """It may work later.

    Attributes:
        retry_after_s: how long the other side asked us to wait, in seconds.
    """

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class PermanentError(DeliveryError):
    """It will not work however often it is tried."""
