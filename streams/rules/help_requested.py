"""help.requested: somebody asked the coordinator for help.

The one signal that needs no interpretation. It is told at once, and it is never closed by anything but a person: that
the two met again does not mean that the question was answered. A further request while one is open joins it.

Requests about safety open `safety.concern` instead, which has other readers. A request that names no pair is about the
person's only active one, if there is just one. A request that comes while a false alarm mutes the rule is told when the
mute ends.

Source: published coordinator advice of mentoring platforms: answer a request for help within a day.
"""

from typing import Final

from pydantic import Field

import schemas.facts as f
from schemas.interventions import CauseLabel
from streams.causes import SHOWN
from streams.rule import NOTHING, Account, Action, Duration, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.rule import evidence as evidence_of
from streams.state.participant import HELP_TOPICS, Help, ParticipantState
from streams.steps import first_steps, party_of
from streams.view import View

_SAFETY: Final = HELP_TOPICS.index("safety")
_WORDS: Final = {
    "other": "asked for help",
    "cannot_reach_partner": "cannot reach their partner",
    "mismatch": "says that the two do not match",
    "rematch": "asks for another partner",
}
_CAUSES: Final[dict[str, CauseLabel]] = {
    "cannot_reach_partner": "unresponsive",
    "mismatch": "mismatch",
    "rematch": "mismatch",
}


class HelpRequestedParams(RuleParams):
    cool_down: Duration = Field(
        default=0, description="after closing, how long the rule stays silent on the subject; a call is always heard"
    )


class HelpRequested(Rule):
    id = "help.requested"
    code = 13
    klass = "reactive"
    subject = "participant"
    closes = "a coordinator"
    suggests = ("reach_out", "rematch")
    Params = HelpRequestedParams
    rungs = (Rung(None, Severity.HIGH),)
    reads = frozenset({f.HelpRequested})
    on_fact = True
    opens_after_end = True
    expires = False

    def judge(self, view: View, subject: Subject, params: HelpRequestedParams, moment: Moment) -> Verdict:
        person = subject.record
        assert isinstance(person, ParticipantState)
        fact = moment.fact
        asks = isinstance(fact, f.HelpRequested) and fact.participant_id == subject.id and fact.topic != "safety"
        if asks:
            return Verdict(rung=1, severity=Severity.HIGH, fresh=True, now=True, origin=moment.ref)
        # Nothing but a coordinator's word makes it false while it is open.
        if person.open_episode(self.code) is not None:
            return Verdict(rung=1, severity=Severity.HIGH, now=True)
        waiting = _unheard(view, person, self.code)
        return NOTHING if waiting is None else Verdict(1, Severity.HIGH, now=True, origin=waiting.ref)

    def explain(
        self, view: View, subject: Subject, params: HelpRequestedParams, moment: Moment, change: str, rung: int
    ) -> Account:
        person = subject.record
        assert isinstance(person, ParticipantState)
        asked = _latest(person, moment)
        topic, pair_id = (HELP_TOPICS[asked.topic], asked.pair_id) if asked is not None else ("other", "")
        pair = view.pair(pair_id) if pair_id else None
        is_new = asked is not None and (change == "opened" or asked.ref == moment.ref)
        told = (evidence_of(_WORDS[topic], asked.ref),) if asked is not None and is_new else ()
        where = f" in pair {pair_id}" if pair_id else ""
        reach_out = Action("reach_out", party_of(pair, subject.id, person.roles))
        label = _CAUSES.get(topic, "unknown")
        return Account(
            summary=f"{subject.id} {_WORDS[topic]}{where}.",
            evidence=told,
            cause=(label, SHOWN if label != "unknown" else 0.0),
            actions=first_steps(view, pair, subject.id, moment) if pair is not None else (reach_out,),
            pair_ids=(pair_id,) if pair_id else (),
            participant_ids=tuple(sorted({subject.id, *(each.id for each in pair.members)})) if pair else (subject.id,),
        )


def _unheard(view: View, person: ParticipantState, code: int) -> Help | None:
    """The latest request since the last one was closed, None when none has come."""
    episode = person.episode(code)
    if episode is None or not episode.closed_ms:
        return None
    since_ms = max(episode.closed_ms, view.facts_from_ms(code, person))
    asked = [each for each in person.helps if each.topic != _SAFETY and each.ref.at_ms > since_ms]
    return asked[-1] if asked else None


def _latest(person: ParticipantState, moment: Moment) -> Help | None:
    """The request at hand, else the latest one."""
    asked = [each for each in person.helps if each.topic != _SAFETY]
    return next((each for each in asked if each.ref == moment.ref), asked[-1] if asked else None)
