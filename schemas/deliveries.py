"""`deliveries`: what the notifier sent, withheld or failed to send, and what it still has to.

Compacted: the newest word on each delivery. It is also the notifier's queue: `scheduled` and `attempting` rows are what
is still to be done, so a row is written before and after every attempt.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.base import Instant, Record
from schemas.ids import Id
from schemas.interventions import Position, Severity

Channel = Literal["email", "chat", "webhook", "none"]
"""`none`: nobody, or nobody known, is there to be told."""

DeliveryState = Literal["scheduled", "attempting", "sent", "withheld", "failed"]
DeliveryKind = Literal["now", "digest", "each"]


class DeliveryRecorded(Record):
    """What became of one intervention record on one channel, for one recipient.

    The key repeats the first four fields, joined by ``/`` (`schemas.ids.delivery_key`).
    """

    intervention_id: Id
    sequence: Annotated[int, Field(ge=0)]
    channel: Channel
    recipient: Id = Field(description="A pseudonym.")
    program_id: Id
    state: DeliveryState
    reason: Annotated[str, StringConstraints(pattern=r"^[a-z_]+(:[a-z_.]+)?$")] | None = Field(
        default=None,
        description="Why it is held back, was withheld or failed: a stable code, never a text of the channel.",
    )
    kind: DeliveryKind | None = Field(
        default=None, description="Soon and by itself or in a group, in a digest, or as one of a machine's records."
    )
    due_at: Instant | None = Field(default=None, description="When it may be attempted.")
    message_id: str | None = Field(
        default=None, description="The message it is part of, settled at the first attempt; webhook-id derives from it."
    )
    reminders: Annotated[int, Field(ge=0)] = Field(default=0, description="How many reminders were decided on.")
    sent_at: Instant | None = Field(default=None, description="When it was last sent.")
    digest_id: str | None = Field(default=None, description="`<recipient>/<channel>/<local date>`, if in a digest.")
    attempts: Annotated[int, Field(ge=0)] = Field(description="How often it was tried.")
    severity: Severity | None = Field(default=None, description="Of the intervention record.")
    decided_at: Instant = Field(description="When this row was made.")
    source: Position | None = Field(default=None, description="Where the intervention record stands.")
