"""self_match.request_to_inactive: somebody asked to be matched with a person who has not been heard of for a month.

Where people choose their own partners, a request to somebody who no longer looks at the platform is a request that
will lie. The one who asked waits, and does not know it. The rule speaks at once, while there is still time to nudge the
person asked, or to hide them from the choice.

Where the catalogue leaves room:
- Who was never in contact is counted from when they joined. Of whom neither is known nothing is said, and nothing is
  counted from before observation began.
- It lasts until every such request is answered or withdrawn. One that expires was not answered.
- A contact from before the request that is noted after it retracts: the person was not inactive.

Source: requests to inactive people as the first thing to look for in self-matching programs is the advice that
    mentoring platforms give their coordinators; the 30 days are our starting point.
"""

from typing import Final

from pydantic import Field

import schemas.facts as f
from streams.clock import DAY_MS
from streams.rule import NOTHING, Account, Action, Duration, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.rule import evidence as evidence_of
from streams.state.episode import Evidence
from streams.state.participant import ParticipantState, Request, RequestPhase
from streams.view import View


class SelfMatchRequestToInactiveParams(RuleParams):
    cool_down: Duration = Field(default=0, description="after closing, how long the rule stays silent on the subject")
    inactive_for: Duration = Field(
        default=30 * DAY_MS, ge=DAY_MS, description="who has not been in contact for this long is inactive"
    )


class SelfMatchRequestToInactive(Rule):
    id = "self_match.request_to_inactive"
    code = 22
    klass = "preventive"
    subject = "participant"
    closes = "they answer, or the request is withdrawn"
    suggests = ("reach_out", "send_reminder", "mark_unavailable")
    Params = SelfMatchRequestToInactiveParams
    rungs = (Rung(None, Severity.WARNING),)
    reads = frozenset({f.MatchRequestSent, f.MatchRequestAccepted, f.MatchRequestDeclined, f.MatchRequestWithdrawn})
    on_fact = True

    def judge(self, view: View, subject: Subject, params: SelfMatchRequestToInactiveParams, moment: Moment) -> Verdict:
        person = subject.record
        assert isinstance(person, ParticipantState)
        if person.matching is None:
            return NOTHING
        lying = _lying(view, person, params)
        at_ms = moment.ref.at_ms if moment.ref is not None else None
        if not lying:
            return Verdict(closes=True, closed_by_ms=at_ms)
        fresh = moment.ref is not None and any(each.sent == moment.ref for each in lying)
        return Verdict(1, Severity.WARNING, fresh=fresh, origin=lying[-1].sent)

    def explain(
        self,
        view: View,
        subject: Subject,
        params: SelfMatchRequestToInactiveParams,
        moment: Moment,
        change: str,
        rung: int,
    ) -> Account:
        person = subject.record
        assert isinstance(person, ParticipantState)
        lying = _lying(view, person, params)
        askers = sorted({each.by for each in lying})
        if change == "opened":
            facts = [_say(view, each, params) for each in lying]
        else:
            facts = [_say(view, each, params) for each in lying if each.sent == moment.ref]
            if not facts and moment.ref is not None:
                facts = [evidence_of(_VERBS.get(type(moment.fact), "the person was heard of"), moment.ref)]
        if not lying:
            summary = f"No request to {subject.id} is waiting any more."
        else:
            days = _silent_ms(view, lying[-1], 0) // DAY_MS
            requests = "A request" if len(lying) == 1 else f"{len(lying)} requests"
            summary = f"{requests} for a match went to {subject.id}, of whom nothing was heard for {days} days."
        return Account(
            summary,
            tuple(facts),
            cause=("unresponsive", 0.6),
            actions=(
                Action("reach_out"),
                Action("send_reminder"),
                Action("mark_unavailable", needs_approval=True),
            ),
            participant_ids=(subject.id, *(each for each in askers if each != subject.id)),
        )


_VERBS: Final[dict[type, str]] = {
    f.MatchRequestAccepted: "the person accepted a request",
    f.MatchRequestDeclined: "the person declined a request",
    f.MatchRequestWithdrawn: "the request was withdrawn",
}


def _silent_ms(view: View, request: Request, contact_ms: int) -> int:
    """How long the receiver had been silent when a request was sent, 0 when nothing is known of them. A contact noted
    since counts if it was before it."""
    if request.sent is None:
        return 0
    sent_ms = request.sent.at_ms
    known_ms = max(request.seen_ms, contact_ms if contact_ms <= sent_ms else 0)
    return sent_ms - max(known_ms, view.observed_from_ms) if known_ms else 0


def _lying(view: View, person: ParticipantState, params: SelfMatchRequestToInactiveParams) -> list[Request]:
    """Requests that went to the person while inactive and are neither answered nor withdrawn, oldest first."""
    if person.matching is None or not person.is_active or not view.program.self_matching:
        return []
    since_ms = view.facts_from_ms(SelfMatchRequestToInactive.code, person)
    return [
        each
        for each in person.matching.received
        if each.phase is not RequestPhase.WITHDRAWN
        and each.sent is not None
        and each.sent.at_ms >= since_ms
        and _silent_ms(view, each, person.contact_ms) >= params.inactive_for
    ]


def _say(view: View, request: Request, params: SelfMatchRequestToInactiveParams) -> Evidence:
    assert request.sent is not None
    return evidence_of(
        "a request went to somebody without contact for so many days",
        request.sent,
        value=_silent_ms(view, request, 0) // DAY_MS,
        threshold=params.inactive_for // DAY_MS,
    )
