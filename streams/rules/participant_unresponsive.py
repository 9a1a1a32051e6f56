"""participant.unresponsive: somebody was asked and has not been heard of since.

A partner proposed a meeting, wrote, or sent a request, and the person has done nothing at all since then: no answer, no
sign-in, no survey. One intervention speaks for all their pairs, because it is one person to find, and while it is open
what the same silence causes in the pairs is withheld.

The ladder follows what coordinators do. First reach out to the person and to the partner who waits. If three weeks have
passed and both were reached out to, or three tries are recorded, mark the person unavailable, so that nobody new is
matched with them. After seven weeks remove them. Removal is never suggested before marking was.

Where the catalogue leaves room:
- It counts from the oldest attempt that still waits. One in a pair that is no longer active, or a request that was
  withdrawn, waits no more; when none is left the intervention closes.
- *Reached out to* and *tries* count from that attempt on; a try that was answered is a contact and closes it.
- An appointment asks for presence, not for an answer. Where people plan far ahead a rule set may say `booked_within`:
  then an appointment of the pair in which somebody waits holds a stage off if it starts that close to the stage's due
  instant, until `after_booking` after its end. A cancelled one, or one to which somebody did not come, holds off
  nothing, and no appointment holds off for ever: the instant it is compared with stays that of the attempt.
- The clock stands still in the program's breaks and while the person is not active.

Source: 14 days: published coordinator advice (a reply within two weeks); three tries before somebody is marked
unavailable likewise; 21 and 49 days are our starting point.
"""

from collections.abc import Sequence
from typing import Any, Final

from pydantic import Field

import schemas.facts as f
from streams.calendar import Interval, due_ms, running_ms, union
from streams.causes import SHOWN
from streams.clock import DAY_MS
from streams.rule import NOTHING, Account, Action, Duration, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.rule import evidence as evidence_of
from streams.state.episode import Evidence
from streams.state.pair import Booking, PairState, held_off
from streams.state.participant import Attempt, ParticipantState, RequestPhase
from streams.steps import party_of
from streams.view import View

TRIES: Final = 3


class ParticipantUnresponsiveParams(RuleParams):
    silent_for: Duration = Field(default=14 * DAY_MS, description="an attempt has waited this long")
    suggest_unavailable_after: Duration = Field(
        default=21 * DAY_MS, description="since the attempt, once both were reached out to or three tries are recorded"
    )
    suggest_removal_after: Duration = Field(
        default=49 * DAY_MS, description="since the attempt, after unavailability was suggested"
    )
    booked_within: Duration = Field(
        default=0, description="a booking of the pair this close to a stage's due instant holds it off; 0d: none does"
    )
    after_booking: Duration = Field(default=14 * DAY_MS, description="until this long after the end of that booking")

    def ladder(self) -> tuple[int, int, int]:
        return self.silent_for, self.suggest_unavailable_after, self.suggest_removal_after


