"""meeting.repeatedly_postponed: the same person puts the meeting off again and again.

Once is life. Twice in a row by the same person, without a meeting in between, is how a match ends politely: nobody says
that it does not work, there is just never a good week. Ask that person whether they still have the time, before the
other one gives up.

A meeting that is moved or called off counts for whoever did it. *In a row* means that nothing was held in between; what
somebody else puts off ends the row, and so does one of which nobody knows who did it, because then nobody can be asked.
A row stays one until a meeting is held.

Source: our starting point; two in a row is what coordinators call a pattern.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import Field

import schemas.facts as f
from streams.causes import cause_of_pair
from streams.clock import DAY_MS
from streams.phrases import SIDE_WORDS
from streams.rule import NOTHING, Account, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.rule import evidence as evidence_of
from streams.state.pair import MAX_POSTPONED, PairState, Postponement
from streams.steps import first_steps
from streams.view import View

_WINDOW_MS = 30 * DAY_MS  # for the cause only


class MeetingRepeatedlyPostponedParams(RuleParams):
    count: int = Field(
        default=2, ge=2, le=MAX_POSTPONED, description="meetings moved or called off in a row by the same person"
    )


class MeetingRepeatedlyPostponed(Rule):
    id = "meeting.repeatedly_postponed"
    code = 11
    klass = "reactive"
    subject = "pair"
    closes = "a held meeting"
    suggests = ("reach_out", "rematch")
    Params = MeetingRepeatedlyPostponedParams
    rungs = (Rung(None, Severity.NOTICE),)
    reads = frozenset({f.MeetingRescheduled, f.MeetingCancelled, f.MeetingHeld})
    on_fact = True

    def is_idle(self, record: Any, fact: Any) -> bool:
        return not record.postponed

    def judge(self, view: View, subject: Subject, params: MeetingRepeatedlyPostponedParams, moment: Moment) -> Verdict:
        pair = subject.record
        assert isinstance(pair, PairState)
        row = longest_row(_postponed(view, pair))
        if len(row) >= params.count:
            fresh = any(each.ref == moment.ref for each in row)
            return Verdict(rung=1, severity=Severity.NOTICE, fresh=fresh, origin=row[params.count - 1].ref)
        if isinstance(moment.fact, f.MeetingHeld):
            return Verdict(closes=True, closed_by_ms=pair.last_held_ms)
        return NOTHING

    def explain(
        self, view: View, subject: Subject, params: MeetingRepeatedlyPostponedParams, moment: Moment, change: str,
        rung: int,
    ) -> Account:  # fmt: skip
        pair = subject.record
        assert isinstance(pair, PairState)
        row = longest_row(_postponed(view, pair))
        member = pair.member(row[-1].by) if row else None
        who = SIDE_WORDS[member.side] if member is not None else "participant"
        if change == "opened":
            facts = [evidence_of(f"the {who} put the meeting off", each.ref) for each in row]
        elif change == "evidence_added" and moment.ref is not None:
            facts = [evidence_of(f"the {who} put the meeting off", moment.ref)]
        elif pair.held is not None and isinstance(moment.fact, f.MeetingHeld):
            facts = [evidence_of("a meeting was held", pair.held)]
        else:
            facts = []
        if row and change not in ("resolved", "retracted", "expired"):
            summary = f"The {who} {row[-1].by} put the meeting of pair {subject.id} off {len(row)} times in a row."
        else:
            summary = f"Meetings of pair {subject.id} are no longer put off in a row."
        return Account(
            summary=summary,
            evidence=tuple(facts),
            cause=cause_of_pair(view, pair, moment.at_ms, _WINDOW_MS, negative=False),
            actions=first_steps(view, pair, row[-1].by if row else None, moment),
            pair_ids=(subject.id,),
            participant_ids=tuple(each.id for each in pair.members),
        )


def _postponed(view: View, pair: PairState) -> Sequence[Postponement]:
    """Without what was before the rule forgot."""
    since_ms = view.facts_from_ms(MeetingRepeatedlyPostponed.code, pair)
    return [each for each in pair.postponed if each.ref.at_ms >= since_ms] if since_ms else pair.postponed


def longest_row(postponed: Sequence[Postponement]) -> list[Postponement]:
    """The longest row by one known person, the latest of those of one length."""
    best: list[Postponement] = []
    row: list[Postponement] = []
    for each in postponed:
        row = [*row, each] if row and row[-1].by == each.by else [each]
        if each.by and len(row) >= len(best):
            best = row
    return best
