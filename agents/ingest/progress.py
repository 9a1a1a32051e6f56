"""Source progress: how far in time each source partition has been read, and when to say so.

While a source is behind, that is the newest record timestamp forwarded; once it is caught up, the moment of looking.
It never falls and is never ahead of the worker's clock. Both are told here only after the journal has acknowledged
every fact up to them.

With `EBB_CLOCK=records` there is one clock for all sources, the newest record timestamp forwarded, and it is told at
fixed steps of itself, so that the same records give the same journal whenever they are read.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from agents.ingest.merge import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressIntervals:
    """How often progress is written, in milliseconds: while a source moves, while it is caught up, and for the first
    word of a source.
    """

    moving_ms: int = 10_000
    idle_ms: int = 60_000
    first_ms: int = 200

    def __post_init__(self) -> None:
        if not 0 < self.first_ms <= self.moving_ms <= self.idle_ms:
            raise ValueError("progress intervals must rise: first_ms, moving_ms, idle_ms")


class _Mark:
    __slots__ = ("has_moved", "told", "told_at", "value")

    def __init__(self) -> None:
        self.value = -1
        self.told = -1
        self.told_at = 0
        self.has_moved = False


class SourceProgress:
    """Progress by the wall clock. All times are milliseconds since 1970, UTC, of the worker's clock."""

    __slots__ = ("_intervals", "_marks", "_told_at")

    def __init__(self, intervals: ProgressIntervals) -> None:
        self._intervals = intervals
        self._marks: dict[Source, _Mark] = {}
        self._told_at = 0

    def keep(self, sources: Iterable[Source]) -> None:
        """Only these are ours from now on; a new one has yet to be told."""
        self._marks = {source: self._marks.get(source) or _Mark() for source in sources}

    def forwarded(self, source: Source, newest_ms: int, now_ms: int) -> None:
        """Facts with timestamps up to `newest_ms` were acknowledged (`newest_ms` < 0: without timestamp, read now)."""
        mark = self._marks.get(source)
        if mark is not None:
            mark.has_moved = True
            mark.value = max(mark.value, min(newest_ms, now_ms) if newest_ms >= 0 else now_ms)

    def caught_up(self, source: Source, looked_ms: int, now_ms: int) -> None:
        """Everything that stood in the source at `looked_ms` was acknowledged."""
        mark = self._marks.get(source)
        if mark is not None:
            mark.value = max(mark.value, min(looked_ms, now_ms))

    def value(self, source: Source) -> int | None:
        """Progress of a source; None while nothing is known of it."""
        mark = self._marks.get(source)
        return mark.value if mark is not None and mark.value >= 0 else None

    def due(self, now_ms: int) -> dict[Source, int]:
        """What is to be written now: empty, or what changed since it was told. Counts as told."""
        wait = self._intervals
        since = now_ms - self._told_at
        news = [(source, mark) for source, mark in self._marks.items() if mark.value > mark.told]
        if since < wait.first_ms or not news:
            return {}
        if since < wait.moving_ms:
            # Between the regular times only sources never heard of are told: until then the engine has no clock.
            news = [(source, mark) for source, mark in news if mark.told < 0]
        else:
            news = [
                (source, mark)
                for source, mark in news
                if mark.told < 0 or mark.has_moved or now_ms - mark.told_at >= wait.idle_ms
            ]
        if news and since >= wait.moving_ms:
            self._told_at = now_ms
        for _, mark in news:
            mark.told, mark.told_at, mark.has_moved = mark.value, now_ms, False
        return {source: mark.value for source, mark in news}


class RecordsClock:
    """The clock of `EBB_CLOCK=records`: the newest record timestamp on any source, told when it enters a new step."""

    __slots__ = ("_next", "_step_ms", "_told", "newest", "source")

    def __init__(self, step_ms: int = 3_600_000) -> None:
        if step_ms < 1:
            raise ValueError("the step of the records clock must be positive")
        self._step_ms = step_ms
        self._next = 0
        self._told = -1
        self.newest = -1
        self.source: Source | None = None

    def see(self, source: Source, timestamp_ms: int) -> dict[Source, int]:
        """A record is about to be forwarded. Returns: what is to be written before it, mostly nothing."""
        told: dict[Source, int] = {}
        if timestamp_ms > self.newest:
            if timestamp_ms >= self._next:
                told = self.untold()
                self._next = timestamp_ms - timestamp_ms % self._step_ms + self._step_ms
            self.newest = timestamp_ms
            self.source = source
        return told

    def untold(self) -> dict[Source, int]:
        """What has not been written yet; counts as told."""
        if self.source is None or self.newest <= self._told:
            return {}
        self._told = self.newest
        return {self.source: self.newest}
