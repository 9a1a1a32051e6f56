"""`participants`: every participant as they are now. A null value erases the participant everywhere."""

from typing import Literal

from pydantic import Field

from schemas.base import InboundFact, Instant
from schemas.facts import ParticipantState, Role
from schemas.ids import Id


class ParticipantChanged(InboundFact):
    """All there is to know about a participant; the newest `occurred_at` wins."""

    type: Literal["participant.changed"]
    participant_id: Id = Field(description="A pseudonym; a person in two programs has two.")
    roles: list[Role]
    state: ParticipantState
    paused_until: Instant | None = Field(default=None, description="The clock alone brings them back.")
    joined_at: Instant
