"""What a lane asks of the core: bytes in, bytes out, no opinion about either."""

from __future__ import annotations

from typing import Protocol

from streams.outcome import Flush, Message

__all__ = ["HOST_KEY", "POSITION_KEY", "Flush", "Fold", "Message"]

POSITION_KEY = b"\x00position"
"""Key of the marker row: always the last record of a transaction, so its presence at the end proves the state whole."""

HOST_KEY = b"\x00host"
"""Key of the host's own row in the state topic (partition count and topic ids); a fold never sees it."""


class Fold(Protocol):
    """The state of one journal partition and how it moves. An exception out of any method is a host error: the process
    ends."""

    @property
    def applied(self) -> int:
        """Offset of the last entry wholly applied; -1 at the start."""

    def restore(self, rows: dict[bytes, bytes]) -> None:
        """Take over committed state: the newest value of each key (the marker included), without tombstones; called
        once.

        Runs on a thread of its own, so that health answers while it works. The dictionary is the fold's from then on.
        """

    def apply(self, offset: int, value: bytes) -> bool:
        """Apply one entry. False: the slice limit was reached; flush, then call again with the same entry."""

    def pending(self) -> int:
        """How many state records and interventions wait for `flush`."""

    def has_interventions(self) -> bool:
        """Whether interventions are among what waits for `flush`."""

    def flush(self) -> Flush:
        """Hand over and forget what waits; the marker row is last."""
