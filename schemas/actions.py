"""`coordinator-actions`: what people did about interventions. The engine suggests, it never acts."""

from typing import Literal

from pydantic import Field

from schemas.base import InboundFact, Instant
from schemas.facts import Action, Outcome, Role, Usefulness
from schemas.ids import Id


class ActionTaken(InboundFact):
    """What a coordinator did, and about what.

    Only `reached_out`, `review_done` and `note` work without an `intervention_id`; which fields an action needs is the
    engine's to judge: an action it cannot use is counted and ignored, because the click did happen.
    """

    type: Literal["action.taken"]
    actor_id: Id
    action: Action
    intervention_id: Id | None = None
    pair_id: Id | None = None
    participant_id: Id | None = None
    party: Role | None = Field(default=None, description="Whom it was directed at.")
    outcome: Outcome | None = Field(default=None, description="Of `reached_out`.")
    until: Instant | None = Field(default=None, description="Of `snooze`.")
    usefulness: Usefulness | None = None
