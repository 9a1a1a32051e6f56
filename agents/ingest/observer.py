"""What ingest tells whoever counts: metrics subscribe here, ingest itself never reads any of it."""

from typing import Protocol

from agents.ingest.merge import Source


class IngestObserver(Protocol):
    """Called on the event loop; must return at once and never raise. Topics are catalogue names."""

    def forwarded(self, topic: str, records: int) -> None:
        """Records of a topic stand in the journal."""

    def dead_letter(self, topic: str, reason: str) -> None:
        """One record of a topic was bad."""

    def repeated(self, topic: str, records: int) -> None:
        """Records were delivered that had been delivered before, and were left out."""

    def progress(self, source: Source, at_ms: int) -> None:
        """Progress of a source as written to the journal, milliseconds since 1970."""

    def lag(self, source: Source, records: int) -> None:
        """Records between what was forwarded and the end of a source."""

    def red(self, source: Source, reason: str | None) -> None:
        """A source stopped, and why; None: it was resumed or is no longer ours."""

    def unit(self, records: int, seconds: float) -> None:
        """One unit was written and acknowledged, `seconds` after the writing began."""


class SilentIngestObserver:
    """The default: nobody is counting."""

    def forwarded(self, topic: str, records: int) -> None: ...

    def dead_letter(self, topic: str, reason: str) -> None: ...

    def repeated(self, topic: str, records: int) -> None: ...

    def progress(self, source: Source, at_ms: int) -> None: ...

    def lag(self, source: Source, records: int) -> None: ...

    def red(self, source: Source, reason: str | None) -> None: ...

    def unit(self, records: int, seconds: float) -> None: ...
