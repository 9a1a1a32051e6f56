"""self_match.repeated_decliner: somebody keeps declining the people who ask them for a match.

Declining is fine, and better than silence. But who declines three times in two months may be full, may have a profile
that attracts the wrong people, or may not want to be found at the moment. A short talk helps both sides more than the
next request does.

Where the catalogue leaves room: the window is of event times and ends now; 60 days without a decline end it.

Source: our starting point; mentoring platforms advise to look after both sides where people choose their own matches.
"""

from pydantic import Field

import schemas.facts as f
from streams.clock import DAY_MS
from streams.rule import Account, Action, Duration, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.rule import evidence as evidence_of
from streams.state.episode import Evidence, FactRef
from streams.state.participant import MAX_REQUESTS, ParticipantState
from streams.view import View


class SelfMatchRepeatedDeclinerParams(RuleParams):
    count: int = Field(default=3, ge=2, le=MAX_REQUESTS, description="so many declines open it")
    window: Duration = Field(
        default=60 * DAY_MS, ge=DAY_MS, description="in which declines add up, and without one ends it"
    )


class SelfMatchRepeatedDecliner(Rule):
    id = "self_match.repeated_decliner"
    code = 24
    klass = "preventive"
    subject = "participant"
    closes = "no refusal for `window`"
    suggests = ("reach_out", "mark_unavailable")
    Params = SelfMatchRepeatedDeclinerParams
    rungs = (Rung(None, Severity.NOTICE),)
    reads = frozenset({f.MatchRequestDeclined})
    on_fact = True

    def judge(self, view: View, subject: Subject, params: SelfMatchRepeatedDeclinerParams, moment: Moment) -> Verdict:
        person = subject.record
        assert isinstance(person, ParticipantState)
        if person.matching is None or not person.matching.declines or not view.program.self_matching:
            return Verdict(closes=True)
        recent = _recent(view, person, params, moment)
        quiet_ms = person.matching.declines[-1].at_ms + params.window
        closes = moment.at_ms >= quiet_ms
        if len(recent) < params.count:
            # Once all of them are out of the window there is nothing left to wait for.
            return Verdict(closes=closes, look_ms=None if closes else quiet_ms)
        # A millisecond after the window the oldest that matters is out of it.
        look_ms = min(quiet_ms, recent[-params.count].at_ms + params.window + 1)
        mine = moment.ref is not None and moment.ref in recent
        return Verdict(1, Severity.NOTICE, closes, look_ms=look_ms, fresh=mine, origin=recent[-1])

    def explain(
        self,
        view: View,
        subject: Subject,
        params: SelfMatchRepeatedDeclinerParams,
        moment: Moment,
        change: str,
        rung: int,
    ) -> Account:
        person = subject.record
        assert isinstance(person, ParticipantState)
        recent = _recent(view, person, params, moment)
        days = params.window // DAY_MS
        facts: list[Evidence] = []
        if change == "opened":
            facts = [evidence_of("the person declined a request", each, window_days=days) for each in recent]
        elif moment.ref is not None:
            facts = [evidence_of("the person declined a request", moment.ref, window_days=days)]
        if change == "resolved":
            summary = f"{subject.id} has declined nobody for {days} days."
        else:
            summary = f"{subject.id} declined {len(recent)} requests for a match in {days} days."
        return Account(
            summary,
            tuple(facts),
            cause=("unknown", 0.0),
            actions=(Action("reach_out"), Action("mark_unavailable", needs_approval=True)),
            participant_ids=(subject.id,),
        )


def _recent(
    view: View, person: ParticipantState, params: SelfMatchRepeatedDeclinerParams, moment: Moment
) -> list[FactRef]:
    """Declines inside the window that ends now, oldest first."""
    since_ms = max(view.facts_from_ms(SelfMatchRepeatedDecliner.code, person), moment.at_ms - params.window)
    return [each for each in person.matching.declines if each.at_ms >= since_ms] if person.matching is not None else []
