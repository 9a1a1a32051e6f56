"""relaunch.carryover_risk: many of those who are carried over into the next run will not be there.

Carried over means matched without having asked for it again. A week before the next run the rule counts who of them has
been silent for two months, or has never answered whether they go on. If that is more than every fifth, the new run
begins with pairs that wait for somebody: better to ask once more, or not to carry them over.

Where the catalogue leaves room:
- Carried over are all who were not removed, have not left, and whose latest answer of this run is neither `leave` nor
  `pause`. An answer from before this run's start counts for nothing. Silence is plain time; who was never in contact
  counts from when they joined, and nothing from before observation began.
- It is counted at the check and once a day, and at once when enough people have answered or were heard of since to
  bring it down. With the start of the next run it is over.

Source: our starting point, after the advice to settle who goes on before a run is launched again.
"""

from math import ceil
from typing import Final

from pydantic import Field

import schemas.facts as f
from streams.clock import DAY_MS
from streams.detectors.rate import Event
from streams.rule import Account, Action, Duration, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.state.episode import Evidence
from streams.state.participant import CHOICES, ParticipantPhase, ParticipantState
from streams.state.program import Carryover, ProgramState
from streams.view import View

NAMED: Final = 17
CONCERNED: Final = 200
_GONE: Final = (ParticipantPhase.REMOVED, ParticipantPhase.LEFT)
_STAYS: Final = CHOICES.index("stay")
_CONTACTS: Final = frozenset(
    kind for topic in ("participant-activity", "meetings", "ratings", "sentiment") for kind in f.BY_TOPIC[topic]
) - {f.SurveySent, f.SurveyReminded, f.SurveyExpired, f.MatchRequestExpired}


class RelaunchCarryoverRiskParams(RuleParams):
    check_before: Duration = Field(default=7 * DAY_MS, ge=DAY_MS, description="so long before the next start it counts")
    share: float = Field(default=0.20, ge=0, lt=1, description="more than this share of those carried over is too many")
    silent_for: Duration = Field(
        default=60 * DAY_MS, ge=7 * DAY_MS, le=90 * DAY_MS, description="who was not heard of for this long is silent"
    )


