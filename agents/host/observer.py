"""What a host tells whoever counts: metrics subscribe here, the host itself never reads any of it."""

from __future__ import annotations

from typing import Protocol


class HostObserver(Protocol):
    """Called on the event loop; must return at once and never raise."""

    def recovered(self, partition: int, rows: int, seconds: float) -> None:
        """A lane has read its state back."""

    def committed(self, partition: int, entries: int, rows: int, interventions: int, seconds: float) -> None:
        """One transaction was committed; `seconds` from its first write to the broker's yes."""

    def fenced(self, partition: int) -> None:
        """Somebody else opened this partition; our transaction was refused."""

    def healed(self, partition: int, reason: str) -> None:
        """The lane sought back to the entry it needs. `reason`: hole, behind or idle."""

    def lag(self, partition: int, entries: int) -> None:
        """Entries between the committed position and the end of the journal partition."""


class SilentObserver:
    """The default: nobody is counting."""

    def recovered(self, partition: int, rows: int, seconds: float) -> None: ...

    def committed(self, partition: int, entries: int, rows: int, interventions: int, seconds: float) -> None: ...

    def fenced(self, partition: int) -> None: ...

    def healed(self, partition: int, reason: str) -> None: ...

    def lag(self, partition: int, entries: int) -> None: ...
