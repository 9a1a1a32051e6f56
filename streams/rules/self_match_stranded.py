"""self_match.stranded: somebody asked for a match again and again, and is still alone.

Each request took courage. Who was declined, or left waiting until the request expired, gives up rather quietly: this is
the moment to suggest somebody, by hand. It is high, because nobody else will tell.

Where the catalogue leaves room: a request counts once, whatever was noted of it. A pair, however it came about, makes
a fresh start just as an acceptance does: what was refused before it does not count when the pair ends.

Source: our starting point. Mentoring platforms advise to match by hand whoever finds nobody.
"""

from typing import Final

from pydantic import Field

import schemas.facts as f
from streams.rule import NOTHING, Account, Action, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.rule import evidence as evidence_of
from streams.state.episode import Evidence, FactRef
from streams.state.participant import MAX_REQUESTS, ParticipantState
from streams.view import View


class SelfMatchStrandedParams(RuleParams):
    count: int = Field(default=2, ge=1, le=MAX_REQUESTS, description="so many own requests that came to nothing")


class SelfMatchStranded(Rule):
    id = "self_match.stranded"
    code = 25
    klass = "preventive"
    subject = "participant"
    closes = "a request is accepted, or they get a pair"
    suggests = ("reach_out", "rematch")
    Params = SelfMatchStrandedParams
    rungs = (Rung(None, Severity.HIGH),)
    reads = frozenset({
        f.MatchRequestDeclined, f.MatchRequestExpired, f.MatchRequestAccepted, f.PairChanged, f.PairDeleted,
    })  # fmt: skip
    on_fact = True

    def judge(self, view: View, subject: Subject, params: SelfMatchStrandedParams, moment: Moment) -> Verdict:
        person = subject.record
        assert isinstance(person, ParticipantState)
        matching = person.matching
        if matching is None:
            return NOTHING
        at_ms = moment.ref.at_ms if moment.ref is not None else None
        if person.pair_ids or not view.program.self_matching:
            return Verdict(closes=True, closed_by_ms=at_ms)
        refused = _refused(view, person)
        if len(refused) < params.count:
            # Refusals are only ever forgotten because of an acceptance or a pair.
            return Verdict(closes=True, closed_by_ms=at_ms)
        latest = refused[-1]
        fresh = moment.ref is not None and moment.ref in refused
        return Verdict(1, Severity.HIGH, fresh=fresh, origin=latest)

    def explain(
        self, view: View, subject: Subject, params: SelfMatchStrandedParams, moment: Moment, change: str, rung: int
    ) -> Account:
        person = subject.record
        assert isinstance(person, ParticipantState)
        refused = _refused(view, person)
        facts: list[Evidence] = []
        if change == "opened":
            facts = [evidence_of("an own request came to nothing", ref) for ref in refused]
        elif moment.ref is not None:
            facts = [evidence_of(_VERBS.get(type(moment.fact), "the person changed"), moment.ref)]
        if change in ("resolved", "retracted"):
            summary = f"{subject.id} has found a match, or one was accepted."
        else:
            summary = f"{len(refused)} requests of {subject.id} were declined or expired, and they have no match."
        return Account(
            summary,
            tuple(facts),
            cause=("unknown", 0.0),
            actions=(Action("reach_out"), Action("rematch", needs_approval=True)),
            participant_ids=(subject.id,),
        )


def _refused(view: View, person: ParticipantState) -> list[FactRef]:
    """Own requests that came to nothing, oldest first."""
    since_ms = view.facts_from_ms(SelfMatchStranded.code, person)
    return [] if person.matching is None else [ref for _, ref in person.matching.refused if ref.at_ms >= since_ms]


_VERBS: Final[dict[type, str]] = {
    f.MatchRequestAccepted: "a request was accepted",
    f.MatchRequestDeclined: "an own request was declined",
    f.MatchRequestExpired: "an own request expired",
    f.PairChanged: "the person's pairs changed",
    f.PairDeleted: "the person's pairs changed",
}
