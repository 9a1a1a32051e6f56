"""Facts as the hot path knows them: `msgspec` twins of the pydantic models, one frozen struct per type.

The models in the topic modules are the readable contract; these twins accept and reject the same payloads (a test
proves it field by field and by random payloads) at a fiftieth of the price. Two things the codec does once, after
decoding, so that nobody downstream does them again: it checks the characters of ids, and it brings instants to UTC and
whole milliseconds. `comment` is always None behind the codec: a participant's words go no further than ingest.

`PairDeleted` and `ProgramEnded` have no inbound form: they stand in the journal for a null value on `pairs` ("the pair
is closed, for reason `other`") and on `programs` ("the program has ended"), at the moment the null arrived.

Structs with `gc=False` are invisible to the cycle collector, which is safe because a fact cannot refer to itself.
"""

from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, field

from schemas.base import MAX_COMMENT_CHARACTERS
from schemas.ids import FastId

Moment = Annotated[datetime, Meta(tz=True)]
Words = Annotated[str, Meta(max_length=MAX_COMMENT_CHARACTERS)]
Rating = Annotated[int, Meta(ge=1, le=5)]
Score = Annotated[float, Meta(ge=-1.0, le=1.0)]
Minutes = Annotated[int, Meta(ge=0, le=10_080)]
Version = Annotated[int, Meta(ge=1, le=1)]

RelaunchChoice = Literal["stay", "pause", "leave"]
HelpTopic = Literal["cannot_reach_partner", "mismatch", "rematch", "safety", "other"]
MeetingOrigin = Literal["platform", "calendar", "self_report", "coordinator"]
SurveyKind = Literal["mqs", "post_meeting", "closing", "custom"]
SentimentAbout = Literal["journey", "match"]
Polarity = Literal["positive", "neutral", "negative"]
ProgramKind = Literal["always_on", "cohort", "on_off"]
PairKind = Literal["one_to_one", "group"]
PairState = Literal["draft", "active", "closed", "archived"]
CloseReason = Literal["completed", "no_response", "never_started", "no_time", "mismatch", "left_program", "other"]
Role = Literal["mentor", "mentee"]
ParticipantState = Literal["active", "paused", "unavailable", "removed", "left"]
Action = Literal[
    "ack",
    "assign",
    "snooze",
    "dismiss",
    "false_alarm",
    "note",
    "reached_out",
    "rematch",
    "pause",
    "mark_unavailable",
    "remove",
    "close_pair",
    "resolve",
    "review_done",
]
Outcome = Literal["answered", "no_answer"]
Usefulness = Literal["useful", "false_alarm", "too_late", "already_knew"]
Backfill = Literal["none", "silent", "emit"]


class _Record(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag_field="type"):
    occurred_at: Moment
    event_id: FastId
    schema_version: Version = 1


