"""Facts into state, without opinion.

`fold(view, fact, ref, arrived_ms)` changes the records a fact is about and says which pairs and people it touched,
so that the engine knows whom to ask the rules about. It writes what happened, never what to think of it.

One module per kind of fact: `reference` (programs, pairs, participants), `contacts` (who acted, who tried to reach
whom), `meetings`, `surveys` (ratings, sentiment and the surveys they answer), `actions` (what coordinators did).
"""

from collections.abc import Callable
from typing import Any, Final

import schemas.facts as f
from streams.fold.actions import fold_action
from streams.fold.contacts import fold_help, fold_message, fold_own_activity, fold_relaunch_answer
from streams.fold.counted import COUNTS
from streams.fold.meetings import fold_meeting, is_repeated_meeting
from streams.fold.reference import fold_pair, fold_pair_deleted, fold_participant, fold_program, fold_program_ended
from streams.fold.requests import fold_match_request
from streams.fold.surveys import fold_submission, fold_survey, is_repeated_submission
from streams.fold.touched import NOBODY, Touched
from streams.state.episode import FactRef
from streams.view import View

__all__ = ["NOBODY", "Touched", "fold"]

_Fold = Callable[[View, Any, FactRef, int], Touched]

_FOLDS: Final[dict[type, _Fold]] = {
    f.ActivitySignedIn: fold_own_activity,
    f.ActivityProfileUpdated: fold_own_activity,
    f.ActivityGoalUpdated: fold_own_activity,
    f.ActivityContentViewed: fold_own_activity,
    f.RelaunchAnswered: fold_relaunch_answer,
    f.ActivityMessageSent: fold_message,
    f.MatchRequestSent: fold_match_request,
    f.MatchRequestAccepted: fold_match_request,
    f.MatchRequestDeclined: fold_match_request,
    f.MatchRequestExpired: fold_match_request,
    f.MatchRequestWithdrawn: fold_match_request,
    f.HelpRequested: fold_help,
    f.MeetingScheduled: fold_meeting,
    f.MeetingRescheduled: fold_meeting,
    f.MeetingHeld: fold_meeting,
    f.MeetingCancelled: fold_meeting,
    f.MeetingNoShow: fold_meeting,
    f.SurveySent: fold_survey,
    f.SurveyReminded: fold_survey,
    f.SurveyExpired: fold_survey,
    f.RatingSubmitted: fold_submission,
    f.SentimentSubmitted: fold_submission,
    f.ProgramChanged: fold_program,
    f.ProgramEnded: fold_program_ended,
    f.PairChanged: fold_pair,
    f.PairDeleted: fold_pair_deleted,
    f.ParticipantChanged: fold_participant,
    f.ActionTaken: fold_action,
}

_REPEATS: Final[dict[type, Callable[[View, Any], bool]]] = {
    f.MeetingHeld: is_repeated_meeting,
    f.RatingSubmitted: is_repeated_submission,
    f.SentimentSubmitted: is_repeated_submission,
}


#: what is done with a kind of fact: is it a repeat, fold it, count it
_STEPS: Final = {kind: (_REPEATS.get(kind), folding, COUNTS.get(kind)) for kind, folding in _FOLDS.items()}


def fold(view: View, fact: f.Fact, ref: FactRef, arrived_ms: int) -> Touched | None:
    """Fold one fact.

    Args:
        view: the fact's program.
        ref: where it stands; `ref.at_ms` is its event time, at most its arrival.
        arrived_ms: timestamp of its record.

    Returns: the pairs and participants whose judgement it can move; None when a fact with another event id said for
        good what this one says, the same meeting, the same survey answer, and nothing was changed.
    """
    is_repeat, folding, count = _STEPS[type(fact)]
    if is_repeat is not None and is_repeat(view, fact):
        return None
    touched = folding(view, fact, ref, arrived_ms)
    if count is not None:
        count(view, fact)
        view.touch_program()
    return touched
