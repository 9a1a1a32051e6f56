"""survey.unanswered: somebody owes an answer to a survey.

One missed survey says nothing: where a third of people answer, that is a good program. So the first rung is no more
than a reminder to the person, and the second, after three match quality surveys in a row, only colours the picture of
the pair for the coordinator: it shows in the review list and is not sent by itself.

A survey is missed `past_due` after the date it names, else `after_sent` after it was sent, or when it expired. An
answer settles its survey and every earlier one of the same kind about the same pair: who was asked again and answered
owes nothing.

Where the catalogue leaves room:
- *Consecutive* means: sent one after another, with no answered match quality survey between or after them.
- A survey about a pair that has ended is not asked for any more, unless it is the closing one.
- A further survey that is missed while the intervention is open is evidence.
- The clock stands still in the program's breaks and while the person is not active. Of a person's unanswered surveys
  the newest four are remembered, match quality surveys first.

Source: 2 days past due: published practice of mentoring programs; a third of people answering is a usual response rate
of such surveys; 7 days and 3 in a row are our starting point.
"""

from typing import Any, Final, NamedTuple

from pydantic import Field

import schemas.facts as f
from streams.calendar import due_ms, union
from streams.clock import DAY_MS
from streams.fold.asked import settled_ms
from streams.fold.meetings import digest
from streams.phrases import KIND_WORDS
from streams.rule import NOTHING, Account, Action, Duration, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.rule import evidence as evidence_of
from streams.state.episode import Evidence
from streams.state.pair import KINDS
from streams.state.participant import MAX_ASKED, Asked, ParticipantState
from streams.steps import party_of
from streams.view import View

_MQS: Final = KINDS.index("mqs")
_CLOSING: Final = KINDS.index("closing")
_NO_PAIR: Final = digest("")


class SurveyUnansweredParams(RuleParams):
    past_due: Duration = Field(default=2 * DAY_MS, description="after the date that the survey names")
    after_sent: Duration = Field(default=7 * DAY_MS, description="after sending, when the survey names no date")
    misses: int = Field(default=3, ge=2, le=MAX_ASKED, description="consecutive match quality surveys missed")


class Miss(NamedTuple):
    """A survey and the instant at which it counts as missed."""

    asked: Asked
    at_ms: int


