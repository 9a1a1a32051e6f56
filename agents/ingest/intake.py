"""Runs of raw records → what is to be written, as values: journal rows by partition, dead letters, stops.

Nothing here waits or sends. The loop over facts is the hot path of ingest: it asks the codec, splices the bytes the
codec made into the entry and picks the journal partition; everything else happens by run or by unit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from agents.ingest.control import Words
from agents.ingest.limits import BadRecordLimit
from agents.ingest.merge import Record, Run, Source
from agents.ingest.progress import RecordsClock
from schemas.base import from_ms
from schemas.codec import Accepted, Erasure, Rejected, decode_fact
from schemas.compact import instant_bytes
from schemas.facts import RulesetActivated
from schemas.journal import (
    ENTRY_VERSION,
    CommentInfo,
    Coordinates,
    EraseEntry,
    ProgressEntry,
    RulesetEntry,
    encode_entry,
    encode_fact_entry,
)
from streams.comments import CommentScanner
from streams.partitioner import partition_for
from streams.words import DEFAULT_WORDS

ExpandRuleset = Callable[[Mapping[str, Any]], tuple[dict[str, Any], str]]
"""Rule set as activated → fully expanded, and its hash. Raises ValueError when it does not pass its checks."""

Row = tuple[bytes | None, bytes]
_MOST_ROUTES = 100_000


class DeadLetter(NamedTuple):
    """A record we cannot use, and why."""

    source: Source
    record: Record
    rejected: Rejected


@dataclass(slots=True)
class Unit:
    """What becomes durable together before positions may move.

    Attributes:
        rows: (key, value) by journal partition, in order.
        dead: dead letters, in order.
        positions: next offset of each source touched.
        newest: newest arrival of each source touched, milliseconds.
        counts: accepted records by topic.
        stopped: sources that must stop at their position, and why.
        words: word lists that came into force, by scope.
    """

    rows: list[list[Row]]
    dead: list[DeadLetter] = field(default_factory=list)
    positions: dict[Source, int] = field(default_factory=dict)
    newest: dict[Source, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    stopped: dict[Source, str] = field(default_factory=dict)
    words: dict[str, Words] = field(default_factory=dict)

    def for_everyone(self, value: bytes) -> None:
        """Append an entry to every journal partition."""
        for rows in self.rows:
            rows.append((None, value))


def progress_value(sources: Mapping[Source, int]) -> bytes:
    """A progress entry as it stands in the journal."""
    marks = {str(source): from_ms(value) for source, value in sources.items()}
    return encode_entry(ProgressEntry(v=ENTRY_VERSION, sources=marks))


class _Count:
    """What one digest counts of one source, so that its limit is told once and not for every record."""

    __slots__ = ("_limit", "accepted", "good", "newest", "prefix")

    def __init__(self, source: Source, limits: dict[Source, BadRecordLimit]) -> None:
        self._limit = limits.get(source) or limits.setdefault(source, BadRecordLimit())
        self.prefix = b'{"kind":"fact","v":1,"source":{"topic":"%b","partition":%d,"offset":' % (
            source.topic.encode(),
            source.partition,
        )
        self.newest = -1
        self.good = 0
        self.accepted = 0

    def settle(self) -> None:
        """Tell the limit of the good records since the last bad one."""
        self._limit.good(self.good)
        self.accepted += self.good
        self.good = 0

    def bad(self) -> str | None:
        """One bad record. Returns: why the source must stop here, or None."""
        self.settle()
        return self._limit.bad()


class Intake:
    """Decodes runs into units. Remembers only the word lists in force and how bad each source has been."""

    def __init__(
        self, partitions: int, expand_ruleset: ExpandRuleset, records_clock: RecordsClock | None = None
    ) -> None:
        """Start with the shipped word lists.

        Args:
            partitions: of the journal.
            records_clock: given when no wall clock may enter.
        """
        self._partitions = partitions
        self._expand = expand_ruleset
        self._clock = records_clock
        self._limits: dict[Source, BadRecordLimit] = {}
        self._routes: dict[str, tuple[bytes, int]] = {}
        self._words: dict[str, Words] = {}
        self._scanner = CommentScanner([DEFAULT_WORDS])

    def use_words(self, words: Mapping[str, Words]) -> None:
        """Put word lists into force, by scope; scopes not named keep theirs. Without lists for everyone the shipped
        ones apply.
        """
        self._words.update(words)
        everyone = self._words.get("*") or DEFAULT_WORDS
        self._scanner = CommentScanner([everyone, *(lists for scope, lists in self._words.items() if scope != "*")])

    def forget(self, source: Source) -> None:
        """Begin to count bad records of this source anew."""
        self._limits.pop(source, None)

    def unit(self) -> Unit:
        """An empty unit."""
        return Unit([[] for _ in range(self._partitions)])

    def digest(self, runs: Sequence[Run], now_ms: int) -> Unit:
        """Decode runs, in order.

        Args:
            now_ms: the worker's clock; unused with a records clock.
        """
        unit = self.unit()
        touched: dict[Source, _Count] = {}
        rows, routes, clock = unit.rows, self._routes, self._clock
        for source, records, start, stop in runs:
            count = touched.get(source)
            if count is None:
                count = touched[source] = _Count(source, self._limits)
            elif source in unit.stopped:
                continue
            topic = source.topic
            for at in range(start, stop):
                record = records[at]
                arrived = record.timestamp
                if clock is not None:
                    if arrived < 0:
                        arrived = max(clock.newest, 0)
                    if told := clock.see(source, arrived):
                        unit.for_everyone(progress_value(told))
                elif not 0 <= arrived <= now_ms:
                    arrived = now_ms
                if arrived > count.newest:
                    count.newest = arrived
                try:
                    outcome = decode_fact(topic, record.key, record.value, arrived_ms=arrived)
                except Exception as error:  # noqa: BLE001 a decoder's mistake must not let one record stop its neighbours
                    outcome = Rejected("decoder_error", f"The decoder failed: {type(error).__name__}.")
                if isinstance(outcome, Accepted):
                    fact = outcome.fact
                    if outcome.comment is None and not isinstance(fact, RulesetActivated):
                        program = fact.program_id
                        route = routes.get(program) or self._route(program)
                        value = b'%b%d},"arrived_at":"%b","fact":%b}' % (
                            count.prefix,
                            record.offset,
                            instant_bytes(arrived),
                            outcome.encoded,
                        )
                        rows[route[1]].append((route[0], value))
                        count.good += 1
                        continue
                rejected = self._rarely(unit, source, record, arrived, outcome)
                if rejected is None:
                    count.good += 1
                    continue
                unit.dead.append(DeadLetter(source, record, rejected))
                if reason := count.bad():
                    unit.stopped[source] = reason
                    stop = record.offset
                    break
            else:
                stop = records[stop - 1].offset
            unit.positions[source] = stop + 1
        for source, count in touched.items():
            count.settle()
            unit.newest[source] = count.newest
            unit.counts[source.topic] = unit.counts.get(source.topic, 0) + count.accepted
        return unit

    def _rarely(
        self, unit: Unit, source: Source, record: Record, arrived: int, outcome: Accepted | Erasure | Rejected
    ) -> Rejected | None:
        """Everything but a fact without a comment. Returns: why the record is bad, if it is."""
        if isinstance(outcome, Rejected):
            return outcome
        if isinstance(outcome, Erasure):
            self._erase(unit, source, record, arrived, outcome)
            return None
        if isinstance(outcome.fact, RulesetActivated):
            return self._ruleset(unit, source, record, arrived, outcome.fact)
        info = None if outcome.comment is None else self._look_at(outcome.comment)
        value = encode_fact_entry(source.topic, source.partition, record.offset, arrived, outcome.encoded, info)
        key, partition = self._route(outcome.fact.program_id)
        unit.rows[partition].append((key, value))
        return None

    def _look_at(self, comment: str) -> CommentInfo:
        length, language, flags = self._scanner.scan(comment)
        return CommentInfo(length=length, language=language, flags=list(flags))

    def _route(self, program: str) -> tuple[bytes, int]:
        if len(self._routes) >= _MOST_ROUTES:
            self._routes.clear()
        key = program.encode()
        route = self._routes[program] = (key, partition_for(key, self._partitions))
        return route

    def _erase(self, unit: Unit, source: Source, record: Record, arrived: int, erasure: Erasure) -> None:
        key, partition = self._route(erasure.program_id)
        entry = EraseEntry(
            v=ENTRY_VERSION,
            source=Coordinates(topic=source.topic, partition=source.partition, offset=record.offset),
            arrived_at=from_ms(arrived),
            program_id=erasure.program_id,
            participant_id=erasure.participant_id,
        )
        unit.rows[partition].append((key, encode_entry(entry)))

    def _ruleset(
        self, unit: Unit, source: Source, record: Record, arrived: int, fact: RulesetActivated
    ) -> Rejected | None:
        try:
            expanded, content_hash = self._expand(fact.ruleset)
        except ValueError:
            return Rejected("invalid_ruleset", "The rule set does not pass its checks: see `ebb rules check`.")
        entry = RulesetEntry(
            v=ENTRY_VERSION,
            source=Coordinates(topic=source.topic, partition=source.partition, offset=record.offset),
            arrived_at=from_ms(arrived),
            ruleset=expanded,
            hash=content_hash,
            scope=fact.scope,
            backfill=fact.backfill,
        )
        unit.for_everyone(encode_entry(entry))
        words = words_of(expanded)
        unit.words[fact.scope] = words
        self.use_words({fact.scope: words})
        return None


def words_of(expanded: Mapping[str, Any]) -> Words:
    """The word lists of an expanded rule set; lists of another shape than language → name → words are left out."""
    words = expanded.get("words")
    if not isinstance(words, Mapping):
        return {}
    return {
        language: {
            name: [str(word) for word in phrases] for name, phrases in lists.items() if isinstance(phrases, list)
        }
        for language, lists in words.items()
        if isinstance(lists, Mapping)
    }
