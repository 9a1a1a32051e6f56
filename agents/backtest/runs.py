"""One partition, or a few, replayed under one rule set: the work of a task.

A task may run in a process of its own; it is given what it needs and gives back counts, never state.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from msgspec import Struct, field

from agents.backtest.parts import Part
from agents.backtest.sources import Progress, Source
from agents.recordings import Recording
from schemas.base import from_ms, instant_text, to_ms
from schemas.journal import FactEntry, decode_entry
from schemas.outbound import decode_intervention
from schemas.rejections import Rejected
from schemas.topics import RULESETS
from streams import ruleset
from streams.backtest.lines import CLOCK, Arrival
from streams.backtest.outcomes import Outcomes
from streams.backtest.programs import Program
from streams.backtest.replay import FactReplay, JournalReplay, Tally

LIVE: Final = "live"
_DRAIN_EVERY: Final = 8_192
_MOST: Final = 1 << 62


class Selection(Struct, frozen=True):
    """Which part of a recording is asked about: what is decided in [from, to), in some programs (None: all)."""

    from_ms: int | None = None
    to_ms: int | None = None
    programs: frozenset[str] | None = None

    @property
    def bounds(self) -> tuple[int, int]:
        """From and to, as numbers in any case."""
        return self.from_ms or 0, _MOST if self.to_ms is None else self.to_ms


class Side(Struct, frozen=True):
    """One of the two runs: a name for its files, and its rule set as JSON (None: as recorded; `LIVE`: as published)."""

    name: str
    rules: bytes | None
    is_live: bool = False


class Ran(Struct):
    """What one partition gave under one rule set.

    Attributes:
        first_ms, end_ms: first arrival and the clock at the end, ms UTC; -1 when there was nothing.
        settled: how many of the interventions belong to entries that had been decided live when it was recorded.
        is_short: more was decided live than was replayed, because the recording or the question ends earlier.
        bad: of lines of facts, where each bad one stands and why.
    """

    part: Part
    tally: Tally
    programs: dict[str, Program]
    outcomes: Outcomes
    first_ms: int = -1
    end_ms: int = -1
    settled: int = 0
    is_short: bool = False
    bad: list[tuple[int, int, Rejected]] = field(default_factory=list)
    entries: int = 0


def replay_journal(
    recording: Recording, partition: int, side: Side, selection: Selection, folder: Path, progress: Progress
) -> Ran:
    """Replay one partition of a recording of the journal.

    Raises: RecordingError, ReplayError.
    """
    info = recording.info.partitions[partition]
    fixed = None if side.rules is None else ruleset.load(side.rules)
    snapshot = recording.snapshot(partition) if info.snapshot is not None else None
    replay = JournalReplay(partition, fixed, snapshot=snapshot, programs=selection.programs)
    part = Part(folder / f".{side.name}-{partition}")
    decided = info.live.decided if info.live is not None else -1
    ran, read = Ran(part, Counter(), {}, replay.outcomes), 0
    with part.path.open("wb") as file, few_collections():
        for first, values in _cut(recording.entries(partition), decided + 1):
            part.write(file, replay.feed(first, values), selection.programs)
            if first <= decided:
                ran.settled = len(part)
            if ran.first_ms < 0:
                ran.first_ms = _first_arrival(values)
            read += len(values)
            progress(len(values))
            if selection.to_ms is not None and replay.now_ms >= selection.to_ms:
                ran.is_short = True
                break
    progress(info.entries - read)  # nothing is left to do, even where the question ends earlier
    ran.is_short = ran.is_short or decided >= info.end
    ran.tally, ran.programs, ran.end_ms, ran.entries = replay.close(), replay.programs(), replay.now_ms, info.entries
    return ran


def replay_facts(
    source: Source,
    partitions: Sequence[int],
    side: Side,
    selection: Selection,
    folder: Path,
    progress: Progress,
) -> list[Ran]:
    """Replay some partitions of lines of facts. Returns: one run each; counts of all stand in the first."""
    assert source.facts is not None
    own = None if len(partitions) == source.partitions else frozenset(partitions)
    replay = FactReplay(None if side.rules is None else ruleset.load(side.rules), own=own, programs=selection.programs)
    found = {
        number: Ran(Part(folder / f".{side.name}-{number}"), Counter(), {}, replay.outcomes[number])
        for number in partitions
    }
    files: dict[int, BinaryIO] = {number: ran.part.path.open("wb") for number, ran in found.items()}
    first = found[partitions[0]]
    first_ms = now_ms = -1
    read = 0

    def tell(amount: int) -> None:
        nonlocal read
        read += amount
        progress(amount)

    try:
        with few_collections():
            for at_ms, file, number, content in source.facts.lines(tell):
                if selection.to_ms is not None and at_ms >= selection.to_ms:
                    # That more comes later says that nothing else came before: what is due by then is due.
                    now_ms = selection.to_ms - 1
                    replay.feed(Arrival(now_ms, CLOCK, None, None))
                    break
                first.entries += 1
                rejected = content if isinstance(content, Rejected) else replay.feed(content)
                # What no program owns is partition 0's to report, so that it is reported once.
                if rejected is not None and (0 in found or not _is_everybodys(content)):
                    first.bad.append((file, number, rejected))
                if first_ms < 0 and at_ms > 0:
                    first_ms = at_ms
                now_ms = at_ms
                if first.entries % _DRAIN_EVERY == 0:
                    _drain(replay, found, files, selection.programs)
            tally = replay.close()
            _drain(replay, found, files, selection.programs)
    finally:
        for output in files.values():
            output.close()
    progress(source.size - read)
    first.tally = tally
    for number, ran in found.items():
        ran.programs, ran.first_ms, ran.end_ms = replay.programs(number), first_ms, now_ms
        ran.settled = len(ran.part)
    return list(found.values())


def read_live(recording: Recording, partition: int, side: Side, selection: Selection, beside: Ran, folder: Path) -> Ran:
    """What was published for a partition, as if it were a run."""
    part, programs = Part(folder / f".{side.name}-{partition}"), selection.programs
    with part.path.open("wb") as file:
        for row in recording.live(partition):
            assert row.value is not None
            if programs is None or decode_intervention(row.value).program_id in programs:
                part.append(file, row.timestamp_ms, row.value)
    return Ran(part, Counter(), beside.programs, beside.outcomes, beside.first_ms, beside.end_ms, len(part))


@contextmanager
def few_collections() -> Iterator[None]:
    """Let the cycle collector rest: state is large and has no cycles, so walking it again and again finds nothing."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(200_000, 50, 1_000)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _cut(blocks: Iterable[tuple[int, list[bytes]]], at: int) -> Iterator[tuple[int, list[bytes]]]:
    """Blocks of entries, cut before the offset `at`."""
    for first, values in blocks:
        if first < at < first + len(values):
            yield first, values[: at - first]
            yield at, values[at - first :]
        else:
            yield first, values


def _is_everybodys(content: Arrival | Rejected) -> bool:
    return isinstance(content, Rejected) or content.topic == RULESETS


def _first_arrival(values: Iterable[bytes]) -> int:
    for value in values:
        entry = decode_entry(value)
        if isinstance(entry, FactEntry):
            return to_ms(entry.arrived_at)
    return -1


def _drain(
    replay: FactReplay, found: dict[int, Ran], files: dict[int, BinaryIO], programs: frozenset[str] | None
) -> None:
    for partition, decisions in replay.decisions():
        if partition in found:
            found[partition].part.write(files[partition], decisions, programs)


def instant(at_ms: int | None) -> str | None:
    """An instant as summaries tell it."""
    return None if at_ms is None or at_ms < 0 else instant_text(from_ms(at_ms))