class SurveyUnanswered(Rule):
    id = "survey.unanswered"
    code = 15
    klass = "reactive"
    subject = "participant"
    closes = "none of the missed surveys is left unanswered"
    suggests = ("send_reminder",)
    Params = SurveyUnansweredParams
    rungs = (
        Rung("reminder", Severity.INFO, audience="participant"),
        Rung("repeated", Severity.INFO, review_list=True),
    )
    reads = frozenset({
        f.SurveySent, f.SurveyExpired, f.RatingSubmitted, f.SentimentSubmitted, f.PairChanged, f.PairDeleted,
    })  # fmt: skip
    is_absence = True

    def is_idle(self, record: Any, fact: Any) -> bool:
        return not record.asked

    def judge(self, view: View, subject: Subject, params: SurveyUnansweredParams, moment: Moment) -> Verdict:
        person = subject.record
        assert isinstance(person, ParticipantState)
        episode = person.open_episode(self.code)
        if not person.asked and episode is None:
            return NOTHING
        due = _due(view, person, params)
        missed = [each for each in due if each.at_ms <= moment.now_ms or each.asked.expired_ms]
        look_ms = min((each.at_ms for each in due if each not in missed), default=None)
        if missed:
            rung = 2 if len(_row(person, missed)) >= params.misses else 1
            at_ms = moment.at_ms
            if isinstance(moment.fact, f.SurveyExpired) and moment.ref is not None:
                at_ms = moment.ref.at_ms
            fresh = (moment.fact is None or isinstance(moment.fact, f.SurveyExpired)) and missed[-1].at_ms == at_ms
            origin = (_row(person, missed)[params.misses - 1] if rung > 1 else missed[0]).asked.ref
            return Verdict(
                rung, Severity.INFO, look_ms=look_ms, fresh=fresh, origin=origin, due_ms=max(missed[0].at_ms, 0)
            )
        if episode is None:
            return Verdict(look_ms=look_ms)
        known_ms = moment.ref.at_ms if moment.ref is not None else None
        late = known_ms is not None and known_ms < episode.opened_ms
        if late or not any(each.asked.ref.at_ms < episode.opened_ms for each in due):
            return Verdict(closes=True, closed_by_ms=known_ms, look_ms=look_ms)
        return Verdict(look_ms=look_ms)  # a break that was announced late: not missed yet, and not answered either

    def explain(
        self, view: View, subject: Subject, params: SurveyUnansweredParams, moment: Moment, change: str, rung: int
    ) -> Account:
        person = subject.record
        assert isinstance(person, ParticipantState)
        due = _due(view, person, params)
        missed = [each for each in due if each.at_ms <= moment.now_ms or each.asked.expired_ms]
        row = _row(person, missed)
        facts: list[Evidence] = []
        if change in ("opened", "escalated"):
            facts = [_say(each.asked) for each in (row if rung > 1 else missed)]
            if rung > 1:
                text = "match quality surveys in a row without an answer"
                facts.append(Evidence(text, moment.at_ms, value=len(row), threshold=params.misses))
        elif change == "evidence_added" and missed:
            facts = [_say(missed[-1].asked)]
        elif moment.ref is not None and change in ("resolved", "retracted"):
            facts = [evidence_of("the survey was answered, or is not asked for any more", moment.ref)]
        pairs = [pair_id for pair_id in person.pair_ids if any(each.asked.pair == digest(pair_id) for each in missed)]
        if change in ("resolved", "retracted"):
            summary = f"{subject.id} owes no answer to a survey any more."
        elif rung > 1:
            summary = f"{subject.id} has left {len(row)} match quality surveys in a row without an answer."
        else:
            count = len(missed)
            summary = f"{subject.id} has left {count} survey{'' if count == 1 else 's'} without an answer."
        pair = view.pair(pairs[0]) if pairs else None
        return Account(
            summary=summary,
            evidence=tuple(sorted(facts, key=lambda each: each.at_ms)),
            cause=("unknown", 0.0),
            actions=(Action("send_reminder", party_of(pair, subject.id, person.roles)),),
            pair_ids=tuple(pairs),
            participant_ids=(subject.id,),
        )


def _due(view: View, person: ParticipantState, params: SurveyUnansweredParams) -> list[Miss]:
    """Unanswered surveys that are still asked for, with the instant at which each is missed, in that order."""
    pairs = {digest(pair_id) for pair_id in person.pair_ids}
    away = person.stops
    stops = union(view.program_stops, away) if away else view.program_stops
    found = []
    for asked in person.asked:
        if asked.pair != _NO_PAIR and asked.pair not in pairs and asked.kind != _CLOSING:
            continue
        if asked.ref.at_ms == asked.expired_ms and settled_ms(person, asked.kind, asked.pair):
            continue  # nobody saw it go out, and another one was answered: perhaps a later one
        since_ms = max(asked.ref.at_ms, view.observed_from_ms)
        if asked.due_ms:
            at_ms = due_ms(max(asked.due_ms, since_ms), params.past_due, stops)
        else:
            at_ms = due_ms(since_ms, params.after_sent, stops)
        if asked.expired_ms:
            at_ms = asked.expired_ms if at_ms is None else min(at_ms, asked.expired_ms)
        if at_ms is not None:
            found.append(Miss(asked, at_ms))
    return sorted(found, key=lambda each: (each.at_ms, each.asked.ref.event_id))


def _row(person: ParticipantState, missed: list[Miss]) -> list[Miss]:
    """Match quality surveys missed since the last one that was answered."""
    answered_ms = max((sent_ms for kind, _, sent_ms in person.settled if kind == _MQS), default=0)
    row = [each for each in missed if each.asked.kind == _MQS and each.asked.ref.at_ms > answered_ms]
    return sorted(row, key=lambda each: each.asked.ref.at_ms)


def _say(asked: Asked) -> Evidence:
    return evidence_of(f"a {KIND_WORDS[asked.kind]} {'expired' if asked.expired_ms else 'is unanswered'}", asked.ref)
