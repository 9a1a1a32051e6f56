"""`meetings`: planned, moved, held, called off."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import InboundFact, Instant
from schemas.facts import MeetingOrigin
from schemas.ids import Id


class Meeting(InboundFact):
    """One meeting of a pair."""

    meeting_id: Id
    pair_id: Id
    starts_at: Instant = Field(description="When it takes or took place.")
    participant_id: Id | None = Field(default=None, description="Who acted or reported.")
    duration_minutes: Annotated[int, Field(ge=0, le=10_080)] | None = Field(
        default=None, description="In minutes, at most a week."
    )
    origin: MeetingOrigin


class MeetingScheduled(Meeting):
    """A meeting was put into the calendar; that does not mean it took place."""

    type: Literal["meeting.scheduled"]


class MeetingRescheduled(Meeting):
    """A meeting was moved to `starts_at`."""

    type: Literal["meeting.rescheduled"]


class MeetingHeld(Meeting):
    """A meeting took place at `starts_at`, whenever it was noted."""

    type: Literal["meeting.held"]


class MeetingCancelled(Meeting):
    """A meeting was called off."""

    type: Literal["meeting.cancelled"]


class MeetingNoShow(Meeting):
    """Somebody did not come."""

    type: Literal["meeting.no_show"]
