"""`deliveries`: what the notifier sent, withheld or failed to send. Compacted: the newest word on each delivery."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.base import Instant, Record
from schemas.ids import Id

Channel = Literal["email", "chat", "webhook"]
DeliveryState = Literal["sent", "withheld", "failed"]


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
        default=None, description="Why it was withheld or failed: a stable code, never a text of the channel."
    )
    digest_id: str | None = Field(default=None, description="`<recipient>/<channel>/<local date>`, if in a digest.")
    attempts: Annotated[int, Field(ge=0)] = Field(description="How often it was tried.")
    decided_at: Instant
