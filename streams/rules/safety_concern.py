"""safety.concern: somebody may not be safe.

A comment touches the safety word list, or somebody asks for help about safety. It goes at once, to the safeguarding
contact and to nobody else. It never expires, is never muted, and only a person closes it. Further signs while it is
open join it.

What was written is never copied anywhere: a comment is looked at once, when it comes in, and what remains is the name
of the list it touched. Whoever answers reads the words where the platform keeps them. The task for the partner is left
out, here and in every other open matter of the pair, because the partner may be the concern.

Where no safeguarding contact is configured it goes to the backup coordinator, else to the coordinators, and the
evidence says so. A word list errs towards a person having a look: most hits will be harmless, and that is the price of
not missing one.

Source: safeguarding practice: report the same day, to one named person, and do not investigate on your own.
"""

from typing import Final

from pydantic import Field

import schemas.facts as f
from schemas.interventions import Audience
from streams.rule import NOTHING, Account, Action, Duration, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.rule import evidence as evidence_of
from streams.state.episode import Evidence
from streams.state.participant import ParticipantState
from streams.steps import SAFETY_FLAG, party_of
from streams.view import View

_IN: Final[dict[type, str]] = {
    f.RatingSubmitted: "a comment on a rating",
    f.SentimentSubmitted: "a comment on how it is going",
    f.HelpRequested: "a comment in a call for help",
}


class SafetyConcernParams(RuleParams):
    cool_down: Duration = Field(default=0, le=0, description="none: a concern about safety is always heard")
    mute: Duration = Field(default=0, le=0, description="none: a concern about safety is never silenced")


class SafetyConcern(Rule):
    id = "safety.concern"
    code = 14
    klass = "safety"
    subject = "participant"
    closes = "a coordinator"
    suggests = ("reach_out",)
    Params = SafetyConcernParams
    rungs = (Rung(None, Severity.CRITICAL),)
    reads = frozenset(_IN)
    audience = "safeguarding"
    keeps_audience = True
    on_fact = True
    opens_after_end = True
    mutes = False
    expires = False

    def judge(self, view: View, subject: Subject, params: SafetyConcernParams, moment: Moment) -> Verdict:
        person = subject.record
        assert isinstance(person, ParticipantState)
        raised = _is_raised(subject.id, moment)
        # Nothing but a person's word makes it false while it is open.
        if not raised and person.open_episode(self.code) is None:
            return NOTHING
        return Verdict(
            rung=1,
            severity=Severity.CRITICAL,
            fresh=raised,
            now=True,
            breaks_silence=raised,
            origin=moment.ref if raised else None,
        )

    def explain(
        self, view: View, subject: Subject, params: SafetyConcernParams, moment: Moment, change: str, rung: int
    ) -> Account:
        person = subject.record
        assert isinstance(person, ParticipantState)
        facts: list[Evidence] = []
        if _is_raised(subject.id, moment) and moment.ref is not None:
            facts = [evidence_of(each, moment.ref) for each in _what(moment)]
        audience, why = _audience(view)
        if change == "opened" and why is not None:
            facts.append(Evidence(why, moment.at_ms))
        pair_id = getattr(moment.fact, "pair_id", None) or (person.pair_ids[0] if len(person.pair_ids) == 1 else None)
        pair = view.pair(pair_id) if pair_id is not None else None
        return Account(
            summary=f"{subject.id} may have raised a concern about safety: read it where it was written.",
            evidence=tuple(facts),
            cause=("unknown", 0.0),
            actions=(Action("reach_out", party_of(pair, subject.id, person.roles)),),
            pair_ids=(pair_id,) if pair_id is not None else (),
            participant_ids=(subject.id,),
            audience=audience,
        )


def _is_raised(participant_id: str, moment: Moment) -> bool:
    fact = moment.fact
    if type(fact) not in _IN or fact.participant_id != participant_id:
        return False
    return SAFETY_FLAG in moment.flags or (isinstance(fact, f.HelpRequested) and fact.topic == "safety")


def _what(moment: Moment) -> list[str]:
    found = []
    if isinstance(moment.fact, f.HelpRequested) and moment.fact.topic == "safety":
        found.append("asked for help about safety")
    if SAFETY_FLAG in moment.flags:
        found.append(f"{_IN[type(moment.fact)]} touches the safety word list")
    return found


def _audience(view: View) -> tuple[Audience, str | None]:
    """Who is told, and why it is not the safeguarding contact."""
    program = view.program
    if program.safeguarding_contact_id is not None:
        return "safeguarding", None
    if program.backup_coordinator_ids:
        return "backup_coordinator", "no safeguarding contact is configured: told to the backup coordinator"
    return "coordinator", "no safeguarding contact and no backup coordinator are configured: told to the coordinators"
