"""positive.kudos: somebody gave the best rating there is.

Good news is worth a line: it tells a coordinator what works, and it is a moment to thank both. It opens and closes at
once, and nothing has to be done about it. Each rating of 5 is news of its own, however late it arrives.

A rating whose comment touches the safety word list is no occasion for applause and is left to `safety.concern`.

Source: the top of the scale; published coordinator advice to pass praise on.
"""

from typing import Any, Final

from pydantic import Field

import schemas.facts as f
from streams.phrases import KIND_WORDS
from streams.rule import NOTHING, Account, Duration, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.rule import evidence as evidence_of
from streams.state.episode import Evidence
from streams.state.pair import KINDS
from streams.steps import SAFETY_FLAG
from streams.view import View

BEST: Final = 5


class PositiveKudosParams(RuleParams):
    cool_down: Duration = Field(default=0, description="after closing, how long the rule stays silent on the subject")


class PositiveKudos(Rule):
    id = "positive.kudos"
    code = 16
    klass = "positive"
    subject = "participant"
    closes = "at once: the news is all there is"
    Params = PositiveKudosParams
    rungs = (Rung(None, Severity.INFO),)
    reads = frozenset({f.RatingSubmitted})
    on_fact = True
    opens_after_end = True

    def is_idle(self, record: Any, fact: Any) -> bool:
        return type(fact) is not f.RatingSubmitted or fact.rating != BEST

    def judge(self, view: View, subject: Subject, params: PositiveKudosParams, moment: Moment) -> Verdict:
        fact = moment.fact
        if not isinstance(fact, f.RatingSubmitted) or fact.rating != BEST or fact.participant_id != subject.id:
            return NOTHING
        if SAFETY_FLAG in moment.flags:
            return NOTHING
        return Verdict(rung=1, severity=Severity.INFO, fresh=True, origin=moment.ref, at_once=True)

    def explain(
        self, view: View, subject: Subject, params: PositiveKudosParams, moment: Moment, change: str, rung: int
    ) -> Account:
        fact = moment.fact
        facts: tuple[Evidence, ...] = ()
        words = "a survey"
        pair_id = None
        if isinstance(fact, f.RatingSubmitted) and moment.ref is not None:
            words = f"a {KIND_WORDS[KINDS.index(fact.kind)]}"
            if change == "opened":
                facts = (evidence_of(f"rated 5 of 5 in {words}", moment.ref, value=BEST, threshold=BEST),)
            pair_id = fact.pair_id or next(iter(moment.touched.pairs), None)
        pair = view.pair(pair_id) if pair_id is not None else None
        people = {subject.id, *(each.id for each in pair.members)} if pair is not None else {subject.id}
        return Account(
            summary=f"{subject.id} rated 5 of 5 in {words}.",
            evidence=facts,
            cause=("unknown", 0.0),
            pair_ids=(pair_id,) if pair_id is not None else (),
            participant_ids=tuple(sorted(people)),
        )
