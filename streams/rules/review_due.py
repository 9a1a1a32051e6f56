"""review.due: it is time for the coordinator to look at the program again.

The tone of a program is a temperature check, and a temperature is only worth something when somebody reads it. Every
two weeks, from the first feedback on, the rule asks for a look, and brings along whom to look at: the pairs and people
with something open, the gravest first, each with its reason. After four weeks it insists.

Where the catalogue leaves room:
- It counts from the last review or the first feedback of the run, whichever is later, in plain time.
- The list ranks by severity, then by how much is open, then by how long. Concerns about safety are not on it, because
  they are for the safeguarding contact alone, and neither is what runs in shadow mode.
- It is drawn up when the review becomes due and again when it is overdue.
- A review that took place before it became due, and is noted later, retracts it.

Source: "review the sentiment at least every two weeks" is the advice of mentoring platforms; twice that is overdue.
"""

from collections.abc import Mapping
from functools import lru_cache
from heapq import nsmallest
from typing import Final

from pydantic import Field

import schemas.facts as f
from streams.clock import DAY_MS
from streams.rule import NOTHING, Account, Action, Duration, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.rule import evidence as evidence_of
from streams.state.episode import CODES, Episode, Evidence, FactRef
from streams.state.record import Record
from streams.view import View

#: Why somebody is on the list, by rule. Rules that are not named here are not for the list.
REASONS: Final = {
    "first_meeting.missing": "has not met yet",
    "help.requested": "asked for help",
    "match.in_trouble": "shows signs of trouble",
    "match.rematch_suggested": "a re-match is suggested",
    "meeting.repeatedly_postponed": "keeps postponing",
    "meeting.rhythm_lost": "has stopped meeting",
    "pair.quiet": "has gone quiet",
    "pair.sentiment_slowdown": "gives less feedback than it used to",
    "participant.unresponsive": "does not answer",
    "partner.needs_rematch": "has lost their partner",
    "rating.divergent": "is rated very differently by the two",
    "rating.dropped": "was rated lower than before",
    "rating.low": "was rated low",
    "self_match.repeated_decliner": "keeps declining requests",
    "self_match.request_to_inactive": "has a request waiting and is inactive",
    "self_match.stranded": "asks for a match and finds none",
    "self_match.unresponsive_candidate": "leaves requests unanswered",
    "survey.unanswered": "leaves surveys unanswered",
}


class ReviewDueParams(RuleParams):
    cool_down: Duration = Field(default=0, description="after closing, how long the rule stays silent on the subject")
    due_after: Duration = Field(default=14 * DAY_MS, ge=DAY_MS, description="this long after the last review it is due")
    overdue_after: Duration = Field(default=28 * DAY_MS, ge=DAY_MS, description="this long after it, it is overdue")
    list_size: int = Field(default=10, ge=1, le=19, description="how many pairs and people the list names at most")


