"""program.sentiment_started: the first feedback of a run has come in.

From here on there is something to read, and the coordinator's regular look at it begins (`review.due`). It says so once
per run and asks for nothing.

Where the catalogue leaves room: a run lasts from one `starts_at` to the next, an always-on program has one. Feedback
from before the start belongs to no run. The first to arrive counts, even if an older one is noted later.

Source: mentoring platforms advise to read the first sentiment as soon as it comes in, and every two weeks after that.
"""

from pydantic import Field

import schemas.facts as f
from streams.rule import NOTHING, Account, Duration, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.rule import evidence as evidence_of
from streams.view import View


class ProgramSentimentStartedParams(RuleParams):
    cool_down: Duration = Field(default=0, description="after closing, how long the rule stays silent on the subject")


class ProgramSentimentStarted(Rule):
    id = "program.sentiment_started"
    code = 19
    klass = "program"
    subject = "program"
    closes = "at once: the news is all there is"
    Params = ProgramSentimentStartedParams
    rungs = (Rung(None, Severity.INFO),)
    reads = frozenset({f.RatingSubmitted, f.SentimentSubmitted})
    on_fact = True

    def concerns(self, view: View, moment: Moment) -> bool:
        return moment.ref is not None and view.program.started == moment.ref

    def judge(self, view: View, subject: Subject, params: ProgramSentimentStartedParams, moment: Moment) -> Verdict:
        if moment.fact is None or not self.concerns(view, moment):
            return NOTHING
        return Verdict(1, Severity.INFO, fresh=True, origin=moment.ref, at_once=True)

    def explain(
        self,
        view: View,
        subject: Subject,
        params: ProgramSentimentStartedParams,
        moment: Moment,
        change: str,
        rung: int,
    ) -> Account:
        started = view.program.started
        facts = (evidence_of("the first feedback of the run", started),) if change == "opened" and started else ()
        return Account(f"The first feedback of this run of program {subject.id} has come in.", facts)
