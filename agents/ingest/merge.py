"""Oldest head first: in which order the source partitions of one worker go into the journal.

While behind, the source partition whose next record has the oldest timestamp goes first (ties: order of the
catalogue, then partition), and a partition known to be behind whose next record has not arrived is waited for. So
topics lie close together in the journal, and what is loaded before the start always gives the same journal. Sources
that are caught up are not waited for: what comes goes on at once.

Records are handed out in runs, slices of one fetched chunk up to the next older head, found by bisection over the
running maximum of the chunk's timestamps: the running maximum is never too small, so a run never passes an older
head, and runs cost by their number only.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heapreplace
from itertools import accumulate
from typing import NamedTuple, Protocol

_MOST_PARTITIONS = 1 << 20  # of one topic, so that a rank is one number


class Record(Protocol):
    """The part of a consumed record that ingest reads (aiokafka.ConsumerRecord has it). `timestamp`: milliseconds, -1
    for none.
    """

    @property
    def offset(self) -> int: ...

    @property
    def timestamp(self) -> int: ...

    @property
    def key(self) -> bytes | None: ...

    @property
    def value(self) -> bytes | None: ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class Source(NamedTuple):
    """A source partition: catalogue name of the topic, without prefix, and partition."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


class Run(NamedTuple):
    """Records `start` to `stop` (exclusive) of a fetched chunk, next to be forwarded."""

    source: Source
    records: Sequence[Record]
    start: int
    stop: int


class _Chunk(NamedTuple):
    records: Sequence[Record]
    highest: list[int]


class _Feed:
    """What is known of one source partition. `position` is the next offset to hand out, `tail` the next to arrive."""

    __slots__ = ("buffered", "chunks", "cursor", "end", "gated", "position", "rank", "source", "stopped", "tail")

    def __init__(self, source: Source, rank: int, position: int, end: int, gated: bool) -> None:
        self.source = source
        self.rank = rank
        self.position = position
        self.tail = position
        self.end = end
        self.gated = gated
        self.stopped = False
        self.chunks: deque[_Chunk] = deque()
        self.cursor = 0
        self.buffered = 0

    def head(self) -> int:
        return self.chunks[0].records[self.cursor].timestamp


