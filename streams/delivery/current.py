"""For other readers of `interventions`: what is true now, from records in any delivery order, however often repeated.

A pure reducer: `reduce(seen, record)` returns what to keep. The examples under `examples/consumers` do the reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from schemas.interventions import Audience, Delivery, Severity, State
from schemas.outbound import Intervention

CLOSED: Final = frozenset({"resolved", "expired", "retracted"})


class Current(Struct, frozen=True):
    """What is known of one intervention.

    Attributes:
        sequence: of the newest record taken in; an older or equal one is a repeat.
        record: that record: every record tells the whole state.
    """

    sequence: int
    record: Intervention

    @property
    def state(self) -> State:
        return self.record.state

    @property
    def is_open(self) -> bool:
        """Open, acknowledged or snoozed."""
        return self.record.state not in CLOSED


class Step(Struct, frozen=True):
    """What taking in a record did.

    Attributes:
        current: what is known now.
        is_new: whether it was news; a consumer acts on news only.
        missed: records between the last one known and this one that never came by (compaction, or a late start).
    """

    current: Current
    is_new: bool
    missed: int


def reduce(known: Current | None, record: Intervention) -> Step:
    """Take in one record of an episode.

    Args:
        known: what is known of the same intervention; None when nothing is.

    Raises: ValueError when the record is of another intervention.
    """
    if known is None:
        return Step(Current(record.sequence, record), True, record.sequence)
    if known.record.intervention_id != record.intervention_id:
        raise ValueError("a record of another intervention")
    if record.sequence <= known.sequence:
        return Step(known, False, 0)
    return Step(Current(record.sequence, record), True, record.sequence - known.sequence - 1)


class Board:
    """All interventions that are known, reduced; closed ones are remembered by their sequence only.

    Attributes:
        open: what is open, by intervention id.
    """

    def __init__(self, known: Mapping[str, int] | None = None) -> None:
        """Start empty, or from sequences kept by an earlier run: what is not above them is a repeat."""
        self.open: Final[dict[str, Current]] = {}
        self._sequences: Final[dict[str, int]] = dict(known or {})

    def take(self, record: Intervention) -> bool:
        """Take in a record. Returns: whether it is news."""
        if record.sequence <= self._sequences.get(record.intervention_id, -1):
            return False
        step = reduce(self.open.get(record.intervention_id), record)
        self._sequences[record.intervention_id] = step.current.sequence
        if step.current.is_open:
            self.open[record.intervention_id] = step.current
        else:
            self.open.pop(record.intervention_id, None)
        return step.is_new

    def sequences(self) -> dict[str, int]:
        """What to keep so that a later run knows repeats."""
        return dict(self._sequences)


def for_people(records: Iterable[Intervention], audience: Audience, least: Delivery = "digest") -> list[Intervention]:
    """Pick what is meant for an audience: `delivery` is obeyed, and what is safety's stays with safety's audience."""
    wanted: tuple[Delivery, ...] = ("now",) if least == "now" else ("now", "digest")
    return [one for one in records if one.audience == audience and one.delivery in wanted]


def at_least(severity: Severity, record: Intervention) -> bool:
    """Whether a record is as severe as `severity`, or more."""
    order: tuple[Severity, ...] = ("info", "notice", "warning", "high", "critical")
    return order.index(record.severity) >= order.index(severity)
