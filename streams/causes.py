"""Why a pair may have gone quiet, as far as its facts tell: the `cause` of a pair or participant intervention.

Confidence is a statement about the evidence, not a probability that was fitted to outcomes: 0.8 when facts show it
directly, 0.6 when it is read from their absence, 0 for `unknown`.
"""

from typing import Final

from schemas.interventions import CauseLabel
from streams.clock import DAY_MS
from streams.state.pair import PairState
from streams.state.participant import HELP_TOPICS
from streams.view import View

IN_CONTACT_MS: Final = 14 * DAY_MS
SHOWN: Final = 0.8
INFERRED: Final = 0.6

_CLOSE_REASONS: Final[dict[str, CauseLabel]] = {
    "no_time": "no_time",
    "mismatch": "mismatch",
    "left_program": "left",
    "no_response": "unresponsive",
}
_TOPICS: Final[dict[str, CauseLabel]] = {"mismatch": "mismatch", "rematch": "mismatch"}


def cause_of_pair(view: View, pair: PairState, at_ms: int, window_ms: int, negative: bool) -> tuple[CauseLabel, float]:
    """Name the likely cause of trouble in a pair: what somebody said it was, else what the facts show.

    Args:
        at_ms: the instant of the judgement.
        window_ms: the rule's window; `unengaged` means that neither attempted anything inside it.
        negative: whether a signal of the rule is negative (a low rating, negative sentiment).
    """
    said = _said(view, pair, at_ms - window_ms)
    if said is not None:
        return said, SHOWN
    waiting = [member.id for member in pair.members if _is_unanswered(view, pair, member.id)]
    if pair.one_to_one and len(waiting) == 1:
        return "unresponsive", SHOWN
    if negative and pair.members and all(at_ms - member.contact_ms <= IN_CONTACT_MS for member in pair.members):
        return "trouble", SHOWN
    if not any(member.attempt_ms > at_ms - window_ms for member in pair.members):
        return "unengaged", INFERRED
    return "unknown", 0.0


def _said(view: View, pair: PairState, since_ms: int) -> CauseLabel | None:
    """The cause that a close reason or a call for help about this pair names."""
    if not pair.is_active and pair.close_reason in _CLOSE_REASONS:
        return _CLOSE_REASONS[pair.close_reason]
    for member in pair.members:
        person = view.participant(member.id)
        for asked in person.helps if person is not None else ():
            label = _TOPICS.get(HELP_TOPICS[asked.topic])
            if label is not None and asked.ref.at_ms > since_ms and _is_about(view, pair, asked.pair_id):
                return label
    return None


def _is_about(view: View, pair: PairState, pair_id: str) -> bool:
    return bool(pair_id) and view.pair(pair_id) is pair


def silent_member(view: View, pair: PairState) -> str | None:
    """Who has not answered the other's attempt, None unless that is exactly one of them."""
    waiting = [member.id for member in pair.members if _is_unanswered(view, pair, member.id)]
    if not pair.one_to_one or len(waiting) != 1:
        return None
    partner = pair.partner(waiting[0])
    return None if partner is None else partner.id


def _is_unanswered(view: View, pair: PairState, by: str) -> bool:
    member, partner = pair.member(by), pair.partner(by)
    if member is None or partner is None or not member.attempt_ms:
        return False
    person = view.participant(partner.id)
    return person is None or person.contact_ms <= member.attempt_ms
