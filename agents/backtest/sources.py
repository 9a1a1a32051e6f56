"""What a backtest can read: a recording of the journal, one of inbound topics, or lines of facts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from agents.fact_files import SUFFIX, FactFiles
from agents.inbound_lines import InboundLines
from agents.recordings import Recording, RecordingError, is_parquet
from streams.backtest.replay import PARTITIONS

Progress = Callable[[int], None]
"""Told how much more was done, in the unit of `Source.size`."""
Kind = Literal["journal", "facts"]
WORTH_PROCESSES: Final = 100_000


class Source:
    """A recording to be replayed, in whatever form.

    Attributes:
        kind: `journal`, or `facts` where ingest's part is played here, too.
        journal: the recording, of kind `journal`.
        facts: lines or records, of kind `facts`.
    """

    def __init__(self, journal: Recording | None = None, facts: FactFiles | InboundLines | None = None) -> None:
        self.journal = journal
        self.facts = facts

    @property
    def kind(self) -> Kind:
        return "journal" if self.journal is not None else "facts"

    @property
    def content_hash(self) -> str:
        if self.journal is not None:
            return self.journal.info.content_hash
        assert self.facts is not None
        return self.facts.content_hash

    @property
    def partitions(self) -> int:
        return len(self.journal.info.partitions) if self.journal is not None else PARTITIONS

    @property
    def size(self) -> int:
        """How much progress one replay of all of it is: entries of a journal, bytes of facts."""
        if self.journal is not None:
            return self.journal.info.entries
        assert self.facts is not None
        return self.facts.size

    def tasks(self, jobs: int) -> list[tuple[int, ...]]:
        """Cut the work into tasks, the largest first: which partitions each replays."""
        if self.journal is not None:
            partitions = self.journal.info.partitions
            return [(number,) for number in sorted(range(len(partitions)), key=lambda one: -partitions[one].entries)]
        jobs = min(jobs, PARTITIONS)
        return [tuple(range(first, PARTITIONS, jobs)) for first in range(jobs)]

    def is_worth(self, jobs: int) -> bool:
        """Whether several processes save more time than starting them takes."""
        busy = self.partitions
        if self.journal is not None:
            busy = sum(1 for one in self.journal.info.partitions if one.entries)
        return jobs > 1 and busy > 1 and self.size >= WORTH_PROCESSES * (1 if self.journal is not None else 250)


def open_source(path: Path) -> Source | None:
    """Open a recording; None when it is none of the forms known.

    Raises: RecordingError when it is damaged, OSError when it cannot be read.
    """
    if path.is_dir() or path.suffix == SUFFIX:
        return Source(facts=FactFiles(path))
    if not is_parquet(path):
        if path.suffix == ".parquet":
            raise RecordingError(f"{path} is no complete Parquet file: it was cut off or damaged, record it again.")
        return None
    recording = Recording(path)
    if recording.info.topic == "state":
        raise RecordingError(f"{path} is a state snapshot: `ebb record --resume {path}` records what came after it.")
    if recording.info.topic == "inbound":
        return Source(facts=InboundLines(recording))
    return Source(journal=recording)
