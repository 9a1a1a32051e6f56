"""partner.needs_rematch: somebody lost their partner, and it was not their doing.

When a person leaves, is removed or becomes unavailable, somebody else is left behind. Nobody writes to those: they have
done nothing wrong, and they stop coming. This rule names them at once, so that they are told what happens next and get
a new partner while they still want one.

Where the catalogue leaves room:
- It is about a person's *last* active pair with an available partner. Who has another one is not left alone. Paused
  partners come back and count as available.
- A pair that was closed counts when its partner was no longer available by then, or when the close reason says that
  somebody left the program. As long as the partner is known to be active, the reason alone does not say who of the two
  left; the rule then waits for the word about that person, which comes with it.
- A pair that was completed, or closed for another reason, leaves nobody behind.
- It is not opened about people who are not active themselves; it closes when they leave or become unavailable.

Source: published coordinator advice: re-match the remaining partner without delay.
"""

from typing import Final, NamedTuple

from pydantic import Field

import schemas.facts as f
from schemas.interventions import CauseLabel
from streams.causes import SHOWN
from streams.rule import NOTHING, Account, Action, Duration, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.rule import evidence as evidence_of
from streams.state.episode import Evidence
from streams.state.pair import Member, PairState
from streams.state.participant import ParticipantPhase, ParticipantState
from streams.steps import party_of
from streams.view import View

_GONE: Final = (ParticipantPhase.UNAVAILABLE, ParticipantPhase.REMOVED, ParticipantPhase.LEFT)
_WORDS: Final = {
    ParticipantPhase.UNAVAILABLE: "became unavailable",
    ParticipantPhase.REMOVED: "was removed",
    ParticipantPhase.LEFT: "left the program",
}


class PartnerNeedsRematchParams(RuleParams):
    cool_down: Duration = Field(default=0, description="after closing, how long the rule stays silent on the subject")


class Loss(NamedTuple):
    """The pair that ended for a person: its id, what happened in words, since when, and the cause it tells."""

    pair_id: str
    words: str
    at_ms: int
    cause: tuple[CauseLabel, float]


class PartnerNeedsRematch(Rule):
    id = "partner.needs_rematch"
    code = 10
    klass = "reactive"
    subject = "participant"
    closes = "a new active pair"
    suggests = ("reach_out", "rematch")
    Params = PartnerNeedsRematchParams
    rungs = (Rung(None, Severity.HIGH),)
    reads = frozenset({f.PairChanged, f.PairDeleted, f.ParticipantChanged})

    def judge(self, view: View, subject: Subject, params: PartnerNeedsRematchParams, moment: Moment) -> Verdict:
        person = subject.record
        assert isinstance(person, ParticipantState)
        is_open = person.open_episode(self.code) is not None
        known_ms = moment.ref.at_ms if moment.ref is not None else None
        if person.phase in _GONE:
            return Verdict(closes=is_open)
        if any(_has_partner(view, subject.id, pair_id) for pair_id in person.pair_ids):
            return Verdict(closes=is_open, closed_by_ms=known_ms)
        loss = _loss(view, subject.id, person)
        # Nothing but a new pair ends it, whatever is written about the old one afterwards.
        if loss is None or not person.is_active:
            return Verdict(rung=1, severity=Severity.HIGH) if is_open else NOTHING
        return Verdict(rung=1, severity=Severity.HIGH, origin=moment.ref, due_ms=None if moment.ref else loss.at_ms)

    def explain(
        self, view: View, subject: Subject, params: PartnerNeedsRematchParams, moment: Moment, change: str, rung: int
    ) -> Account:
        person = subject.record
        assert isinstance(person, ParticipantState)
        loss = _loss(view, subject.id, person)
        pair = view.pair(loss.pair_id) if loss is not None else None
        closing = change in ("resolved", "retracted", "expired")
        facts: tuple[Evidence, ...] = ()
        if change == "opened" and loss is not None:
            facts = (Evidence(loss.words, loss.at_ms),)
            if moment.ref is not None:
                facts = (evidence_of(loss.words, moment.ref),)
        elif closing and isinstance(moment.fact, f.PairChanged) and moment.ref is not None:
            facts = (evidence_of("a pair was made or changed", moment.ref),)
        if closing:
            summary = f"{subject.id} has a partner again or no longer looks for one."
        elif loss is None:
            summary = f"{subject.id} has no available partner."
        else:
            summary = f"{subject.id} is left without a partner: {loss.words}."
        reached = loss is not None and any(at_ms >= loss.at_ms for at_ms in person.reached)
        return Account(
            summary=summary,
            evidence=facts,
            cause=loss.cause if loss is not None else ("unknown", 0.0),
            actions=(
                Action("reach_out", party_of(pair, subject.id, person.roles)),
                Action("rematch", needs_approval=True, unlocked=reached),
            ),
            pair_ids=(loss.pair_id,) if loss is not None else (),
            participant_ids=(subject.id,),
        )


def _others(pair: PairState, participant_id: str) -> list[Member]:
    """The other side of a pair; of somebody whose side is not known, everybody else."""
    own = pair.member(participant_id)
    side = own.side if own is not None else 0
    return [each for each in pair.members if each.id != participant_id and (not side or each.side != side)]


def _phase(view: View, participant_id: str) -> ParticipantPhase:
    person = view.participant(participant_id)
    return ParticipantPhase.UNKNOWN if person is None else person.phase


def _has_partner(view: View, participant_id: str, pair_id: str) -> bool:
    pair = view.pair(pair_id)
    return pair is not None and any(_phase(view, each.id) not in _GONE for each in _others(pair, participant_id))


def _loss(view: View, participant_id: str, person: ParticipantState) -> Loss | None:
    """How the last pair of a person ended, if it left them behind."""
    for pair_id in reversed(person.pair_ids):
        pair = view.pair(pair_id)
        if pair is not None:
            return _gone(view, pair_id, _others(pair, participant_id), pair.changed_ms)
    pair = view.pair(person.ended_pair) if person.ended_pair else None
    if pair is None or pair.is_active or pair.close_reason == "completed":
        return None
    others = _others(pair, participant_id)
    if not others:  # closed so long ago that nobody knows whose it was
        return None
    left = pair.close_reason == "left_program"
    for each in others:
        other, phase = view.participant(each.id), _phase(view, each.id)
        if phase in _GONE and other is not None and (left or other.changed_ms <= pair.changed_ms):
            continue
        if not (left and phase is ParticipantPhase.UNKNOWN):
            return None
    return _gone(view, person.ended_pair, others, pair.changed_ms)


def _gone(view: View, pair_id: str, others: list[Member], at_ms: int) -> Loss:
    """What happened to the other side, by the last of them to go."""
    known = [person for each in others if (person := view.participant(each.id)) is not None and person.phase in _GONE]
    if not known:
        return Loss(pair_id, f"the partner in pair {pair_id} left", at_ms, ("left", SHOWN))
    last = max(known, key=lambda person: person.changed_ms)
    has_left = last.phase is not ParticipantPhase.UNAVAILABLE
    return Loss(
        pair_id,
        f"the partner in pair {pair_id} {_WORDS[last.phase]}",
        last.changed_ms,
        ("left", SHOWN) if has_left else ("unknown", 0.0),
    )
