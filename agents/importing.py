"""Inbound facts from files → a recording of the journal, as ingest would have written it with `EBB_CLOCK=records`.

Facts come as JSON lines (`agents.fact_files`), or as CSV with a mapping file that says which column is which field
(`agents.csv_facts`). A row that is no good fact is listed with its reason and left out; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from agents.fact_files import Line
from agents.recordings import RecordingInfo, RecordingWriter
from schemas.base import from_ms
from schemas.codec import Accepted, Erasure
from schemas.facts import RulesetActivated
from schemas.journal import (
    CommentInfo,
    Coordinates,
    EraseEntry,
    ProgressEntry,
    RulesetEntry,
    SourcesEntry,
    encode_entry,
    encode_fact_entry,
)
from schemas.rejections import Rejected
from streams import ruleset
from streams.backtest.lines import CLOCK, read_record
from streams.backtest.replay import PARTITIONS
from streams.comments import CommentScanner
from streams.judging import EVERYWHERE
from streams.partitioner import partition_for
from streams.ruleset import RulesetError

_SOURCE = "participant-activity/0"
"""The one source whose progress is told: with the clock of records, the newest of any source is the clock."""


class Lines(Protocol):
    """Lines in the order of their arrival, such as `agents.fact_files.FactFiles`."""

    def lines(self, progress: Callable[[int], None] = ...) -> Iterator[Line]: ...


class Importer:
    """Writes lines into a recording.

    Attributes:
        facts: how many were good.
        bad: file, number and reason of every line that was not.
    """

    def __init__(self, writer: RecordingWriter) -> None:
        self._writer = writer
        self._offsets = [0] * PARTITIONS
        self._numbers: dict[str, int] = {}
        self._words: dict[str, Any] = {EVERYWHERE: ruleset.shipped().words}
        self._scanner = CommentScanner([ruleset.shipped().words])
        self.facts = 0
        self.bad: list[tuple[int, int, Rejected]] = []

    def run(self, lines: Lines, progress: Callable[[int], None]) -> None:
        """Take in all lines."""
        sources = SourcesEntry(v=1, expected=[_SOURCE], since={_SOURCE: None}, clock="records", topic_ids={})
        self._tell(encode_entry(sources), 0)
        latest_ms = -1
        for at_ms, file, number, content in lines.lines(progress):
            latest_ms = at_ms
            rejected = content if isinstance(content, Rejected) else self._take(content)
            if rejected is not None:
                self.bad.append((file, number, rejected))
        if latest_ms >= 0:
            self._tell(encode_entry(ProgressEntry(v=1, sources={_SOURCE: from_ms(latest_ms)})), latest_ms)

    def _take(self, arrival: Any) -> Rejected | None:
        at_ms = arrival.arrived_ms
        if arrival.topic == CLOCK:
            self._tell(encode_entry(ProgressEntry(v=1, sources={_SOURCE: from_ms(at_ms)})), at_ms)
            return None
        outcome = read_record(arrival)
        if isinstance(outcome, Rejected):
            return outcome
        offset = self._numbers[arrival.topic] = self._numbers.get(arrival.topic, -1) + 1
        source = Coordinates(topic=arrival.topic, partition=0, offset=offset)
        if isinstance(outcome, Erasure):
            entry = EraseEntry(
                v=1,
                source=source,
                arrived_at=from_ms(at_ms),
                program_id=outcome.program_id,
                participant_id=outcome.participant_id,
            )
            self._append(outcome.program_id, encode_entry(entry), at_ms)
        elif isinstance(outcome.fact, RulesetActivated):
            return self._activate(outcome.fact, source, at_ms)
        else:
            self._fact(outcome, source, at_ms)
        return None

    def _fact(self, accepted: Accepted, source: Coordinates, at_ms: int) -> None:
        comment = None
        if accepted.comment is not None:
            length, language, flags = self._scanner.scan(accepted.comment)
            comment = CommentInfo(length=length, language=language, flags=list(flags))
        encoded = encode_fact_entry(source.topic, 0, source.offset, at_ms, accepted.encoded, comment)
        fact: Any = accepted.fact
        self._append(fact.program_id, encoded, at_ms)
        self.facts += 1

    def _activate(self, fact: RulesetActivated, source: Coordinates, at_ms: int) -> Rejected | None:
        try:
            rules = ruleset.parse(fact.ruleset)
        except RulesetError:
            return Rejected("invalid_ruleset", "The rule set does not pass its checks: see `ebb rules check`.")
        self._words[fact.scope] = rules.words
        everyone = self._words[EVERYWHERE] or ruleset.shipped().words
        self._scanner = CommentScanner([everyone, *(one for scope, one in self._words.items() if scope != EVERYWHERE)])
        entry = RulesetEntry(
            v=1,
            source=source,
            arrived_at=from_ms(at_ms),
            ruleset=rules.tree,
            hash=rules.hash,
            scope=fact.scope,
            backfill=fact.backfill,
        )
        self._tell(encode_entry(entry), at_ms)
        return None

    def _append(self, program_id: str, entry: bytes, at_ms: int) -> None:
        key = program_id.encode()
        self._write(partition_for(key, PARTITIONS), key, entry, at_ms)

    def _tell(self, entry: bytes, at_ms: int) -> None:
        for partition in range(PARTITIONS):
            self._write(partition, None, entry, at_ms)

    def _write(self, partition: int, key: bytes | None, entry: bytes, at_ms: int) -> None:
        self._writer.add(partition, self._offsets[partition], at_ms, key, entry)
        self._offsets[partition] += 1


def import_lines(
    lines: Lines, path: Path, progress: Callable[[int], None] = lambda _: None
) -> tuple[RecordingInfo, Importer]:
    """Write lines of facts into a recording; `path` appears when it is whole.

    Returns: what was recorded, and what was counted.
    """
    with RecordingWriter(path, [0] * PARTITIONS) as writer:
        importer = Importer(writer)
        importer.run(lines, progress)
        return writer.close(), importer
