"""`ratings`: surveys that went out, and the ratings that came back."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Comment, InboundFact, Instant
from schemas.facts import SurveyKind
from schemas.ids import Id


class Survey(InboundFact):
    """One survey put to one person."""

    survey_id: Id
    kind: SurveyKind
    participant_id: Id
    pair_id: Id | None = None
    due_at: Instant | None = None


class SurveySent(Survey):
    """A survey went out to someone."""

    type: Literal["survey.sent"]


class SurveyReminded(Survey):
    """Someone was reminded of a survey."""

    type: Literal["survey.reminded"]


class SurveyExpired(Survey):
    """A survey closed unanswered."""

    type: Literal["survey.expired"]


class RatingSubmitted(InboundFact):
    """Someone rated, from 1 to 5. With a sentiment of the same `survey_id` it is one submission."""

    type: Literal["rating.submitted"]
    kind: SurveyKind
    rating: Annotated[int, Field(ge=1, le=5)]
    participant_id: Id
    pair_id: Id | None = Field(default=None, description="Absent: the rater's only active pair, if there is just one.")
    survey_id: Id | None = None
    comment: Comment | None = None
