"""`sentiment`: how people say it is going."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Comment, InboundFact
from schemas.facts import Polarity, SentimentAbout
from schemas.ids import Id


class SentimentSubmitted(InboundFact):
    """Someone said how it is going."""

    type: Literal["sentiment.submitted"]
    participant_id: Id
    pair_id: Id | None = None
    about: SentimentAbout
    polarity: Polarity
    score: Annotated[float, Field(ge=-1.0, le=1.0)] | None = Field(default=None, description="From -1 to 1.")
    survey_id: Id | None = None
    comment: Comment | None = None
