"""meeting.rhythm_lost: a pair that met in its own rhythm has stopped meeting.

Some pairs meet every week, others once a month, and both are fine. What matters is a gap that is long for this pair:
the rule learns the pair's own rhythm, and the regularity of meetings in its program, and speaks when the open gap is
longer than chance would make it once in ten years of a pair. With meetings every two weeks that is after five to ten
weeks, sooner the more meetings it has seen. A booked meeting keeps it quiet, for then the pair knows already.

Where the catalogue leaves room:
- It learns from held meetings only, half a day apart at least. Days in which the clock stands still (breaks, pauses,
  outside the program's run) are no gap.
- A booking holds it off until a day after its end. If the meeting is not held then, the gap counts as if there had been
  no booking.
- A reopened pair finds its rhythm anew: the gap begins at the reopening, and two meetings must follow.
- Nothing new opens in the last week before the program's end, when pairs say good-bye as they like.

Source: renewal e-detector on the gap law of the pair (Shin, Ramdas, Rinaldo 2024; Gamma gaps, shape pooled over the
    program), see `streams.detectors.renewal`. One false alarm in ten pair-years and the prior rhythm of two weeks are
    our starting point.
"""

from functools import lru_cache
from typing import Any, Final

from pydantic import Field

import schemas.facts as f
from schemas.base import to_ms
from streams.causes import cause_of_pair, silent_member
from streams.clock import DAY_MS
from streams.detectors.rate import Event
from streams.detectors.renewal import RenewalParams, RunningTime, advance, next_due_ms, observe, reading, start
from streams.rule import NOTHING, Account, Duration, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.rule import evidence as evidence_of
from streams.state.episode import Evidence
from streams.state.pair import PairState
from streams.steps import first_steps
from streams.view import View

GRACE_MS: Final = DAY_MS  # a booking counts until a day after its end, so that there is time to note the meeting
LAST_DAYS_MS: Final = 7 * DAY_MS
_VERBS: Final[dict[type, str]] = {
    f.MeetingScheduled: "a meeting was scheduled",
    f.MeetingRescheduled: "the meeting was moved",
    f.MeetingCancelled: "the meeting was cancelled",
    f.MeetingNoShow: "somebody did not come to the meeting",
}


class MeetingRhythmLostParams(RuleParams):
    far_per_pair_year: float = Field(default=0.1, gt=0, le=12, description="tolerated false alarms per pair and year")
    min_held: int = Field(default=3, ge=2, le=100, description="meetings held before anything is said")
    prior_gap: Duration = Field(
        default=14 * DAY_MS,
        ge=DAY_MS,
        le=365 * DAY_MS,
        description="usual gap, before anything is known of the program",
    )
    prior_cv: float = Field(default=0.6, gt=0, le=1, description="how far pairs differ from their program")
    prior_shape: float = Field(
        default=2.0, ge=0.3, le=10, description="regularity of meetings before anything is known; 1 = none"
    )
    lateness: Duration = Field(default=DAY_MS, description="how long the rule waits for facts under way")


@lru_cache(maxsize=256)
def _detector(params: MeetingRhythmLostParams) -> RenewalParams:
    return RenewalParams(
        far_per_year=params.far_per_pair_year,
        prior_gap_ms=params.prior_gap,
        prior_cv=params.prior_cv,
        prior_shape=params.prior_shape,
        min_events=params.min_held,
        lateness_ms=params.lateness,
    )


