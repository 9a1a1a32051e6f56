"""The engine as the host runs it: one pure `Engine` per journal partition, and what it has done so far, for metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from schemas.outbound import ce_source, decode_intervention
from streams.engine import Engine
from streams.outcome import Flush


class Decided(NamedTuple):
    """What interventions are counted by."""

    rule: str
    severity: str
    change: str


class EngineFold:
    """`agents.host.fold.Fold` over an `Engine`; it keeps count of what each flush hands over and decides nothing.

    Attributes:
        decided: interventions handed over since they were last taken; a lane commits every flush or dies with it.
    """

    def __init__(self, source: str) -> None:
        self.engine = Engine(source=source)
        self.decided: Counter[Decided] = Counter()

    @property
    def applied(self) -> int:
        return self.engine.applied

    def restore(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        self.engine.restore(rows)

    def apply(self, offset: int, value: bytes) -> bool:
        return self.engine.apply(offset, value)

    def pending(self) -> int:
        return self.engine.pending()

    def flush(self) -> Flush:
        flush = self.engine.flush()
        for message in flush.interventions:
            # Interventions are few beside facts: reading one back costs less than a hook in the core would confuse.
            record = decode_intervention(message.value)
            self.decided[Decided(record.rule.id, record.severity, record.change)] += 1
        return flush


def engines(prefix: str) -> tuple[Callable[[int], EngineFold], dict[int, EngineFold]]:
    """Return what makes the fold of a partition, and the folds it has made last, by partition."""
    source = ce_source(prefix)
    folds: dict[int, EngineFold] = {}

    def fold_of(partition: int) -> EngineFold:
        folds[partition] = EngineFold(source)
        return folds[partition]

    return fold_of, folds