class _Fact(_Record, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    program_id: FastId


class _Personal(_Fact, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    participant_id: FastId


class ActivitySignedIn(_Personal, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="activity.signed_in"):
    """Someone signed in."""


class ActivityProfileUpdated(
    _Personal, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="activity.profile_updated"
):
    """Someone changed their profile."""


class ActivityGoalUpdated(
    _Personal, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="activity.goal_updated"
):
    """Someone changed their goals."""


class ActivityContentViewed(
    _Personal, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="activity.content_viewed"
):
    """Someone opened a piece of content."""


class ActivityMessageSent(
    _Personal, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="activity.message_sent"
):
    """Someone wrote to their partner."""

    pair_id: FastId


class _MatchRequest(_Fact, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    request_id: FastId
    participant_id: FastId
    counterpart_id: FastId


class MatchRequestSent(
    _MatchRequest, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="match_request.sent"
):
    """`participant_id` asked `counterpart_id` to be matched."""


class MatchRequestAccepted(
    _MatchRequest, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="match_request.accepted"
):
    """`counterpart_id` accepted."""


class MatchRequestDeclined(
    _MatchRequest, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="match_request.declined"
):
    """`counterpart_id` declined."""


class MatchRequestExpired(
    _MatchRequest, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="match_request.expired"
):
    """Nobody answered in time."""


class MatchRequestWithdrawn(
    _MatchRequest, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="match_request.withdrawn"
):
    """`participant_id` took the request back."""


class RelaunchAnswered(_Personal, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="relaunch.answered"):
    """Someone said whether they take part in the next run."""

    choice: RelaunchChoice


class HelpRequested(_Personal, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="help.requested"):
    """Someone asked the coordinator for help."""

    pair_id: FastId | None = None
    topic: HelpTopic | None = None
    comment: Words | None = None


class _Meeting(_Fact, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    starts_at: Moment
    meeting_id: FastId
    pair_id: FastId
    origin: MeetingOrigin
    participant_id: FastId | None = None
    duration_minutes: Minutes | None = None


class MeetingScheduled(_Meeting, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="meeting.scheduled"):
    """A meeting was put into the calendar; that does not mean it took place."""


class MeetingRescheduled(_Meeting, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="meeting.rescheduled"):
    """A meeting was moved to `starts_at`."""


class MeetingHeld(_Meeting, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="meeting.held"):
    """A meeting took place at `starts_at`, whenever it was noted."""


class MeetingCancelled(_Meeting, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="meeting.cancelled"):
    """A meeting was called off."""


class MeetingNoShow(_Meeting, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="meeting.no_show"):
    """Somebody did not come."""


class _Survey(_Personal, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    survey_id: FastId
    kind: SurveyKind
    pair_id: FastId | None = None
    due_at: Moment | None = None


class SurveySent(_Survey, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="survey.sent"):
    """A survey went out to someone."""


class SurveyReminded(_Survey, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="survey.reminded"):
    """Someone was reminded of a survey."""


class SurveyExpired(_Survey, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="survey.expired"):
    """A survey closed unanswered."""


class RatingSubmitted(_Personal, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="rating.submitted"):
    """Someone rated, from 1 to 5."""

    kind: SurveyKind
    rating: Rating
    pair_id: FastId | None = None
    survey_id: FastId | None = None
    comment: Words | None = None


class SentimentSubmitted(_Personal, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="sentiment.submitted"):
    """Someone said how it is going."""

    about: SentimentAbout
    polarity: Polarity
    pair_id: FastId | None = None
    score: Score | None = None
    survey_id: FastId | None = None
    comment: Words | None = None


class Break(Struct, frozen=True, kw_only=True, gc=False):
    """Days on which a program rests; local dates, both inclusive, `first` ≤ `last`."""

    first: date = field(name="from")
    last: date = field(name="to")


class ProgramChanged(_Fact, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="program.changed"):
    """All there is to know about a program, as it is now."""

    kind: ProgramKind
    self_matching: bool
    carry_over: bool
    timezone: str
    breaks: list[Break]
    coordinator_ids: list[FastId]
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    next_starts_at: Moment | None = None
    backup_coordinator_ids: list[FastId] | None = None
    safeguarding_contact_id: FastId | None = None


class PairChanged(_Fact, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="pair.changed"):
    """All there is to know about a pair, as it is now."""

    matched_at: Moment
    pair_id: FastId
    kind: PairKind
    mentor_ids: list[FastId]
    mentee_ids: list[FastId]
    state: PairState
    closed_at: Moment | None = None
    close_reason: CloseReason | None = None


class ParticipantChanged(_Personal, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="participant.changed"):
    """All there is to know about a participant, as it is now."""

    joined_at: Moment
    roles: list[Role]
    state: ParticipantState
    paused_until: Moment | None = None


class ActionTaken(_Fact, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="action.taken"):
    """What a coordinator did, or how an intervention turned out."""

    actor_id: FastId
    action: Action
    intervention_id: FastId | None = None
    pair_id: FastId | None = None
    participant_id: FastId | None = None
    party: Role | None = None
    outcome: Outcome | None = None
    until: Moment | None = None
    usefulness: Usefulness | None = None


class RulesetActivated(_Record, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="ruleset.activated"):
    """A rule set comes into force; of no program, so the journal carries it in an entry of its own kind.

    `ruleset` is the raw tree: what it may say is checked where rules are known.
    """

    ruleset: dict[str, Any]
    scope: str
    backfill: Backfill


class PairDeleted(_Fact, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="pair.deleted"):
    """A null value on `pairs`: the pair is closed, reason `other`, at the moment the null arrived. Journal only."""

    pair_id: FastId


class ProgramEnded(_Fact, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="program.ended"):
    """A null value on `programs`: the program ended at the moment the null arrived. Journal only."""


ActivityFact = (
    ActivitySignedIn
    | ActivityProfileUpdated
    | ActivityGoalUpdated
    | ActivityContentViewed
    | ActivityMessageSent
    | MatchRequestSent
    | MatchRequestAccepted
    | MatchRequestDeclined
    | MatchRequestExpired
    | MatchRequestWithdrawn
    | RelaunchAnswered
    | HelpRequested
)
MeetingFact = MeetingScheduled | MeetingRescheduled | MeetingHeld | MeetingCancelled | MeetingNoShow
SurveyFact = SurveySent | SurveyReminded | SurveyExpired
RatingFact = SurveyFact | RatingSubmitted

Fact = (
    ActivityFact
    | MeetingFact
    | RatingFact
    | SentimentSubmitted
    | ProgramChanged
    | PairChanged
    | ParticipantChanged
    | ActionTaken
    | PairDeleted
    | ProgramEnded
)
"""What a `fact` entry of the journal holds."""

InboundValue = Fact | RulesetActivated
"""What a record of an inbound topic can become."""

BY_TOPIC: Final[dict[str, tuple[type[InboundValue], ...]]] = {
    "participant-activity": (
        ActivitySignedIn,
        ActivityProfileUpdated,
        ActivityGoalUpdated,
        ActivityContentViewed,
        ActivityMessageSent,
        MatchRequestSent,
        MatchRequestAccepted,
        MatchRequestDeclined,
        MatchRequestExpired,
        MatchRequestWithdrawn,
        RelaunchAnswered,
        HelpRequested,
    ),
    "meetings": (MeetingScheduled, MeetingRescheduled, MeetingHeld, MeetingCancelled, MeetingNoShow),
    "ratings": (SurveySent, SurveyReminded, SurveyExpired, RatingSubmitted),
    "sentiment": (SentimentSubmitted,),
    "programs": (ProgramChanged,),
    "pairs": (PairChanged,),
    "participants": (ParticipantChanged,),
    "coordinator-actions": (ActionTaken,),
    "rulesets": (RulesetActivated,),
}
"""The types each inbound topic may carry, topic names without prefix."""

JOURNAL_ONLY: Final[tuple[type[Fact], ...]] = (PairDeleted, ProgramEnded)
"""Types that stand for a null value and cannot be sent."""


def tag_of(kind: type[InboundValue]) -> str:
    """Return the `type` a struct has on the wire, such as ``rating.submitted``."""
    tag = kind.__struct_config__.tag
    assert isinstance(tag, str)
    return tag


TYPES: Final[dict[str, type[InboundValue]]] = {
    tag_of(kind): kind for kinds in (*BY_TOPIC.values(), JOURNAL_ONLY) for kind in kinds
}
"""Every type by its name on the wire."""

INBOUND_TOPIC_OF: Final[dict[str, str]] = {tag_of(kind): topic for topic, kinds in BY_TOPIC.items() for kind in kinds}
"""The one inbound topic of every type that can be sent."""
