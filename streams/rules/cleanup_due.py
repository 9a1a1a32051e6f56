"""cleanup.due: people on an always-on program's lists of whom nothing has been heard for months.

Where people choose their own matches, and where a program never ends, the list of who could be asked fills up with
people who are no longer there. On the first of each month the rule draws up one list for the coordinator: who has been
silent for 90 days (set to unavailable, unless they answer within a week) and who for 180 days (remove).

Where the catalogue leaves room:
- Silence counts from the last contact or from when the person joined, and never from before observation began, in plain
  time. Of whom neither is known nobody can say how long they have been silent.
- Who is paused is not asked about. Who is unavailable already is on the list only to be removed.
- The list is of the day it was drawn up: who falls silent later waits for the next first of the month. Then an open
  list is drawn up anew, which is evidence. It closes when the last person on it was heard of, or has another state.
- A contact from before the list that is noted after it, of the last one left on it, retracts.

Source: a regular clean-up where people choose their own matches, 90 days and a week to answer are published practice of
    mentoring programs; 180 days for a removal is our starting point.
"""

from datetime import date
from typing import Final, Literal, NamedTuple

from pydantic import Field

import schemas.facts as f
from streams.calendar import Calendar
from streams.clock import DAY_MS
from streams.detectors.rate import Event
from streams.rule import Account, Action, Duration, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.rule import evidence as evidence_of
from streams.state.episode import Evidence
from streams.state.participant import ParticipantPhase, ParticipantState
from streams.state.program import ProgramState
from streams.view import View
from streams.zones import day_date, day_number

#: People named in one record; a record carries at most 20 items of evidence.
NAMED: Final = 17
#: People in `participant_ids`; the rest is in the count.
CONCERNED: Final = 200
_CONTACTS: Final = frozenset(
    kind for topic in ("participant-activity", "meetings", "ratings", "sentiment") for kind in f.BY_TOPIC[topic]
) - {f.SurveySent, f.SurveyReminded, f.SurveyExpired, f.MatchRequestExpired}


class CleanupDueParams(RuleParams):
    unavailable_after: Duration = Field(
        default=90 * DAY_MS, ge=7 * DAY_MS, description="silent for this long: propose to make them unavailable"
    )
    removal_after: Duration = Field(
        default=180 * DAY_MS, ge=7 * DAY_MS, description="silent for this long: propose to remove them"
    )
    grace: Duration = Field(default=7 * DAY_MS, description="how long people have to answer before that is done")


class _Silent(NamedTuple):
    days: int
    id: str
    proposal: Literal["unavailable", "removal"]