class MeetingRhythmLost(Rule):
    id = "meeting.rhythm_lost"
    code = 31
    klass = "reactive"
    subject = "pair"
    closes = "a held or booked meeting"
    suggests = ("reach_out", "rematch")
    Params = MeetingRhythmLostParams
    rungs = (Rung(None, Severity.NOTICE), Rung(None, Severity.WARNING))
    reads = frozenset({f.MeetingHeld, *_VERBS})
    is_absence = True

    def is_idle(self, record: Any, fact: Any) -> bool:
        """A plan made or dropped matters only while an alarm is held off by one; what comes by the clock, a timer looks
        at."""
        if type(fact) not in _VERBS:
            return False
        rhythm = record.rhythm
        return rhythm is None or not (rhythm.alarm_ms or record.reopened_ms > rhythm.last_ms)

    def update(
        self, view: View, subject: Subject, params: MeetingRhythmLostParams, moment: Moment
    ) -> tuple[Event, ...]:
        pair = subject.record
        assert isinstance(pair, PairState)
        held = isinstance(moment.fact, f.MeetingHeld)
        if pair.rhythm is None and not held:
            return ()
        detector, pool, time = _detector(params), view.program.gaps, RunningTime(view.stops(pair))
        if pair.rhythm is not None and pair.reopened_ms > pair.rhythm.last_ms:
            pair.rhythm = start(pair.reopened_ms, pool, detector)
        before = (pool.gaps, pool.weeks)
        if held and pair.rhythm is None:
            pair.rhythm = start(min(to_ms(moment.fact.starts_at), moment.at_ms), pool, detector)
        elif held and pair.rhythm is not None:
            held_ms = min(to_ms(moment.fact.starts_at), moment.at_ms)
            observe(pair.rhythm, held_ms, moment.now_ms, time, pool, detector)
        elif pair.rhythm is not None:
            advance(pair.rhythm, moment.now_ms, time, pool, detector)
        if (pool.gaps, pool.weeks) != before:
            view.touch_program()  # a meeting that waited for its lateness may be taken in at a timer, too
        return ()

    def rest(self, view: View, subject: Subject, params: MeetingRhythmLostParams, moment: Moment) -> None:
        pair = subject.record
        assert isinstance(pair, PairState)
        if pair.is_active and isinstance(moment.fact, f.MeetingHeld):
            self.update(view, subject, params, moment)  # a pause stops the clock, and yet the two have met

    def forget(self, view: View, subject: Subject) -> None:
        pair = subject.record
        assert isinstance(pair, PairState)
        pair.rhythm = None

    def judge(self, view: View, subject: Subject, params: MeetingRhythmLostParams, moment: Moment) -> Verdict:
        pair = subject.record
        assert isinstance(pair, PairState)
        stream = pair.rhythm
        if stream is None:
            return NOTHING
        detector = _detector(params)
        look_ms = next_due_ms(stream, RunningTime(view.stops(pair)), detector)
        fact_ms = moment.ref.at_ms if moment.ref is not None else None
        if not stream.alarm_ms:
            closed_ms = pair.last_held_ms if isinstance(moment.fact, f.MeetingHeld) else fact_ms
            return Verdict(closes=True, closed_by_ms=closed_ms, look_ms=look_ms)
        booked_ms = _booked_until_ms(pair)
        if booked_ms > moment.now_ms:
            look_ms = booked_ms if look_ms is None else min(look_ms, booked_ms)
            return Verdict(closes=True, closed_by_ms=fact_ms, look_ms=look_ms)
        ends_ms = view.program.ends_ms
        if ends_ms and moment.now_ms >= ends_ms - LAST_DAYS_MS and pair.open_episode(self.code) is None:
            return Verdict(look_ms=look_ms)
        rung = 2 if stream.worsened else 1
        return Verdict(
            rung,
            self.rungs[rung - 1].severity,
            look_ms=look_ms,
            origin=pair.held,
            due_ms=max(stream.alarm_ms + params.lateness, booked_ms),
        )

    def explain(
        self, view: View, subject: Subject, params: MeetingRhythmLostParams, moment: Moment, change: str, rung: int
    ) -> Account:
        pair = subject.record
        assert isinstance(pair, PairState)
        facts: list[Evidence] = []
        words = ""
        if pair.rhythm is not None and change in ("opened", "escalated", "expired"):
            gap = reading(pair.rhythm, moment.now_ms, RunningTime(view.stops(pair)), _detector(params))
            words = f": {gap.gap_days:.0f} days since the last meeting, where {gap.usual_days:.0f} are usual"
            if pair.held is not None and change == "opened":
                facts.append(evidence_of("the last meeting that was held", pair.held))
            facts += [
                Evidence("days since the last meeting, beside the usual gap", moment.at_ms, value=gap.gap_days,
                         threshold=gap.usual_days),
                Evidence("by chance once in so many weeks", moment.at_ms, value=gap.weeks,
                         threshold=gap.threshold_weeks),
            ]  # fmt: skip
        elif isinstance(moment.fact, f.MeetingHeld) and moment.ref is not None:
            facts = [evidence_of("a meeting was held", moment.ref)]
        elif type(moment.fact) in _VERBS and moment.ref is not None:
            facts = [evidence_of(_VERBS[type(moment.fact)], moment.ref)]
        if change in ("resolved", "retracted"):
            summary = f"Pair {subject.id} meets again, or has a meeting planned."
        else:
            summary = f"Pair {subject.id} has lost its rhythm of meeting{words}."
        since_ms = moment.at_ms - pair.last_held_ms
        return Account(
            summary,
            tuple(facts),
            cause=cause_of_pair(view, pair, moment.at_ms, since_ms, negative=False),
            actions=first_steps(view, pair, silent_member(view, pair), moment),
            pair_ids=(subject.id,),
            participant_ids=tuple(member.id for member in pair.members),
        )


def _booked_until_ms(pair: PairState) -> int:
    """Until when a booking keeps the rule quiet, 0 when there is none."""
    return max((booking.end_ms + GRACE_MS for booking in pair.bookings if not booking.cancelled), default=0)
