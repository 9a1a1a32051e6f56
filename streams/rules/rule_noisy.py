"""rule.noisy: coordinators say that what a rule tells them in this program is of no use.

A rule that is wrong half of the time teaches people to look away, and the next alarm that matters is lost with it.
Whoever closes an intervention can say whether it was useful. When fewer than half of at least ten answers about a rule
say so, the rule is named here, with its numbers, so that somebody changes its parameters, puts it in shadow mode, or
turns it off for this program.

Where the catalogue leaves room:
- An intervention counts once, with the latest answer about it, on the (UTC) day of that answer. `useful` stands against
  `false_alarm`, `too_late`, `already_knew` and the action `false_alarm`.
- It closes when each rule that was named has 60 % or more, or so few answers left that nothing can be said.
- It is about rules of its own program; what is said about this rule itself is not counted.

Source: our starting point; published studies of alarm fatigue find alarms ignored once most of them are of no use.
"""

from typing import Final, NamedTuple

from pydantic import Field

import schemas.facts as f
from streams.calendar import FOREVER
from streams.clock import DAY_MS
from streams.rule import Account, Duration, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.rule import evidence as evidence_of
from streams.state.episode import CODES, Evidence
from streams.state.tally import KEPT_ANSWER_DAYS
from streams.view import View

MAX_NAMED: Final = 19


class RuleNoisyParams(RuleParams):
    window: Duration = Field(
        default=90 * DAY_MS, ge=7 * DAY_MS, le=KEPT_ANSWER_DAYS * DAY_MS, description="how long an answer counts"
    )
    share: float = Field(default=0.50, gt=0, lt=1, description="a smaller share of useful answers is noise")
    recover: float = Field(default=0.60, gt=0, le=1, description="at least this share of them is good again")
    min_n: int = Field(default=10, ge=1, le=1_000, description="with fewer answers nothing is said about a rule")


class _Answers(NamedTuple):
    """Answers about one rule in the window."""

    rule_id: str
    useful: int
    total: int

    @property
    def share(self) -> float:
        return self.useful / self.total


class RuleNoisy(Rule):
    id = "rule.noisy"
    code = 30
    klass = "operations"
    subject = "program"
    closes = "every rule that was named is called useful in at least `recover` of the answers"
    Params = RuleNoisyParams
    rungs = (Rung(None, Severity.NOTICE),)
    reads = frozenset({f.ActionTaken})

    def concerns(self, view: View, moment: Moment) -> bool:
        fact = moment.fact
        return isinstance(fact, f.ActionTaken) and (fact.usefulness is not None or fact.action == "false_alarm")

    def judge(self, view: View, subject: Subject, params: RuleNoisyParams, moment: Moment) -> Verdict:
        answers = _answers(view, params, moment.at_ms, self.code)
        look_ms = _next_ms(view, params, moment.at_ms, self.code)
        if any(each.share < params.share for each in answers):
            by_fact = moment.ref is not None and moment.fact is not None
            return Verdict(
                1,
                Severity.NOTICE,
                look_ms=look_ms,
                origin=moment.ref if by_fact else None,
                due_ms=None if by_fact else moment.at_ms,
            )
        closes = all(each.share >= params.recover for each in answers)
        fact_ms = moment.ref.at_ms if moment.ref is not None else None
        return Verdict(closes=closes, closed_by_ms=fact_ms, look_ms=look_ms)

    def explain(
        self, view: View, subject: Subject, params: RuleNoisyParams, moment: Moment, change: str, rung: int
    ) -> Account:
        days = params.window // DAY_MS
        noisy = [each for each in _answers(view, params, moment.at_ms, self.code) if each.share < params.share]
        facts = [
            Evidence(f"share of useful answers about {each.rule_id}, of {each.total}", moment.at_ms,
                     value=round(each.share, 6), threshold=params.share, window_days=days)
            for each in noisy[:MAX_NAMED]
        ]  # fmt: skip
        if moment.ref is not None and moment.fact is not None:
            facts.insert(0, evidence_of("a coordinator answered", moment.ref))
        if not noisy:
            return Account(f"No rule is noisy in program {subject.id}.", tuple(facts))
        worst = min(noisy, key=lambda each: (each.share, each.rule_id))
        others = f" and {len(noisy) - 1} more" if len(noisy) > 1 else ""
        summary = (
            f"In program {subject.id} {worst.rule_id}{others} is of little use: "
            f"{worst.useful} of {worst.total} answers in {days} days call it useful."
        )
        return Account(summary, tuple(facts))


def _answers(view: View, params: RuleNoisyParams, at_ms: int, own: int) -> list[_Answers]:
    """Rules with enough answers in the window, by id."""
    since_day = (at_ms - params.window) // DAY_MS
    counts = ((rule_id, view.answered(code, since_day)) for rule_id, code in _rules(view, own))
    return [
        _Answers(rule_id, useful, useful + other)
        for rule_id, (useful, other) in counts
        if useful + other >= params.min_n
    ]


def _next_ms(view: View, params: RuleNoisyParams, at_ms: int, own: int) -> int | None:
    """When the oldest answer that counts leaves the window, None when there is none."""
    since_day = (at_ms - params.window) // DAY_MS
    tallies = (view.tally(f"answers/{code}") for _, code in _rules(view, own))
    days = [tally.days(since_day, FOREVER)[:1] for tally in tallies if tally is not None]
    oldest = min((day for first in days for day in first), default=None)
    return None if oldest is None else (oldest + 1) * DAY_MS + params.window


def _rules(view: View, own: int) -> list[tuple[str, int]]:
    """Ids and codes of all rules but this one, those that the program's rule set defines itself included."""
    custom = {rule.id: code for code, rule in view.custom.items()}
    return [each for each in sorted((CODES | custom).items()) if each[1] != own]