class CleanupDue(Rule):
    id = "cleanup.due"
    code = 21
    klass = "preventive"
    subject = "program"
    closes = "nobody is left on the list"
    suggests = ("send_probe", "bulk_clean_up")
    Params = CleanupDueParams
    rungs = (Rung(None, Severity.NOTICE),)
    reads = _CONTACTS | {f.ParticipantChanged, f.ProgramChanged, f.ActionTaken}

    def concerns(self, view: View, moment: Moment) -> bool:
        program = view.program
        watched = program.watched.get(self.code)
        if watched is not None:
            return watched in moment.touched.participants or not watched or type(moment.fact) is f.ProgramChanged
        return program.kind == "always_on" and self.code not in program.timers

    def update(self, view: View, subject: Subject, params: CleanupDueParams, moment: Moment) -> tuple[Event, ...]:
        program = subject.record
        assert isinstance(program, ProgramState)
        if program.kind != "always_on":
            program.watched.pop(self.code, None)
            return ()
        if moment.switched or (moment.fact is None and _is_first(view.calendar, moment.now_ms)):
            program.listed_ms = moment.now_ms
            self._watch(view, program, params, "")
        elif (watched := program.watched.get(self.code)) is not None:
            person = view.participant(watched)
            if person is None or _proposal(view, watched, person, params) is None:
                self._watch(view, program, params, watched)
        return ()

    def _watch(self, view: View, program: ProgramState, params: CleanupDueParams, after: str) -> None:
        """Find the next one who is on the list: as long as there is one it is not empty, and nobody has to be counted.
        Everybody before `after` is known to be off it."""
        for person_id, person in view.people(after):
            if _proposal(view, person_id, person, params) is not None:
                program.watched[self.code] = person_id
                return
        program.watched.pop(self.code, None)

    def forget(self, view: View, subject: Subject) -> None:
        program = subject.record
        assert isinstance(program, ProgramState)
        program.watched.pop(self.code, None)

    def judge(self, view: View, subject: Subject, params: CleanupDueParams, moment: Moment) -> Verdict:
        program = subject.record
        assert isinstance(program, ProgramState)
        fact_ms = moment.ref.at_ms if moment.ref is not None else None
        if program.kind != "always_on":
            return Verdict(closes=True)
        look_ms = _next_first(view.calendar, moment.now_ms if moment.now_ms >= 0 else moment.at_ms)
        if self.code not in program.watched:
            return Verdict(closes=True, closed_by_ms=fact_ms, look_ms=look_ms)
        fresh = moment.fact is None and program.listed_ms == moment.now_ms
        return Verdict(1, Severity.NOTICE, look_ms=look_ms, fresh=fresh, due_ms=program.listed_ms)

    def explain(
        self, view: View, subject: Subject, params: CleanupDueParams, moment: Moment, change: str, rung: int
    ) -> Account:
        program = subject.record
        assert isinstance(program, ProgramState)
        actions = (Action("send_probe"), Action("bulk_clean_up", needs_approval=True))
        if change == "opened" or (change == "evidence_added" and moment.fact is None):
            found = (_proposal(view, each, person, params) for each, person in view.people())
            listed = sorted((each for each in found if each is not None), key=lambda each: (-each.days, each.id))
            away = sum(each.proposal == "unavailable" for each in listed)
            at_ms = moment.at_ms
            facts = [
                Evidence("people silent so long that they should be made unavailable", at_ms, value=away,
                         threshold=params.unavailable_after // DAY_MS),
                Evidence("people silent so long that they should be removed", at_ms, value=len(listed) - away,
                         threshold=params.removal_after // DAY_MS),
                *(_say(each, params, at_ms) for each in listed[:NAMED]),
            ]  # fmt: skip
            summary = (
                f"{len(listed)} people in program {subject.id} have been silent for months: "
                f"{away} to make unavailable, {len(listed) - away} to remove."
            )
            return Account(
                summary,
                tuple(facts),
                actions=actions,
                participant_ids=tuple(each.id for each in listed[:CONCERNED]),
                due_ms=program.listed_ms + params.grace,
            )
        heard = evidence_of("the last one on the list was heard of, or changed", moment.ref) if moment.ref else None
        done = change in ("resolved", "retracted")
        return Account(
            f"Nobody is left on the list of silent people of program {subject.id}."
            if done
            else f"Some people in program {subject.id} have been silent for months.",
            (heard,) if heard is not None and done else (),
            actions=actions,
            due_ms=None if done else program.listed_ms + params.grace,
        )


def _proposal(view: View, person_id: str, person: ParticipantState, params: CleanupDueParams) -> _Silent | None:
    """What the list of the day it was drawn up says about a person, None when they are not on it (any more)."""
    known_ms = max(person.contact_ms, person.joined_ms)
    if not known_ms:
        return None
    silent_ms = view.program.listed_ms - max(known_ms, view.observed_from_ms)
    if silent_ms >= params.removal_after and (person.is_active or person.phase is ParticipantPhase.UNAVAILABLE):
        return _Silent(silent_ms // DAY_MS, person_id, "removal")
    if silent_ms >= params.unavailable_after and person.is_active:
        return _Silent(silent_ms // DAY_MS, person_id, "unavailable")
    return None


def _say(each: _Silent, params: CleanupDueParams, at_ms: int) -> Evidence:
    threshold = params.removal_after if each.proposal == "removal" else params.unavailable_after
    words = "remove" if each.proposal == "removal" else "make unavailable"
    return Evidence(f"{words} {each.id}: days of silence", at_ms, value=each.days, threshold=threshold // DAY_MS)


def _is_first(calendar: Calendar, at_ms: int) -> bool:
    """Whether an instant is 00:00 local on the first of a month."""
    day = calendar.day_of(at_ms)
    return day_date(day).day == 1 and calendar.day_start(day) == at_ms


def _next_first(calendar: Calendar, after_ms: int) -> int:
    """The next 00:00 local on the first of a month."""
    today = day_date(calendar.day_of(after_ms))
    year, month = divmod(today.year * 12 + today.month, 12)
    return calendar.day_start(day_number(date(year, month + 1, 1)))
