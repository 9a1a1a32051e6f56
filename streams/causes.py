"""Why a pair may have gone quiet, as far as its facts tell: the `cause` of a pair or participant intervention.

Confidence is a statement about the evidence, not a probability that was fitted to outcomes: 0.8 when facts show it
directly, 0.6 when it is read from their absence, 0 for `unknown`.
"""

from typing import Final

from schemas.interventions import CauseLabel
from streams.clock import DAY_MS
from streams.state.pair import PairState
from streams.view import View

IN_CONTACT_MS: Final = 14 * DAY_MS
SHOWN: Final = 0.8
INFERRED: Final = 0.6


def cause_of_pair(view: View, pair: PairState, at_ms: int, window_ms: int, negative: bool) -> tuple[CauseLabel, float]:
    """Name the likely cause of trouble in a pair.

    Args:
        at_ms: the instant of the judgement.
        window_ms: the rule's window; `unengaged` means that neither attempted anything inside it.
        negative: whether a signal of the rule is negative (a low rating, negative sentiment).
    """
    waiting = [member.id for member in pair.members if _is_unanswered(view, pair, member.id)]
    if pair.one_to_one and len(waiting) == 1:
        return "unresponsive", SHOWN
    if negative and pair.members and all(at_ms - member.contact_ms <= IN_CONTACT_MS for member in pair.members):
        return "trouble", SHOWN
    if not any(member.attempt_ms > at_ms - window_ms for member in pair.members):
        return "unengaged", INFERRED
    return "unknown", 0.0


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
