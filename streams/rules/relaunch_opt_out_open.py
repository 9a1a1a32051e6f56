"""relaunch.opt_out_open: a run ends soon, and not everybody has said whether they go on.

Programs that carry their pairs over into the next run offer an opt-out before the end. Who does not answer is carried
over without wanting it, and is the no-show of the next run. The rule says when the time to ask has begun, reminds two
weeks and three days before the end, and says at the end who never answered.

Where the catalogue leaves room:
- *Since*: since the opt-out opened (`open_before` the end); an answer of an earlier run is none. Paused and unavailable
  people are asked as well, removed people and those who left are not.
- When the end moves, or pairs are no longer carried over, an open one closes: there is nothing to ask.
- If everybody leaves or answers before a stage is due, that stage says nothing.

Source: an opt-out at the end of each run, with reminders, is published practice of mentoring programs; 30, 14 and 3
    days are our starting point.
"""

from typing import Final

from pydantic import Field

import schemas.facts as f
from streams.clock import DAY_MS
from streams.detectors.rate import Event
from streams.rule import Account, Action, Duration, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.rule import evidence as evidence_of
from streams.state.episode import Evidence
from streams.state.participant import ParticipantPhase, ParticipantState
from streams.state.program import ProgramState
from streams.view import View

NAMED: Final = 17
CONCERNED: Final = 200
_GONE: Final = (ParticipantPhase.REMOVED, ParticipantPhase.LEFT)


class RelaunchOptOutOpenParams(RuleParams):
    open_before: Duration = Field(default=30 * DAY_MS, ge=DAY_MS, description="so long before the end people are asked")
    remind_before: list[Duration] = Field(
        default=[14 * DAY_MS, 3 * DAY_MS],
        min_length=2,
        max_length=2,
        description="so long before the end who has not answered is reminded, twice",
    )

    def ladder(self, ends_ms: int) -> tuple[int, int, int, int]:
        """When each stage is due."""
        first, second = sorted(self.remind_before, reverse=True)
        return ends_ms - self.open_before, ends_ms - first, ends_ms - second, ends_ms


class RelaunchOptOutOpen(Rule):
    id = "relaunch.opt_out_open"
    code = 26
    klass = "preventive"
    subject = "program"
    closes = "everybody has answered"
    suggests = ("offer_opt_out", "send_reminder", "reach_out")
    Params = RelaunchOptOutOpenParams
    rungs = (
        Rung("open", Severity.NOTICE),
        Rung("reminder_14", Severity.NOTICE),
        Rung("reminder_3", Severity.NOTICE),
        Rung("no_answer", Severity.NOTICE),
    )
    reads = frozenset({f.ProgramChanged, f.ProgramEnded, f.RelaunchAnswered, f.ParticipantChanged})
    opens_after_end = True

    def concerns(self, view: View, moment: Moment) -> bool:
        if isinstance(moment.fact, f.ProgramChanged | f.ProgramEnded):
            return True
        return view.program.watched.get(self.code) in moment.touched.participants

    def update(
        self, view: View, subject: Subject, params: RelaunchOptOutOpenParams, moment: Moment
    ) -> tuple[Event, ...]:
        """Find one who has not answered; as long as there is one, nobody has to be counted."""
        program = subject.record
        assert isinstance(program, ProgramState)
        watched = program.watched.pop(self.code, "")
        if not program.carry_over or not program.ends_ms:
            return ()
        since_ms = params.ladder(program.ends_ms)[0]
        if moment.now_ms < since_ms:
            return ()
        # Only who stands behind the one watched is still to be seen; but somebody may have joined since.
        for after in dict.fromkeys((watched if moment.fact is not None else "", "")):
            for person_id, person in view.people(after):
                if _is_open(person, since_ms):
                    program.watched[self.code] = person_id
                    return ()
        return ()

    def judge(self, view: View, subject: Subject, params: RelaunchOptOutOpenParams, moment: Moment) -> Verdict:
        program = subject.record
        assert isinstance(program, ProgramState)
        if not program.carry_over or not program.ends_ms:
            return Verdict(closes=True)
        ladder = params.ladder(program.ends_ms)
        rung = sum(due <= moment.now_ms for due in ladder)
        look_ms = next((due for due in ladder if due > moment.now_ms), None)
        if not rung or self.code not in program.watched:
            fact_ms = moment.ref.at_ms if moment.ref is not None else None
            return Verdict(closes=True, closed_by_ms=fact_ms, look_ms=look_ms)
        return Verdict(rung, Severity.NOTICE, look_ms=look_ms, due_ms=ladder[rung - 1])

    def explain(
        self, view: View, subject: Subject, params: RelaunchOptOutOpenParams, moment: Moment, change: str, rung: int
    ) -> Account:
        program = subject.record
        assert isinstance(program, ProgramState)
        if change not in ("opened", "escalated"):
            facts = (evidence_of("the last answer that was missing, or a change", moment.ref),) if moment.ref else ()
            done = change in ("resolved", "retracted")
            words = "Nobody's answer is missing" if done else "Some answers are missing"
            return Account(f"{words} about the next run of program {subject.id}.", facts)
        since_ms, at_ms = params.ladder(program.ends_ms)[0], moment.at_ms
        missing = [each for each, person in view.people() if _is_open(person, since_ms)]
        days = (program.ends_ms - at_ms) // DAY_MS
        said = f"ends in {days} days" if days > 0 else "has ended"
        named = tuple(Evidence(f"{each} has not answered", at_ms) for each in missing[:NAMED])
        reminds = Action("offer_opt_out") if rung == 1 else Action("send_reminder")
        return Account(
            f"Program {subject.id} {said}, and {len(missing)} people have not said whether they go on.",
            (Evidence("people who have not answered", at_ms, value=len(missing), threshold=0), *named),
            actions=(reminds, Action("reach_out")) if rung == len(self.rungs) else (reminds,),
            participant_ids=tuple(missing[:CONCERNED]),
            due_ms=program.ends_ms if program.ends_ms > at_ms else None,
        )


def _is_open(person: ParticipantState, since_ms: int) -> bool:
    """Whether a person is still to answer."""
    return person.phase not in _GONE and (person.relaunch is None or person.relaunch[1] < since_ms)
