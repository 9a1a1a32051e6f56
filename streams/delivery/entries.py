"""What became of one record on one way to one recipient: the rows of `deliveries`, which are the notifier's memory.

A row is written when it is decided (`scheduled`, `withheld`), before each attempt (`attempting`) and after it (`sent`,
`failed`, or `scheduled` again with the reason). Whoever reads the newest row of every key knows what is still to be
done. Rows that share `message_id` left, or leave, in one message; what is in a message is settled at its first
attempt, so that a repeat under the same id says the same.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from schemas.base import to_ms
from schemas.facts import Moment
from schemas.ids import delivery_key
from schemas.interventions import Severity
from schemas.journal import Coordinates
from schemas.outbound import moment

__all__ = ["Entry", "Kind", "entry_of", "row_of", "with_changes"]

Kind = Literal["now", "digest", "each"]
State = Literal["scheduled", "attempting", "sent", "withheld", "failed"]
with_changes = replace


class Entry(Struct, frozen=True, kw_only=True):
    """One row, instants in milliseconds UTC.

    Attributes:
        reason: why it is held back, withheld or failed; a stable code.
        kind: how it goes: soon and by itself (or in a group), in a digest, or as one of a machine's records.
        due_ms: when it may be attempted.
        decided_ms: when this row was made.
        sent_ms: when it was last sent; stays when a reminder is due.
        reminders: how many reminders were decided on.
        severity: of the record; what was said of a matter that has become critical since stays unsaid.
        partition, offset: where the record stands on `interventions`.
    """

    intervention_id: str
    sequence: int
    channel: str
    recipient: str
    program_id: str
    state: State
    decided_ms: int
    reason: str | None = None
    kind: Kind | None = None
    due_ms: int | None = None
    digest_id: str | None = None
    message_id: str | None = None
    attempts: int = 0
    sent_ms: int | None = None
    reminders: int = 0
    severity: Severity | None = None
    partition: int = -1
    offset: int = -1

    @property
    def key(self) -> str:
        """The key of the row."""
        return delivery_key(self.intervention_id, self.sequence, self.channel, self.recipient)

    @property
    def line(self) -> tuple[str, str]:
        """Recipient and channel."""
        return (self.recipient, self.channel)


class _Row(Struct, frozen=True, kw_only=True, omit_defaults=True):
    intervention_id: str
    sequence: int
    channel: str
    recipient: str
    program_id: str
    state: State
    reason: str | None = None
    kind: Kind | None = None
    due_at: Moment | None = None
    digest_id: str | None = None
    message_id: str | None = None
    attempts: int
    reminders: int = 0
    sent_at: Moment | None = None
    severity: Severity | None = None
    decided_at: Moment
    source: Coordinates | None = None


_TOPIC: Final = "interventions"
_ROWS: Final = msgspec.json.Decoder(_Row)
_ENCODER: Final = msgspec.json.Encoder()


def row_of(entry: Entry) -> bytes:
    """Write the value of a record on `deliveries`."""
    tree: dict[str, object] = {
        "intervention_id": entry.intervention_id,
        "sequence": entry.sequence,
        "channel": entry.channel,
        "recipient": entry.recipient,
        "program_id": entry.program_id,
        "state": entry.state,
    }
    optional = {
        "reason": entry.reason,
        "kind": entry.kind,
        "due_at": _text(entry.due_ms),
        "digest_id": entry.digest_id,
        "message_id": entry.message_id,
        "sent_at": _text(entry.sent_ms),
        "reminders": entry.reminders or None,
        "severity": entry.severity,
    }
    tree |= {name: value for name, value in optional.items() if value is not None}
    tree |= {"attempts": entry.attempts, "decided_at": moment(entry.decided_ms)}
    if entry.offset >= 0:
        tree["source"] = {"topic": _TOPIC, "partition": entry.partition, "offset": entry.offset}
    return _ENCODER.encode(tree)


def entry_of(value: bytes) -> Entry:
    """Read what `row_of` wrote. Raises: msgspec.DecodeError when it is none."""
    row = _ROWS.decode(value)
    return Entry(
        intervention_id=row.intervention_id,
        sequence=row.sequence,
        channel=row.channel,
        recipient=row.recipient,
        program_id=row.program_id,
        state=row.state,
        decided_ms=to_ms(row.decided_at),
        reason=row.reason,
        kind=row.kind,
        due_ms=_ms(row.due_at),
        digest_id=row.digest_id,
        message_id=row.message_id,
        attempts=row.attempts,
        sent_ms=_ms(row.sent_at),
        reminders=row.reminders,
        severity=row.severity,
        partition=row.source.partition if row.source is not None else -1,
        offset=row.source.offset if row.source is not None else -1,
    )


def _text(instant_ms: int | None) -> str | None:
    return None if instant_ms is None else moment(instant_ms)


def _ms(instant: datetime | None) -> int | None:
    return None if instant is None else to_ms(instant)
