"""Neglect: how long an intervention may wait for somebody, and who is told when nobody came.

The span counts from the opening, and anew when severity rises, when it wakes, or when an acknowledgement has lapsed.
After the first span the backup coordinator is told, after the second customer success; then nobody is left to tell.
"""

from typing import Final

from schemas.interventions import Audience
from streams.calendar import calendar_of
from streams.clock import HOUR_MS
from streams.rule import Account, Severity, Subject
from streams.ruleset import Neglect
from streams.state.pair import PairState, Side
from streams.view import View
from streams.workdays import after_working_days

#: Who is told at each level of neglect, from 1 on.
TOLD: Final[tuple[Audience, ...]] = ("backup_coordinator", "customer_success")
_SIDES: Final = {"mentor": Side.MENTOR, "mentee": Side.MENTEE}


def span_end_ms(severity: int, start_ms: int, neglect: Neglect, view: View) -> int:
    """When a span that starts at an instant is over; 0 for what may wait for ever (`info`, `notice`)."""
    if severity == Severity.CRITICAL:
        return start_ms + neglect.critical
    if severity == Severity.HIGH:
        return start_ms + neglect.high
    if severity == Severity.WARNING:
        program = view.program
        # As announced: days on which records were lost are working days all the same.
        calendar = calendar_of(program.timezone, tuple(program.breaks), program.ends_ms or None)
        return after_working_days(calendar, start_ms, neglect.warning_working_days)
    return 0


def span_words(severity: int, neglect: Neglect) -> str:
    """The span of a severity in words."""
    if severity == Severity.WARNING:
        return f"{neglect.warning_working_days} working days"
    hours = (neglect.critical if severity == Severity.CRITICAL else neglect.high) // HOUR_MS
    return f"{hours} h"


def is_outreach_missing(view: View, subject: Subject, account: Account, since_ms: int) -> bool:
    """Whether one of the suggested outreaches has not been made since an instant (the opening)."""
    return any(
        not _is_made(view, subject, account, action.party, since_ms)
        for action in account.actions
        if action.code == "reach_out" and action.unlocked
    )


def _is_made(view: View, subject: Subject, account: Account, party: str | None, since_ms: int) -> bool:
    if party is None:
        people = (subject.id,) if subject.kind == "participant" else account.participant_ids
        known = (view.participant(each) for each in people)
        return any(at_ms >= since_ms for person in known if person is not None for at_ms in person.reached)
    pairs = (view.pair(pair_id) for pair_id in account.pair_ids)
    members = (member for pair in pairs if isinstance(pair, PairState) for member in pair.members)
    return any(member.side == _SIDES[party] and member.reached_ms >= since_ms for member in members)
