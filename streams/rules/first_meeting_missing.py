"""first_meeting.missing: a pair was matched, and the first meeting does not happen.

What decides a match is whether the two meet at all, and soon: a pair that has not met within two weeks rarely starts by
itself. The ladder speaks first when nothing is even planned, again when the meeting is overdue, and last when the match
never started. It counts from the match, the reopening or the program's start, whichever is latest, and the clock stands
still in breaks, outside the program's run, and while either partner is not active.

Where the catalogue leaves room:
- *Nothing scheduled* means no meeting stands planned, past or future; one that was cancelled does not stand. A
  meeting that
  was planned and of which nobody says that it was held keeps the first rung quiet and leaves it to the second.
- Most pairs of which an appointment has passed without a word, or who were both about in the last week, do meet.
  With `wait_while_about` they wait for the review until `never_started` and are not sent by themselves.
- A booking holds off every rung whose due instant it reaches within `booked_within`; all of them speak again one day
  after its end, at the highest rung true then. A booking further away than that hides nothing.
- A new, moved or cancelled booking while the intervention is open is evidence; only a held meeting closes it.
- A meeting that was held before the opening and noted after it retracts the intervention; so does any other fact from
  before the opening (a booking, a pause) with which it would not be open now.

Source: 10, 14, 21 and 30 days are published practice of mentoring programs (a first meeting within two weeks, the match
reviewed after a month).
"""

from collections.abc import Sequence
from typing import Any, Final

from pydantic import Field

import schemas.facts as f
from streams.calendar import Interval, due_ms, running_ms
from streams.causes import cause_of_pair, silent_member
from streams.clock import DAY_MS
from streams.rule import (
    NOTHING,
    Account,
    Action,
    Duration,
    Moment,
    Rule,
    RuleParams,
    Rung,
    Severity,
    Subject,
    Verdict,
)
from streams.rule import evidence as evidence_of
from streams.state.episode import Evidence
from streams.state.pair import Booking, PairState, held_off
from streams.steps import first_steps
from streams.view import View

ABOUT_MS: Final = 7 * DAY_MS  # who was heard of in this time is about
NEVER_STARTED: Final = 4
_BOOKING_FACTS: Final = (f.MeetingScheduled, f.MeetingRescheduled, f.MeetingCancelled, f.MeetingNoShow)
_VERBS: Final = {
    f.MeetingScheduled: "a meeting was scheduled",
    f.MeetingRescheduled: "the meeting was moved",
    f.MeetingCancelled: "the meeting was cancelled",
    f.MeetingNoShow: "somebody did not come to the meeting",
}


class FirstMeetingMissingParams(RuleParams):
    not_scheduled_after: Duration = Field(default=10 * DAY_MS, description="nothing scheduled or held for this long")
    overdue_after: Duration = Field(default=14 * DAY_MS, description="no meeting held for this long")
    overdue_long_after: Duration = Field(default=21 * DAY_MS, description="no meeting held for this long")
    never_started_after: Duration = Field(default=30 * DAY_MS, description="no meeting held for this long")
    booked_within: Duration = Field(
        default=14 * DAY_MS, description="a booking this close to a rung's due instant holds it off"
    )
    wait_while_about: bool = Field(
        default=False,
        description="before `never_started`, wait for the review while both were about in the last week, or when an "
        "appointment has passed without a word",
    )

    def ladder(self) -> tuple[int, int, int, int]:
        return self.not_scheduled_after, self.overdue_after, self.overdue_long_after, self.never_started_after


