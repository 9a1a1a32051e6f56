"""Chunks that do not follow one another, and sources of which nothing comes: what is asked, sought and passed over."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest

from agents.host.chunks import Chunk
from agents.host.process import Refusal
from agents.ingest import sources as module
from agents.ingest.control import ControlState
from agents.ingest.merge import Source
from agents.ingest.observer import SilentIngestObserver
from agents.ingest.sources import SEEK_AFTER_S, Sources
from schemas.topics import Topics
from tests.agents.ingest.harness import options

PAIRS, RATINGS, EMPTY = Source("pairs", 0), Source("ratings", 1), Source("meetings", 2)
Place = tuple[str, int]


class Kept(NamedTuple):
    """A record as ingest reads it."""

    offset: int
    timestamp: int = 1
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


class Held(NamedTuple):
    """What a partition holds: offsets of its records, and where it begins and ends."""

    records: tuple[int, ...]
    begin: int
    end: int


class Cluster:
    """The group's consumer and the scout at once; it writes down what was asked of it. Nothing was committed."""

    flow_active = True

    def __init__(self, held: Mapping[Source, Held]) -> None:
        self.held: dict[Place, Held] = {(source.topic, source.partition): what for source, what in held.items()}
        self.sought: list[tuple[Place, int]] = []
        self.questions: list[list[Place]] = []

    async def committed_offsets(self, partitions: Iterable[Place]) -> dict[Place, int | None]:
        return dict.fromkeys(map(_place, partitions))

    async def beginning_offsets(self, partitions: Iterable[Place]) -> dict[Place, int]:
        return {place: self.held[place].begin for place in map(_place, partitions)}

    beginnings = beginning_offsets

    async def end_offsets(self, partitions: Iterable[Place]) -> dict[Place, int]:
        return {place: self.held[place].end for place in map(_place, partitions)}

    async def first_records(self, ranges: Mapping[Place, tuple[int, int]]) -> dict[Place, int | None]:
        self.questions.append(sorted(ranges))
        return {
            place: min((offset for offset in self.held[place].records if start <= offset < end), default=None)
            for place, (start, end) in ranges.items()
        }

    async def seek_to(self, offsets: Mapping[Place, int]) -> None:
        self.sought += [(_place(tp), offset) for tp, offset in offsets.items()]

    def hold(self, tp: Place) -> None: ...

    def release(self, tp: Place) -> None: ...


def _place(tp: Place) -> Place:
    topic, partition = tp
    return topic, partition


class Clock:
    """Stands in for `monotonic`."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stands = Clock()
    monkeypatch.setattr(module, "monotonic", stands)
    return stands


async def opened(cluster: Cluster, folder: Path) -> Sources:
    sources = Sources(
        topics=Topics(""),
        options=options("", folder),
        consumer=lambda: cast("Any", cluster),
        scout=cast("Any", cluster),
        announcer=cast("Any", None),
        observer=SilentIngestObserver(),
        failpoint=None,
        arrived=lambda: None,
    )
    wanted = frozenset(Source(topic, partition) for topic, partition in cluster.held)
    await sources.take_over(wanted, ControlState(), checks_gate=False)
    cluster.sought.clear()
    return sources


def chunk(begin: int, offsets: Iterable[int], end: int | None = None) -> Chunk:
    records = [Kept(offset) for offset in offsets]
    return Chunk("", 0, begin, records[-1].offset + 1 if end is None else end, cast("Any", records))


def taken(sources: Sources) -> list[int]:
    runs = sources.merge.take(1_000)
    return [run.records[at].offset for run in runs for at in range(run.start, run.stop)]


async def test_a_hole_that_was_read_over_needs_no_question(tmp_path: Path) -> None:
    cluster = Cluster({PAIRS: Held((4, 5, 9), 0, 12)})
    sources = await opened(cluster, tmp_path)
    await sources.deliver(PAIRS, chunk(0, [4, 5]))
    await sources.deliver(PAIRS, chunk(6, [9], end=12))
    await sources.deliver(PAIRS, chunk(12, [13]))
    assert taken(sources) == [4, 5, 9, 13]
    assert (cluster.questions, cluster.sought) == ([], [])


async def test_one_seek_fetches_what_is_missing_however_many_chunks_were_under_way(
    tmp_path: Path, clock: Clock
) -> None:
    cluster = Cluster({PAIRS: Held(tuple(range(10)), 0, 10)})
    sources = await opened(cluster, tmp_path)
    await sources.deliver(PAIRS, chunk(0, [0, 1]))
    for offset in (4, 5, 6):
        await sources.deliver(PAIRS, chunk(offset, [offset]))
    assert cluster.sought == [(("pairs", 0), 2)]
    await sources.deliver(PAIRS, chunk(2, range(2, 10)))
    assert taken(sources) == list(range(10))
    clock.now_s += 60
    await sources.deliver(PAIRS, chunk(12, [12]))
    assert cluster.sought[1:] == [(("pairs", 0), 10)]


async def test_what_was_fetched_before_the_take_over_is_sought_once(tmp_path: Path, clock: Clock) -> None:
    cluster = Cluster({PAIRS: Held(tuple(range(10)), 0, 10)})
    sources = await opened(cluster, tmp_path)
    await sources.deliver(PAIRS, chunk(5, [5]))
    assert cluster.sought == []
    clock.now_s += SEEK_AFTER_S
    await sources.deliver(PAIRS, chunk(6, [6]))
    assert cluster.sought == [(("pairs", 0), 0)]


async def test_records_that_were_removed_before_they_came_are_refused(tmp_path: Path, clock: Clock) -> None:
    cluster = Cluster({PAIRS: Held(tuple(range(10)), 0, 10)})
    sources = await opened(cluster, tmp_path)
    await sources.deliver(PAIRS, chunk(0, [0, 1]))
    cluster.held["pairs", 0] = Held((7, 8, 9), 7, 10)
    with pytest.raises(Refusal, match="begins at 7 but was read up to 2"):
        await sources.deliver(PAIRS, chunk(7, [7, 8, 9]))
    assert taken(sources) == [0, 1]  # now nothing of it is here any more
    clock.now_s += 1
    await sources.look(ControlState())
    clock.now_s += 1
    with pytest.raises(Refusal, match="begins at 7 but was read up to 2"):
        await sources.look(ControlState())


async def test_all_sources_of_which_nothing_comes_are_asked_about_and_sought_in_one_look(
    tmp_path: Path, clock: Clock
) -> None:
    cluster = Cluster({PAIRS: Held((0, 1), 0, 2), RATINGS: Held((3,), 3, 4), EMPTY: Held((), 0, 2)})
    sources = await opened(cluster, tmp_path)
    await sources.look(ControlState())
    assert cluster.questions == []
    clock.now_s += 1
    await sources.look(ControlState())
    assert cluster.questions == [[("meetings", 2), ("pairs", 0), ("ratings", 1)]]
    assert (sources.acked[EMPTY], sources.acked[PAIRS], cluster.sought) == (2, 0, [])
    clock.now_s += SEEK_AFTER_S
    await sources.look(ControlState())
    assert cluster.questions[1:] == [[("pairs", 0), ("ratings", 1)]]
    assert cluster.sought == [(("pairs", 0), 0), (("ratings", 1), 3)]