class ParticipantUnresponsive(Rule):
    id = "participant.unresponsive"
    code = 5
    klass = "reactive"
    subject = "participant"
    closes = "any contact of that person"
    suggests = ("reach_out", "rematch", "mark_unavailable", "remove")
    Params = ParticipantUnresponsiveParams
    rungs = (
        Rung("unresponsive", Severity.WARNING),
        Rung("suggest_unavailable", Severity.WARNING),
        Rung("suggest_removal", Severity.HIGH),
    )
    #: whatever a person can do, and what ends a wait otherwise
    reads = frozenset({
        f.ActivitySignedIn, f.ActivityProfileUpdated, f.ActivityGoalUpdated, f.ActivityContentViewed,
        f.ActivityMessageSent, f.RelaunchAnswered, f.HelpRequested,
        f.MatchRequestSent, f.MatchRequestAccepted, f.MatchRequestDeclined, f.MatchRequestExpired,
        f.MatchRequestWithdrawn,
        f.MeetingScheduled, f.MeetingRescheduled, f.MeetingHeld, f.MeetingCancelled, f.MeetingNoShow,
        f.RatingSubmitted, f.SentimentSubmitted, f.ActionTaken, f.PairChanged, f.PairDeleted,
    })  # fmt: skip
    is_absence = True
    inhibits = frozenset({"first_meeting.missing", "pair.quiet", "meeting.rhythm_lost"})

    def is_idle(self, record: Any, fact: Any) -> bool:
        """Nobody waits for this person."""
        return not record.attempts

    def judge(self, view: View, subject: Subject, params: ParticipantUnresponsiveParams, moment: Moment) -> Verdict:
        person = subject.record
        assert isinstance(person, ParticipantState)
        episode = person.open_episode(self.code)
        if not person.attempts and episode is None:
            return NOTHING
        waiting = _waiting(view, person)
        if waiting:
            verdict = self._climb(view, subject.id, person, waiting[0], params, moment.now_ms)
            if verdict.rung or episode is None:
                return verdict
        else:
            verdict = NOTHING
        if episode is None:
            return verdict
        if person.contact_ms > episode.opened_ms - params.silent_for:
            return Verdict(closes=True, closed_by_ms=person.contact_ms, look_ms=verdict.look_ms)
        known_ms = moment.ref.at_ms if moment.ref is not None else None
        if not waiting or (known_ms is not None and known_ms < episode.opened_ms):
            return Verdict(closes=True, closed_by_ms=known_ms, look_ms=verdict.look_ms)
        return verdict

    def _climb(
        self,
        view: View,
        person_id: str,
        person: ParticipantState,
        waited: tuple[int, Attempt],
        params: ParticipantUnresponsiveParams,
        now_ms: int,
    ) -> Verdict:
        """The highest rung that is true by the oldest attempt, and when to look again."""
        since_ms, attempt = waited
        stops = _stops(view, person)
        is_tried = bool(person.reached) and _is_tried(view, person_id, person, since_ms)
        booked = _booked(view, attempt) if params.booked_within else []
        rung, due_then, look_ms = 0, None, None
        for step, duration in enumerate(params.ladder(), 1):
            due = due_ms(since_ms, duration, stops)
            if due is None:
                break
            if booked:
                due = held_off(due, booked, params.booked_within, params.after_booking)
            if due > now_ms:
                look_ms = due
                break
            if step == 1 or is_tried:
                rung, due_then = step, due
        severity = self.rungs[rung - 1].severity if rung else Severity.INFO
        return Verdict(rung, severity, look_ms=look_ms, origin=attempt.ref, due_ms=due_then)

    def explain(
        self, view: View, subject: Subject, params: ParticipantUnresponsiveParams, moment: Moment, change: str,
        rung: int,
    ) -> Account:  # fmt: skip
        person = subject.record
        assert isinstance(person, ParticipantState)
        waiting = _waiting(view, person)
        facts: list[Evidence] = []
        since_ms = waiting[0][0] if waiting else moment.at_ms
        days = running_ms(since_ms, max(moment.now_ms, since_ms), _stops(view, person)) // DAY_MS
        tries = sum(at_ms >= since_ms for at_ms in person.reached)
        if change == "opened":
            facts = [evidence_of(f"{attempt.by} waits for an answer", attempt.ref) for _, attempt in waiting]
        if change in ("opened", "escalated") and rung:
            threshold = params.ladder()[rung - 1]
            text = "days without a sign of life since somebody asked"
            facts.append(Evidence(text, moment.at_ms, value=days, threshold=threshold // DAY_MS))
        if change == "escalated":
            told_ms = moment.ref.at_ms if moment.ref is not None else None  # the outreach at hand speaks for itself
            reached = [at_ms for at_ms in person.reached if at_ms >= since_ms and at_ms != told_ms]
            facts += [Evidence("a coordinator reached out", at_ms) for at_ms in reached]
        elif change in ("resolved", "retracted") and moment.ref is not None:
            facts.append(evidence_of("a sign of life, or the end of the wait", moment.ref))
        if waiting and change not in ("resolved", "retracted", "expired"):
            asked = f"; coordinators reached out {tries} times" if tries > 1 else ""
            summary = f"{subject.id} has not been heard of for {days} days since {waiting[0][1].by} asked{asked}."
        elif not waiting or change in ("resolved", "retracted"):
            summary = f"Nobody waits for {subject.id} any more."
        else:
            summary = f"{subject.id} has not been heard of."
        pair_id = waiting[0][1].pair_id if waiting else next(iter(person.pair_ids), "")
        pair = view.pair(pair_id) if pair_id else None
        return Account(
            summary=summary,
            evidence=tuple(sorted(facts, key=lambda each: each.at_ms)),
            cause=("unresponsive", SHOWN),
            actions=_actions(person, subject.id, pair, rung, since_ms),
            pair_ids=tuple(person.pair_ids),
            participant_ids=tuple(sorted({subject.id, *(attempt.by for _, attempt in waiting)})),
        )


def _waiting(view: View, person: ParticipantState) -> list[tuple[int, Attempt]]:
    """Attempts that still wait for this person, with the instant from which each counts, oldest first."""
    withdrawn: set[str] = set()
    if person.matching is not None:
        left = [each.sent for each in person.matching.received if each.phase is RequestPhase.WITHDRAWN]
        withdrawn = {sent.event_id for sent in left if sent is not None}
    found = []
    for attempt in person.attempts:
        since_ms = max(attempt.ref.at_ms, view.observed_from_ms)
        if attempt.pair_id:
            pair = view.pair(attempt.pair_id)
            if pair is None or not pair.is_active or not pair.one_to_one or attempt.pair_id not in person.pair_ids:
                continue
            since_ms = max(since_ms, pair.reopened_ms)
        elif attempt.ref.event_id in withdrawn:
            continue
        found.append((since_ms, attempt))
    if len(found) > 1:
        found.sort(key=lambda each: (each[0], each[1].ref.at_ms, each[1].ref.event_id))
    return found


def _booked(view: View, attempt: Attempt) -> list[Booking]:
    """Appointments of the pair in which somebody waits, past and future, that stand."""
    pair = view.pair(attempt.pair_id) if attempt.pair_id else None
    return [] if pair is None else [booking for booking in pair.bookings if not booking.cancelled]


def _stops(view: View, person: ParticipantState) -> Sequence[Interval]:
    stops = person.stops
    return union(view.program_stops, stops) if stops else view.program_stops


def _is_tried(view: View, person_id: str, person: ParticipantState, since_ms: int) -> bool:
    """Whether coordinators have tried enough: the person and one partner, or the person three times."""
    tries = sum(at_ms >= since_ms for at_ms in person.reached)
    if not tries or tries >= TRIES:
        return tries >= TRIES
    return any(
        member.reached_ms >= since_ms and member.id != person_id
        for pair_id in person.pair_ids
        if (pair := view.pair(pair_id)) is not None
        for member in pair.members
    )


def _actions(
    person: ParticipantState, person_id: str, pair: PairState | None, rung: int, since_ms: int
) -> tuple[Action, ...]:
    steps = [Action("reach_out", party_of(pair, person_id, person.roles))]
    partner = pair.partner(person_id) if pair is not None else None
    if partner is not None:
        both = bool(person.reached) and person.reached[-1] >= since_ms and partner.reached_ms >= since_ms
        steps.append(Action("reach_out", party_of(pair, partner.id)))
        steps.append(Action("rematch", needs_approval=True, unlocked=both))
    steps.append(Action("mark_unavailable", needs_approval=True, unlocked=rung >= 2))
    steps.append(Action("remove", needs_approval=True, unlocked=rung >= 3))
    return tuple(steps)