class Merge:
    """The buffers of all source partitions assigned to this worker, and the order they leave in."""

    __slots__ = ("_feeds", "_rank", "first", "gate_is_closed")

    def __init__(self, topics: Iterable[str], first: Iterable[str] = ()) -> None:
        """Start without sources.

        Args:
            topics: catalogue names in catalogue order.
            first: topics that may pass while the gate is closed (reference topics and rule sets at the first start).
        """
        self._rank = {topic: number for number, topic in enumerate(topics)}
        self.first = frozenset(first)
        self.gate_is_closed = False
        self._feeds: dict[Source, _Feed] = {}

    def sources(self) -> list[Source]:
        """The source partitions taken part, in catalogue order."""
        return sorted(self._feeds, key=lambda source: self._feeds[source].rank)

    def open(self, source: Source, position: int, end: int) -> None:
        """Take part: `position` is the next offset to forward, `end` the one after the last record known to exist."""
        rank = self._rank[source.topic] * _MOST_PARTITIONS + source.partition
        self._feeds[source] = _Feed(source, rank, position, end, gated=source.topic not in self.first)

    def close(self, source: Source) -> None:
        """Take part no longer; what was buffered is forgotten."""
        self._feeds.pop(source, None)

    def tail(self, source: Source) -> int | None:
        """The offset that should arrive next; None when the source does not take part."""
        feed = self._feeds.get(source)
        return None if feed is None else feed.tail

    def add(self, source: Source, records: Sequence[Record]) -> None:
        """Buffer what arrived. Records before the tail are dropped: they were here before.

        Whoever calls has made sure that nothing is missing between the tail and the first record.
        """
        feed = self._feeds[source]
        if feed.stopped or not records or records[-1].offset < feed.tail:
            return
        if records[0].offset < feed.tail:
            records = [record for record in records if record.offset >= feed.tail]
        highest = list(accumulate((record.timestamp for record in records), max))
        feed.chunks.append(_Chunk(records, highest))
        feed.buffered += len(records)
        feed.tail = records[-1].offset + 1
        feed.end = max(feed.end, feed.tail)

    def know_end(self, source: Source, end: int) -> None:
        """The source was seen to end at `end`; it is behind until its position gets there."""
        feed = self._feeds.get(source)
        if feed is not None:
            feed.end = max(end, feed.tail)

    def skip_to(self, source: Source, offset: int) -> None:
        """Nothing readable stands between the tail and `offset` (compaction, control records)."""
        feed = self._feeds[source]
        if not feed.chunks:
            feed.position = max(feed.position, offset)
        feed.tail = max(feed.tail, offset)
        feed.end = max(feed.end, feed.tail)

    def stop(self, source: Source, position: int) -> None:
        """Forward nothing more of this source; it will go on from `position` when resumed."""
        feed = self._feeds[source]
        feed.stopped = True
        feed.chunks.clear()
        feed.cursor = feed.buffered = 0
        feed.position = feed.tail = position

    def resume(self, source: Source) -> int:
        """Let a stopped source go on. Returns: the offset to fetch from."""
        feed = self._feeds[source]
        feed.stopped = False
        return feed.position

    def stopped(self) -> list[Source]:
        """Sources that take part but are stopped."""
        return [source for source in self.sources() if self._feeds[source].stopped]

    def buffered(self, source: Source) -> int:
        """Records waiting here; 0 for a source that does not take part."""
        feed = self._feeds.get(source)
        return 0 if feed is None else feed.buffered

    def position(self, source: Source) -> int:
        """The next offset to hand out."""
        return self._feeds[source].position

    def end(self, source: Source) -> int:
        """The offset after the last record known to exist; 0 for a source that does not take part."""
        feed = self._feeds.get(source)
        return 0 if feed is None else feed.end

    def is_stopped(self, source: Source) -> bool:
        """Whether the source takes part but is stopped."""
        feed = self._feeds.get(source)
        return feed is not None and feed.stopped

    def may_pass(self, source: Source) -> bool:
        """Whether the gate lets the source through."""
        return not (self.gate_is_closed and self._feeds[source].gated)

    def is_any_behind(self) -> bool:
        """Whether records of any source that is not stopped are known to exist that were not handed out."""
        return any(feed.position < feed.end and not feed.stopped for feed in self._feeds.values())

    def awaited(self) -> list[tuple[Source, int, int]]:
        """Sources known to be behind of which nothing is here, as (source, tail, end)."""
        feeds = (self._feeds[source] for source in self.sources())
        return [(feed.source, feed.tail, feed.end) for feed in feeds if _is_awaited(feed)]

    def take(self, most: int) -> list[Run]:
        """Hand out the next records in order, about `most`; fewer, or none, when one must be waited for."""
        feeds = [feed for feed in self._feeds.values() if not feed.stopped and not (self.gate_is_closed and feed.gated)]
        if any(map(_is_awaited, feeds)):
            return []
        heads = [(feed.head(), feed.rank, feed) for feed in feeds if feed.chunks]
        heapify(heads)
        runs: list[Run] = []
        while heads and most > 0:
            _, rank, feed = heads[0]
            run = _run(feed, rank, heads, most)
            runs.append(run)
            most -= run.stop - run.start
            if feed.chunks:
                heapreplace(heads, (feed.head(), rank, feed))
            elif feed.position < feed.end:
                break
            else:
                heappop(heads)
        return runs


def _is_awaited(feed: _Feed) -> bool:
    return not feed.chunks and feed.position < feed.end and not feed.stopped


def _run(feed: _Feed, rank: int, heads: list[tuple[int, int, _Feed]], most: int) -> Run:
    """Cut the longest run off the feed with the oldest head, heads[0], that no other head should interrupt."""
    records, highest = feed.chunks[0]
    start = feed.cursor
    stop = len(records)
    if len(heads) > 1:
        limit, other, _ = heads[1] if len(heads) == 2 or heads[1] < heads[2] else heads[2]
        cut = bisect_right if rank < other else bisect_left
        stop = max(start + 1, cut(highest, limit, start, stop))
    stop = min(stop, start + most)
    feed.buffered -= stop - start
    feed.position = records[stop - 1].offset + 1
    if stop == len(records):
        feed.chunks.popleft()
        feed.cursor = 0
        if not feed.chunks:
            feed.position = max(feed.position, feed.tail)
    else:
        feed.cursor = stop
    return Run(feed.source, records, start, stop)