class ReviewDue(Rule):
    id = "review.due"
    code = 20
    klass = "program"
    subject = "program"
    closes = "a review that a coordinator records (`review_done`)"
    suggests = ("reach_out",)
    Params = ReviewDueParams
    rungs = (Rung("due", Severity.NOTICE), Rung("overdue", Severity.WARNING))
    reads = frozenset({f.RatingSubmitted, f.SentimentSubmitted, f.ActionTaken})

    def concerns(self, view: View, moment: Moment) -> bool:
        if isinstance(moment.fact, f.ActionTaken):
            return moment.fact.action == "review_done"
        return moment.ref is not None and view.program.started == moment.ref

    def judge(self, view: View, subject: Subject, params: ReviewDueParams, moment: Moment) -> Verdict:
        anchor = _anchor(view)
        if anchor is None:
            return NOTHING
        due_ms, overdue_ms = anchor.at_ms + params.due_after, anchor.at_ms + params.overdue_after
        reviewed = view.program.reviewed
        episode = subject.record.open_episode(self.code)
        if moment.now_ms < due_ms:
            # A new run does not do the review of the last one: only a review closes.
            closes = reviewed is not None and reviewed == anchor
            return Verdict(closes=closes, closed_by_ms=anchor.at_ms, look_ms=due_ms)
        at_hand = reviewed is not None and reviewed == moment.ref
        if episode is not None and reviewed is not None and at_hand and reviewed.at_ms >= episode.opened_ms:
            # Noted so late that the next one is due already.
            return Verdict(closes=True, closed_by_ms=reviewed.at_ms, look_ms=moment.now_ms + 1)
        rung = 2 if moment.now_ms >= overdue_ms else 1
        return Verdict(
            rung,
            self.rungs[rung - 1].severity,
            look_ms=overdue_ms if rung == 1 else None,
            origin=anchor,
            due_ms=overdue_ms if rung == 2 else due_ms,
        )

    def explain(
        self, view: View, subject: Subject, params: ReviewDueParams, moment: Moment, change: str, rung: int
    ) -> Account:
        anchor = _anchor(view)
        days = 0 if anchor is None else (moment.at_ms - anchor.at_ms) // DAY_MS
        facts: list[Evidence] = []
        listed: list[_Line] = []
        if change == "opened" and anchor is not None:
            was_reviewed = anchor == view.program.reviewed
            facts.append(evidence_of("the last review" if was_reviewed else "the first feedback of the run", anchor))
        if change in ("opened", "escalated"):
            listed = _ranked(view, params.list_size)
            threshold = (params.overdue_after if rung == 2 else params.due_after) // DAY_MS
            facts.append(Evidence("days without a review", moment.at_ms, value=days, threshold=threshold))
            facts += [line.say(moment.at_ms) for line in listed]
        elif moment.ref is not None:
            facts.append(evidence_of("a review was done", moment.ref))
        if change in ("resolved", "retracted"):
            summary = f"Program {subject.id} has been reviewed."
        else:
            hands = "nobody needs a hand" if not listed else f"{len(listed)} may need a hand"
            said = f"; {hands}" if change in ("opened", "escalated") else ""
            summary = f"Program {subject.id} has not been reviewed for {days} days{said}."
        return Account(
            summary,
            tuple(facts),
            actions=(Action("reach_out"),),
            pair_ids=tuple(line.id for line in listed if line.is_pair),
            participant_ids=tuple(line.id for line in listed if not line.is_pair),
        )


def _anchor(view: View) -> FactRef | None:
    """The last review or the first feedback of the run, whichever is later."""
    program = view.program
    known = [each for each in (program.started, program.reviewed) if each is not None]
    return max(known, key=lambda each: each.at_ms, default=None)


class _Line:
    """A pair or person with something open."""

    def __init__(self, subject_id: str, is_pair: bool, episodes: list[Episode], reasons: Mapping[int, str]) -> None:
        self.id, self.is_pair, self.reasons = subject_id, is_pair, reasons
        self.worst = min(episodes, key=lambda each: (-each.severity, each.opened_ms, each.rule))
        self.rank = (-self.worst.severity, -len(episodes), self.worst.opened_ms, not is_pair, subject_id)

    def say(self, at_ms: int) -> Evidence:
        who = f"pair {self.id}" if self.is_pair else self.id
        severity = Severity(self.worst.severity).name.lower()
        days = max(at_ms - self.worst.opened_ms, 0) // DAY_MS
        reason = self.reasons[self.worst.rule]
        return Evidence(f"{who} {reason}: {severity}, open for {days} days", at_ms, value=days)


@lru_cache(maxsize=1)
def _reasons() -> dict[int, str]:
    """The reasons by the code that episodes carry; asked for only once all rules are defined."""
    return {CODES[rule_id]: words for rule_id, words in REASONS.items() if rule_id in CODES}


def _ranked(view: View, size: int) -> list[_Line]:
    """The pairs and people with the gravest open interventions, gravest first."""
    reasons = _reasons()
    if view.custom:
        reasons = reasons | {code: f"({rule.id}) {rule.says}" for code, rule in view.custom.items()}
    lines = [
        _Line(subject_id, is_pair, episodes, reasons)
        for is_pair, records in ((True, view.pairs()), (False, view.people()))
        for subject_id, record in records
        if (episodes := _open(record, reasons))
    ]
    return nsmallest(size, lines, key=lambda line: line.rank)


def _open(record: Record, reasons: Mapping[int, str]) -> list[Episode]:
    return [each for each in record.episodes if each.is_open and each.rule in reasons and each.silence != "shadow"]
