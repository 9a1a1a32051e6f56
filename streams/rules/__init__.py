"""One module per rule of the catalogue; rules are strangers to one another.

`RULES` is in the order of ids, which is the order in which rules are asked at one instant. `code` stands for a rule in
stored state: a code is never given to another rule. Codes in use: see the modules. Retired: none.
"""

from typing import Final

from streams.rule import Rule
from streams.rules.cleanup_due import CleanupDue
from streams.rules.data_source_silent import DataSourceSilent
from streams.rules.first_meeting_missing import FirstMeetingMissing
from streams.rules.help_requested import HelpRequested
from streams.rules.match_in_trouble import MatchInTrouble
from streams.rules.match_rematch_suggested import MatchRematchSuggested
from streams.rules.meeting_repeatedly_postponed import MeetingRepeatedlyPostponed
from streams.rules.meeting_rhythm_lost import MeetingRhythmLost
from streams.rules.pair_quiet import PairQuiet
from streams.rules.pair_sentiment_slowdown import PairSentimentSlowdown
from streams.rules.participant_unresponsive import ParticipantUnresponsive
from streams.rules.partner_needs_rematch import PartnerNeedsRematch
from streams.rules.positive_kudos import PositiveKudos
from streams.rules.program_rating_below_target import ProgramRatingBelowTarget
from streams.rules.program_sentiment_slowdown import ProgramSentimentSlowdown
from streams.rules.program_sentiment_started import ProgramSentimentStarted
from streams.rules.program_slump import ProgramSlump
from streams.rules.program_temperature_low import ProgramTemperatureLow
from streams.rules.rating_divergent import RatingDivergent
from streams.rules.rating_dropped import RatingDropped
from streams.rules.rating_low import RatingLow
from streams.rules.relaunch_carryover_risk import RelaunchCarryoverRisk
from streams.rules.relaunch_opt_out_open import RelaunchOptOutOpen
from streams.rules.review_due import ReviewDue
from streams.rules.rule_noisy import RuleNoisy
from streams.rules.safety_concern import SafetyConcern
from streams.rules.self_match_repeated_decliner import SelfMatchRepeatedDecliner
from streams.rules.self_match_request_to_inactive import SelfMatchRequestToInactive
from streams.rules.self_match_stranded import SelfMatchStranded
from streams.rules.self_match_unresponsive_candidate import SelfMatchUnresponsiveCandidate
from streams.rules.survey_unanswered import SurveyUnanswered
from streams.view import View

RULES: Final[tuple[Rule, ...]] = tuple(
    sorted(
        (
            FirstMeetingMissing(),
            MeetingRhythmLost(),
            PairSentimentSlowdown(),
            ProgramRatingBelowTarget(),
            ProgramSentimentSlowdown(),
            ProgramTemperatureLow(),
            RatingLow(),
            RuleNoisy(),
            ProgramSlump(),
            RelaunchCarryoverRisk(),
            RelaunchOptOutOpen(),
            CleanupDue(),
            DataSourceSilent(),
            SurveyUnanswered(),
            SafetyConcern(),
            RatingDropped(),
            RatingDivergent(),
            PositiveKudos(),
            PartnerNeedsRematch(),
            ParticipantUnresponsive(),
            PairQuiet(),
            MeetingRepeatedlyPostponed(),
            MatchRematchSuggested(),
            MatchInTrouble(),
            HelpRequested(),
            ReviewDue(),
            ProgramSentimentStarted(),
            SelfMatchRepeatedDecliner(),
            SelfMatchRequestToInactive(),
            SelfMatchStranded(),
            SelfMatchUnresponsiveCandidate(),
        ),
        key=lambda rule: (not rule.inhibits, rule.id),
    )
)
for _place, _rule in enumerate(RULES):
    _rule.place = _place

RULES_BY_ID: Final = {rule.id: rule for rule in RULES}
RULES_BY_CODE: Final = {rule.code: rule for rule in RULES}

assert len(RULES_BY_ID) == len(RULES_BY_CODE) == len(RULES), "ids and codes are unique"


def rule_of(code: int, view: View) -> Rule | None:
    """The rule that a code in state stands for in a program: of the catalogue or of the program's own, None when it is
    retired."""
    rule = RULES_BY_CODE.get(code)
    if rule is None and view.custom:
        found: Rule | None = view.custom.get(code)
        return found
    return rule
