"""One module per rule of the catalogue; rules are strangers to one another.

`RULES` is in the order of ids, which is the order in which rules are asked at one instant. `code` stands for a rule in
stored state: a code is never given to another rule. Codes in use: see the modules. Retired: none.
"""

from typing import Final

from streams.rule import Rule
from streams.rules.first_meeting_missing import FirstMeetingMissing
from streams.rules.pair_sentiment_slowdown import PairSentimentSlowdown
from streams.rules.program_sentiment_slowdown import ProgramSentimentSlowdown
from streams.rules.rating_low import RatingLow

RULES: Final[tuple[Rule, ...]] = tuple(
    sorted(
        (FirstMeetingMissing(), PairSentimentSlowdown(), ProgramSentimentSlowdown(), RatingLow()),
        key=lambda rule: rule.id,
    )
)
for _place, _rule in enumerate(RULES):
    _rule.place = _place

RULES_BY_ID: Final = {rule.id: rule for rule in RULES}
RULES_BY_CODE: Final = {rule.code: rule for rule in RULES}

assert len(RULES_BY_ID) == len(RULES_BY_CODE) == len(RULES), "ids and codes are unique"
