"""A recording of inbound topics as lines of facts: merged by arrival, in the order in which ingest breaks ties."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import Final

from agents.fact_files import Line
from agents.ingest.sources import ORDER
from agents.recordings import Recording
from streams.backtest.lines import Arrival

_TOLD_EVERY: Final = 4_096


class InboundLines:
    """The records of inbound topics. Has the attributes and `lines` of `agents.fact_files.FactFiles`.

    Attributes:
        names: topic and partition of each of the recording's partitions; a line's number is its offset.
        size: how many records there are.
    """

    is_folder: Final = True

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._places = [(one.topic, one.number) for one in recording.info.partitions]
        self.names = [f"{topic}/{number}" for topic, number in self._places]
        self.content_hash = recording.info.content_hash
        self.size = recording.info.entries

    def lines(self, progress: Callable[[int], None] = lambda _: None) -> Iterator[Line]:
        """Yield all records by arrival, topic and partition; tell `progress` of records read."""
        ranks = {topic: rank for rank, topic in enumerate(ORDER)}
        order = sorted(range(len(self._places)), key=lambda one: (ranks[self._places[one][0]], self._places[one][1]))
        merged = heapq.merge(*(self._rows(number, rank) for rank, number in enumerate(order)))
        count = 0
        for count, (at_ms, _, offset, number, key, value) in enumerate(merged, 1):
            if count % _TOLD_EVERY == 0:
                progress(_TOLD_EVERY)
            yield Line(at_ms, number, offset, Arrival(at_ms, self._places[number][0], key, value))
        progress(count % _TOLD_EVERY)

    def __reduce__(self) -> tuple[type[InboundLines], tuple[Recording]]:
        return InboundLines, (self._recording,)

    def _rows(self, number: int, rank: int) -> Iterator[tuple[int, int, int, int, bytes, bytes | None]]:
        latest = 0  # a producer's timestamps may fall; a record cannot arrive before the one in front of it
        for row in self._recording.rows(number):
            latest = max(latest, row.timestamp_ms)
            yield latest, rank, row.offset, number, row.key if row.key is not None else b"", row.value
