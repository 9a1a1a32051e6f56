"""self_match.unresponsive_candidate: several people asked the same person for a match, and none got an answer.

A profile that never answers costs everybody who picks it. Three requests left lying are no oversight any more: the
person is asked whether they still want to be found, and is hidden from the choice if not.

Where the catalogue leaves room:
- A request counts when it has expired, or once it has waited for `unanswered_after`; the days stand still in breaks and
  while the person is not active. One that was withdrawn does not count.
- *Since their last answer*: who answers any request, yes or no, starts anew. What was sent before counts again only
  if it expires after that.
- It closes when they answer one, and also when nothing is left that they could answer.
- From `remind_after` on a waiting request is worth a reminder; the evidence says which are.

Source: hiding people who leave requests unanswered is published advice for programs in which people choose their own
    matches; three reports before anybody is taken out is their practice too, 7 and 14 days are our starting point.
"""

from typing import Final

from pydantic import Field

import schemas.facts as f
from streams.calendar import Interval, due_ms, running_ms, union
from streams.clock import DAY_MS
from streams.rule import NOTHING, Account, Action, Duration, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.rule import evidence as evidence_of
from streams.state.episode import Evidence
from streams.state.participant import MAX_REQUESTS, ParticipantState, Request, RequestPhase
from streams.view import View


class SelfMatchUnresponsiveCandidateParams(RuleParams):
    count: int = Field(default=3, ge=1, le=MAX_REQUESTS, description="so many requests left lying open it")
    unanswered_after: Duration = Field(
        default=14 * DAY_MS, ge=DAY_MS, description="a request that waits this long counts as left lying"
    )
    remind_after: Duration = Field(default=7 * DAY_MS, ge=DAY_MS, description="from here on a reminder is worth it")


class SelfMatchUnresponsiveCandidate(Rule):
    id = "self_match.unresponsive_candidate"
    code = 23
    klass = "preventive"
    subject = "participant"
    closes = "they answer a request"
    suggests = ("send_reminder", "reach_out", "mark_unavailable")
    Params = SelfMatchUnresponsiveCandidateParams
    rungs = (Rung(None, Severity.WARNING),)
    reads = frozenset({
        f.MatchRequestSent, f.MatchRequestAccepted, f.MatchRequestDeclined, f.MatchRequestExpired,
        f.MatchRequestWithdrawn, f.ParticipantChanged,
    })  # fmt: skip
    is_absence = True

    def judge(
        self, view: View, subject: Subject, params: SelfMatchUnresponsiveCandidateParams, moment: Moment
    ) -> Verdict:
        person = subject.record
        assert isinstance(person, ParticipantState)
        if person.matching is None:
            return NOTHING
        waiting, stops = _waiting(view, person), _stops(view, person)
        lying, look_ms = [], None
        for request in waiting:
            due = _due_ms(request, stops, params)
            if due is not None and due <= moment.now_ms:
                lying.append((due, request))
            elif due is not None:
                look_ms = due if look_ms is None else min(look_ms, due)
        fact_ms = moment.ref.at_ms if moment.ref is not None else None
        if len(lying) >= params.count:
            due, request = sorted(lying, key=lambda each: (each[0], each[1].request_id))[params.count - 1]
            by_fact = isinstance(moment.fact, f.MatchRequestExpired)
            return Verdict(
                1,
                Severity.WARNING,
                look_ms=look_ms,
                fresh=by_fact,
                origin=moment.ref if by_fact else request.ended or request.sent,
                due_ms=None if by_fact else due,
            )
        episode = person.open_episode(self.code)
        answered = isinstance(moment.fact, f.MatchRequestAccepted | f.MatchRequestDeclined)
        is_late = episode is not None and fact_ms is not None and fact_ms < episode.opened_ms
        return Verdict(closes=answered or is_late or not waiting, closed_by_ms=fact_ms, look_ms=look_ms)

    def explain(
        self,
        view: View,
        subject: Subject,
        params: SelfMatchUnresponsiveCandidateParams,
        moment: Moment,
        change: str,
        rung: int,
    ) -> Account:
        person = subject.record
        assert isinstance(person, ParticipantState)
        waiting, stops = _waiting(view, person), _stops(view, person)
        if change == "opened":
            facts = [_say(each, stops, params, moment.now_ms) for each in waiting]
        elif moment.ref is not None:
            facts = [evidence_of(_VERBS.get(type(moment.fact), "the person changed"), moment.ref)]
        else:
            facts = []
        lying = [each for each in waiting if (_due_ms(each, stops, params) or moment.now_ms + 1) <= moment.now_ms]
        if change in ("resolved", "retracted"):
            summary = f"{subject.id} has answered, or nobody waits for them any more."
        else:
            summary = f"{subject.id} has left {len(lying)} requests for a match unanswered."
        askers = sorted({each.by for each in waiting} - {subject.id})
        return Account(
            summary,
            tuple(facts),
            cause=("unresponsive", 0.8),
            actions=(
                Action("send_reminder"),
                Action("reach_out"),
                Action("mark_unavailable", needs_approval=True),
            ),
            participant_ids=(subject.id, *askers),
        )


_VERBS: Final[dict[type, str]] = {
    f.MatchRequestSent: "another request was sent",
    f.MatchRequestAccepted: "the person accepted a request",
    f.MatchRequestDeclined: "the person declined a request",
    f.MatchRequestExpired: "a request expired",
    f.MatchRequestWithdrawn: "a request was withdrawn",
}


def _stops(view: View, person: ParticipantState) -> tuple[Interval, ...]:
    return union(view.program_stops, person.stops) if person.states else view.program_stops


def _waiting(view: View, person: ParticipantState) -> list[Request]:
    """Requests received since observation began and not answered or withdrawn, oldest first."""
    if person.matching is None or not view.program.self_matching:
        return []
    return [
        each
        for each in person.matching.received
        if each.phase is not RequestPhase.WITHDRAWN and each.at_ms >= view.observed_from_ms
    ]


def _due_ms(request: Request, stops: tuple[Interval, ...], params: SelfMatchUnresponsiveCandidateParams) -> int | None:
    """When a request starts to count; None while the clock stands still for good."""
    if request.phase is RequestPhase.EXPIRED:
        return request.at_ms
    return due_ms(request.at_ms, params.unanswered_after, stops)


def _say(
    request: Request, stops: tuple[Interval, ...], params: SelfMatchUnresponsiveCandidateParams, now_ms: int
) -> Evidence:
    ref = request.ended or request.sent
    assert ref is not None
    if request.phase is RequestPhase.EXPIRED:
        return evidence_of("a request expired", ref)
    waited_ms = running_ms(ref.at_ms, now_ms, stops)
    words = "a request has waited for so many days"
    if params.remind_after <= waited_ms < params.unanswered_after:
        words += "; a reminder is due"
    return evidence_of(words, ref, value=waited_ms // DAY_MS, threshold=params.unanswered_after // DAY_MS)
