"""`pairs`: every pair as it is now. A null value closes the pair, for reason `other`."""

from typing import Literal

from pydantic import Field

from schemas.base import InboundFact, Instant
from schemas.facts import CloseReason, PairKind, PairState
from schemas.ids import Id


class PairChanged(InboundFact):
    """All there is to know about a pair; the newest `occurred_at` wins."""

    type: Literal["pair.changed"]
    pair_id: Id = Field(description="Belongs to one program.")
    kind: PairKind
    mentor_ids: list[Id]
    mentee_ids: list[Id]
    state: PairState
    matched_at: Instant
    closed_at: Instant | None = None
    close_reason: CloseReason | None = None