class FirstMeetingMissing(Rule):
    id = "first_meeting.missing"
    code = 2
    klass = "reactive"
    subject = "pair"
    closes = "a held meeting"
    suggests = ("send_reminder", "reach_out", "rematch")
    Params = FirstMeetingMissingParams
    rungs = (
        Rung("not_scheduled", Severity.NOTICE),
        Rung("overdue", Severity.WARNING),
        Rung("overdue_long", Severity.HIGH),
        Rung("never_started", Severity.HIGH),
    )
    reads = frozenset({f.MeetingHeld, *_BOOKING_FACTS})
    is_absence = True

    def is_idle(self, record: Any, fact: Any) -> bool:
        """The pair has met, and that is for good."""
        return bool(record.held_count)

    def judge(self, view: View, subject: Subject, params: FirstMeetingMissingParams, moment: Moment) -> Verdict:
        pair = subject.record
        assert isinstance(pair, PairState)
        if pair.held_count:
            return Verdict(closes=True, closed_by_ms=pair.last_held_ms)
        if not pair.one_to_one or pair.matched_ms < view.observed_from_ms:
            return NOTHING
        anchor_ms, stops = _anchor_ms(view, pair), view.stops(pair)
        standing = _standing(pair, anchor_ms)
        rung, look_ms, due_then = _climb(anchor_ms, standing, stops, params, moment.now_ms)
        episode = pair.open_episode(self.code)
        if episode is not None and moment.ref is not None and moment.ref.at_ms < episode.opened_ms:
            known = [booking for booking in standing if booking.ref.at_ms < episode.opened_ms]
            if not _climb(anchor_ms, known, stops, params, moment.now_ms)[0]:
                return Verdict(closes=True, closed_by_ms=moment.ref.at_ms, look_ms=look_ms)
        severity = self.rungs[rung - 1].severity if rung else Severity.INFO
        fresh = isinstance(moment.fact, _BOOKING_FACTS)
        return Verdict(rung, severity, look_ms=look_ms, fresh=fresh, origin=pair.matched, due_ms=due_then)

    def explain(
        self, view: View, subject: Subject, params: FirstMeetingMissingParams, moment: Moment, change: str, rung: int
    ) -> Account:
        pair = subject.record
        assert isinstance(pair, PairState)
        anchor_ms = _anchor_ms(view, pair)
        elapsed = running_ms(anchor_ms, max(moment.now_ms, anchor_ms), view.stops(pair)) // DAY_MS
        facts: list[Evidence] = []
        if change == "opened" and pair.matched is not None:
            words = (
                "the pair was reopened"
                if pair.reopened_ms and pair.reopened_ms >= pair.matched_ms
                else "the pair was matched"
            )
            facts.append(evidence_of(words, pair.matched))
            facts += [_say_booking(booking) for booking in pair.bookings]
        if change in ("opened", "escalated") and rung:
            threshold = params.ladder()[rung - 1] // DAY_MS
            text = "days without a meeting planned or held" if rung == 1 else "days without a meeting held"
            facts.append(Evidence(text, moment.at_ms, value=elapsed, threshold=threshold))
        elif type(moment.fact) in _VERBS and moment.ref is not None:
            facts.append(evidence_of(_VERBS[type(moment.fact)], moment.ref))
        elif pair.held is not None:
            facts.append(evidence_of("a meeting was held", pair.held))
        if pair.held_count:
            summary = f"Pair {subject.id} has met."
        else:
            planned = "has nothing planned" if rung == 1 else "has not met"
            summary = f"Pair {subject.id} {planned} {elapsed} days after it was matched."
        silent = silent_member(view, pair)
        actions = first_steps(view, pair, silent, moment)
        if rung == 1:
            actions = (Action("send_reminder"), *actions)
        return Account(
            summary=summary,
            evidence=tuple(sorted(facts, key=lambda each: each.at_ms)),
            cause=cause_of_pair(view, pair, moment.at_ms, moment.at_ms - anchor_ms, negative=False),
            actions=actions,
            pair_ids=(subject.id,),
            participant_ids=tuple(member.id for member in pair.members),
            review_list=params.wait_while_about and _is_light(view, pair, anchor_ms, rung, moment),
        )


def _climb(
    anchor_ms: int, standing: list[Booking], stops: Sequence[Interval], params: FirstMeetingMissingParams, now_ms: int
) -> tuple[int, int | None, int | None]:
    """Find the highest rung that is true, when to look again, and when that rung was due."""
    rung, look_ms, due_then = 0, None, None
    for step, duration in enumerate(params.ladder(), 1):
        due = due_ms(anchor_ms, duration, stops)
        if due is None:
            break
        if standing:
            due = held_off(due, standing, params.booked_within)
        if due > now_ms:
            look_ms = due if look_ms is None else min(look_ms, due)
        elif step > 1 or not standing:
            rung, due_then = step, due
    return rung, look_ms, due_then


def _anchor_ms(view: View, pair: PairState) -> int:
    return max(pair.matched_ms, pair.reopened_ms, view.program.starts_ms)


def _standing(pair: PairState, anchor_ms: int) -> list[Booking]:
    return [booking for booking in pair.bookings if not booking.cancelled and booking.end_ms > anchor_ms]


def _is_light(view: View, pair: PairState, anchor_ms: int, rung: int, moment: Moment) -> bool:
    """Whether there is a good reason to think that nothing is wrong yet: an appointment has passed of which nobody said
    anything (most such meetings took place), or both partners are about (people make plans elsewhere)."""
    if rung >= NEVER_STARTED:
        return False
    if any(each.end_ms <= moment.now_ms for each in _standing(pair, anchor_ms)):
        return True
    seen = (view.participant(member.id) for member in pair.members if member.side)
    about = [person is not None and person.contact_ms > moment.at_ms - ABOUT_MS for person in seen]
    return len(about) > 1 and all(about)


def _say_booking(booking: Booking) -> Evidence:
    return evidence_of("the meeting was cancelled" if booking.cancelled else "a meeting was scheduled", booking.ref)