class RelaunchCarryoverRisk(Rule):
    id = "relaunch.carryover_risk"
    code = 27
    klass = "preventive"
    subject = "program"
    closes = "the share is at most `share` again"
    suggests = ("send_reminder", "offer_opt_out", "bulk_clean_up")
    Params = RelaunchCarryoverRiskParams
    rungs = (Rung(None, Severity.HIGH),)
    reads = _CONTACTS | {f.ProgramChanged, f.ProgramEnded, f.ParticipantChanged}
    opens_after_end = True

    def concerns(self, view: View, moment: Moment) -> bool:
        kind = type(moment.fact)
        if kind is f.ProgramChanged or kind is f.ProgramEnded:
            return True
        counted = view.program.carryover
        return counted is not None and counted.margin > 0

    def update(
        self, view: View, subject: Subject, params: RelaunchCarryoverRiskParams, moment: Moment
    ) -> tuple[Event, ...]:
        program = subject.record
        assert isinstance(program, ProgramState)
        if not _is_near(program, params, moment.now_ms):
            program.carryover = None
            return ()
        before = program.carryover
        if before is not None and isinstance(moment.fact, f.RelaunchAnswered | f.ParticipantChanged):
            before.margin -= 1
        is_one = type(moment.fact) in _CONTACTS or isinstance(moment.fact, f.ParticipantChanged)
        if before is not None and is_one and before.margin > _heard(view, before.first_day) - before.heard:
            return ()
        program.carryover = _count(view, params, moment.now_ms)
        return ()

    def forget(self, view: View, subject: Subject) -> None:
        view.program.carryover = None

    def judge(self, view: View, subject: Subject, params: RelaunchCarryoverRiskParams, moment: Moment) -> Verdict:
        program = subject.record
        assert isinstance(program, ProgramState)
        counted = program.carryover
        if not program.carry_over or not program.next_starts_ms or counted is None:
            due_ms = program.next_starts_ms - params.check_before
            waits = program.carry_over and program.next_starts_ms > 0 and due_ms > moment.now_ms
            return Verdict(closes=True, look_ms=due_ms if waits else None)
        look_ms = min(program.next_starts_ms, _next_count_ms(program, moment.now_ms))
        if counted.risky > params.share * counted.carried:
            by_fact = moment.fact is not None
            due_ms = program.next_starts_ms - params.check_before
            return Verdict(
                1,
                Severity.HIGH,
                look_ms=look_ms,
                origin=moment.ref if by_fact else None,
                due_ms=None if by_fact else due_ms,
            )
        fact_ms = moment.ref.at_ms if moment.ref is not None else None
        return Verdict(closes=True, closed_by_ms=fact_ms, look_ms=look_ms)

    def explain(
        self, view: View, subject: Subject, params: RelaunchCarryoverRiskParams, moment: Moment, change: str, rung: int
    ) -> Account:
        program = subject.record
        assert isinstance(program, ProgramState)
        counted = program.carryover or Carryover()
        at_ms, share = moment.at_ms, counted.risky / counted.carried if counted.carried else 0.0
        facts = [Evidence("share of those carried over who are silent or have not answered", at_ms,
                          value=round(share, 6), threshold=params.share)]  # fmt: skip
        ids: list[str] = []
        if change == "opened":
            people = ((each, _risk(view, person, params, at_ms)) for each, person in view.people())
            risky = [(each, words) for each, words in people if words]
            ids = [each for each, _ in risky[:CONCERNED]]
            facts += [Evidence(f"{each} {words}", at_ms) for each, words in risky[:NAMED]]
        about = f"{counted.risky} of {counted.carried} who are carried over"
        if change == "resolved":
            summary = f"The next run of program {subject.id} is safe or has begun: {about} were at risk."
        else:
            summary = f"{about} into the next run of program {subject.id} are silent or have not answered."
        return Account(
            summary,
            tuple(facts),
            actions=(Action("send_reminder"), Action("offer_opt_out"), Action("bulk_clean_up", needs_approval=True)),
            participant_ids=tuple(ids),
            due_ms=program.next_starts_ms if program.next_starts_ms > at_ms else None,
        )


def _is_near(program: ProgramState, params: RelaunchCarryoverRiskParams, now_ms: int) -> bool:
    starts_ms = program.next_starts_ms
    return program.carry_over and starts_ms > now_ms >= starts_ms - params.check_before


def _next_count_ms(program: ProgramState, now_ms: int) -> int:
    """Once a day, at the time of day of the next start."""
    return program.next_starts_ms - (program.next_starts_ms - now_ms - 1) // DAY_MS * DAY_MS


def _heard(view: View, first_day: int) -> int:
    """How many active people had their latest contact on a UTC day or later."""
    tally = view.tally("contacts")
    return 0 if tally is None else tally.totals(first_day, 1 << 40)[0]


def _count(view: View, params: RelaunchCarryoverRiskParams, now_ms: int) -> Carryover:
    carried = risky = 0
    for _, person in view.people():
        words = _risk(view, person, params, now_ms)
        carried += words is not None
        risky += bool(words)
    first_day = (now_ms - params.silent_for) // DAY_MS + 1
    # One answer or one return takes away one at most: sooner than that it cannot be at or below the share.
    margin = max(0, ceil(risky - params.share * carried))
    return Carryover(carried, risky, margin, first_day, _heard(view, first_day))


def _risk(view: View, person: ParticipantState, params: RelaunchCarryoverRiskParams, now_ms: int) -> str | None:
    """Why somebody who is carried over may not be there; empty when they will be, None when not carried over."""
    if person.phase in _GONE:
        return None
    answered = person.relaunch is not None and person.relaunch[1] >= view.program.starts_ms
    if answered and person.relaunch is not None and person.relaunch[0] != _STAYS:
        return None
    if not answered:
        return "has not answered"
    seen_ms = max(person.contact_ms, person.joined_ms, view.observed_from_ms)
    return "is silent" if now_ms - seen_ms >= params.silent_for else ""
