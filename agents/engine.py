"""The engine as the host runs it: one pure `Engine` per journal partition, and what it has done so far, for metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final, NamedTuple

from agents.host.process import Refusal
from schemas.outbound import ce_source, decode_intervention
from streams.engine import Engine
from streams.outcome import Flush
from streams.rules import RULES_BY_ID
from streams.state.parts import is_part, split_part_key
from streams.state.table import IncompleteStateError

#: One step in so many is timed: reading a clock for each would cost more than all other metrics together.
TIMED_EVERY: Final = 64
_SPOKEN: Final = frozenset({"opened", "escalated", "evidence_added"})
_PROGRAM, _TALLY, _TONE = b"g", b"t", b"/tone/"
_SHOWN: Final = frozenset(b"dgt")


class Decided(NamedTuple):
    """What interventions are counted by; `withheld` is why one is not delivered, None when it is."""

    rule: str
    severity: str
    change: str
    withheld: str | None


@dataclass(slots=True)
class Done:
    """What a commit made durable, as far as metrics want to know.

    Attributes:
        arrivals_ms: timestamps of the inbound records that made interventions, where a fact did.
        steps: seconds of the steps that were timed.
    """

    decided: Counter[Decided] = field(default_factory=Counter)
    arrivals_ms: list[int] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)


class EngineFold:
    """`agents.host.fold.Fold` over an `Engine`; it remembers what each flush hands over and decides nothing.

    Attributes:
        programs: the stored rows of programs, as of the last commit: key of the record → name of the part, empty for
            the record's own row → bytes. What a key stands for is replaced by each change, never changed.
        tones: the stored tallies of what answers sound like, likewise.
        clock_ms: the engine's clock at that commit, milliseconds since 1970; negative while it is undefined.
    """

    def __init__(self, source: str, partition: int) -> None:
        self.engine = Engine(source=source, partition=partition)
        self.programs: dict[bytes, dict[str, bytes]] = {}
        self.tones: dict[bytes, dict[str, bytes]] = {}
        self.clock_ms = -1
        self._flushed_clock_ms = -1
        self._flushed: list[tuple[bytes, bytes | None]] = []
        self._done = Done()

    @property
    def applied(self) -> int:
        return self.engine.applied

    def restore(self, rows: dict[bytes, bytes]) -> None:
        for key in [key for key in rows if key[0] in _SHOWN]:
            if _is_shown(_owner(key)):
                self._note(key, rows[key])
        try:
            self.engine.restore(rows)
        except IncompleteStateError as error:
            raise Refusal(
                f"The state of partition {self.engine.state.number} is not whole: {error}. Something else wrote to its "
                "topic, or removed rows from it. Restore the topic from a backup, or run `ebb state rebuild`."
            ) from error
        self.clock_ms = self._flushed_clock_ms = self.engine.state.clock.now_ms

    def apply(self, offset: int, value: bytes) -> bool:
        if offset % TIMED_EVERY:
            return self.engine.apply(offset, value)
        began = perf_counter()
        is_whole = self.engine.apply(offset, value)
        self._done.steps.append(perf_counter() - began)
        return is_whole

    def pending(self) -> int:
        return self.engine.pending()

    def has_interventions(self) -> bool:
        return self.engine.has_interventions()

    def flush(self) -> Flush:
        flush = self.engine.flush()
        self._flushed_clock_ms = self.engine.state.clock.now_ms
        done = self._done
        for message in flush.interventions:
            # Interventions are few beside facts: reading one back costs less than a hook in the core would confuse.
            record = decode_intervention(message.value)
            withheld = (record.delivery_reason or "unknown") if record.delivery == "none" else None
            done.decided[Decided(record.rule.id, record.severity, record.change, withheld)] += 1
            rule = RULES_BY_ID.get(record.rule.id)  # a custom rule's news may come from the clock or a fact: not timed
            if record.change in _SPOKEN and rule is not None and not rule.is_absence:
                done.arrivals_ms.append(message.timestamp_ms)
        self._flushed += [row for row in flush.rows if row[0][0] in _SHOWN and _is_shown(_owner(row[0]))]
        return flush

    def committed(self) -> Done:
        """The flushes since the last call are durable. Returns: what they did."""
        for key, value in self._flushed:
            self._note(key, value)
        self.clock_ms = self._flushed_clock_ms
        done, self._flushed, self._done = self._done, [], Done()
        return done

    def _note(self, key: bytes, value: bytes | None) -> None:
        owner, name = split_part_key(key) if is_part(key) else (key, "")
        kept = self.programs if owner[:1] == _PROGRAM else self.tones
        rows = {each: raw for each, raw in kept.get(owner, {}).items() if each != name}
        if value is not None:
            rows[name] = value
        if rows:
            kept[owner] = rows
        else:
            kept.pop(owner, None)


def _owner(key: bytes) -> bytes:
    return split_part_key(key)[0] if is_part(key) else key


def _is_shown(key: bytes) -> bool:
    if key[:1] == _PROGRAM:
        return key[1:] != b"*"  # what is said across programs stands there, and no program
    return key[:1] == _TALLY and _TONE in key


def engines(prefix: str) -> tuple[Callable[[int], EngineFold], dict[int, EngineFold]]:
    """Return what makes the fold of a partition, and the folds it has made last, by partition."""
    source = ce_source(prefix)
    folds: dict[int, EngineFold] = {}

    def fold_of(partition: int) -> EngineFold:
        folds[partition] = EngineFold(source, partition)
        return folds[partition]

    return fold_of, folds
