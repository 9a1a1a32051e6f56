"""`participant-activity`: what people do on the platform, whom they ask, and when they ask for help."""

from typing import Literal

from schemas.base import Comment, InboundFact
from schemas.facts import HelpTopic, RelaunchChoice
from schemas.ids import Id


class Activity(InboundFact):
    """Something one person did."""

    participant_id: Id


class ActivitySignedIn(Activity):
    """Someone signed in."""

    type: Literal["activity.signed_in"]


class ActivityProfileUpdated(Activity):
    """Someone changed their profile."""

    type: Literal["activity.profile_updated"]


class ActivityGoalUpdated(Activity):
    """Someone changed their goals."""

    type: Literal["activity.goal_updated"]


class ActivityContentViewed(Activity):
    """Someone opened a piece of content."""

    type: Literal["activity.content_viewed"]


class ActivityMessageSent(Activity):
    """Someone wrote to their partner."""

    type: Literal["activity.message_sent"]
    pair_id: Id


class MatchRequest(InboundFact):
    """`participant_id` asked, `counterpart_id` was asked and answers."""

    request_id: Id
    participant_id: Id
    counterpart_id: Id


class MatchRequestSent(MatchRequest):
    """Someone asked to be matched."""

    type: Literal["match_request.sent"]


class MatchRequestAccepted(MatchRequest):
    """The counterpart accepted."""

    type: Literal["match_request.accepted"]


class MatchRequestDeclined(MatchRequest):
    """The counterpart declined."""

    type: Literal["match_request.declined"]


class MatchRequestExpired(MatchRequest):
    """Nobody answered in time."""

    type: Literal["match_request.expired"]


class MatchRequestWithdrawn(MatchRequest):
    """Who asked took the request back."""

    type: Literal["match_request.withdrawn"]


class RelaunchAnswered(InboundFact):
    """Someone said whether they take part in the next run."""

    type: Literal["relaunch.answered"]
    participant_id: Id
    choice: RelaunchChoice


class HelpRequested(InboundFact):
    """Someone asked the coordinator for help."""

    type: Literal["help.requested"]
    participant_id: Id
    pair_id: Id | None = None
    topic: HelpTopic | None = None
    comment: Comment | None = None
