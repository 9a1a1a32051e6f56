"""What the two slowdown rules share: feeding a rate detector with the facts of a program or of one pair.

In a program that records surveys each survey is judged once, when it is of age; elsewhere active pairs are the
exposure and submissions are counted as they come. Either way `RateStream` decides; this module only knows which facts
concern it.
"""

import math
from collections.abc import Sequence
from typing import Final

from streams.calendar import Calendar
from streams.detectors.rate import (
    Alarm,
    Event,
    RateParams,
    RateStream,
    Reading,
    advance,
    has_pairs,
    set_pairs,
    submit,
    survey_answered,
    survey_sent,
)
from streams.detectors.rate import reading as read
from streams.rule import Moment
from streams.state.episode import Evidence
from streams.view import View

#: Days over which a shortfall is shown: the one of these in which it stands out most.
WINDOWS: Final = (7, 14, 28)


def feed(stream: RateStream, pairs: int, view: View, params: RateParams, moment: Moment) -> tuple[Event, ...]:
    """Take in what the fact at hand means for a stream, and let time pass up to now.

    Args:
        pairs: active pairs behind the stream as of the fact at hand.
    """
    calendar, now_ms, touched = view.calendar, moment.now_ms, moment.touched
    events: list[Event] = []
    #: time has passed up to now already, and what was counted then comes of age later
    is_current = False
    if not has_pairs(stream, pairs):
        at_ms = moment.ref.at_ms if moment.ref is not None else now_ms
        events += set_pairs(stream, at_ms, pairs, now_ms, calendar, params)
    if touched.survey_sent_ms is not None:
        events += survey_sent(stream, touched.survey_sent_ms, now_ms, calendar, params)
        is_current = True
    submission = touched.submission
    if submission is not None:
        if stream.surveys is None:
            if submission.counts:
                events += submit(stream, submission.at_ms, now_ms, calendar, params)
        elif submission.answers_ms is not None:
            events += survey_answered(stream, submission.answers_ms, submission.at_ms, now_ms, calendar, params)
            is_current = True
    if not is_current:
        events += advance(stream, now_ms, calendar, params)
    return tuple(events)


def account(
    events: Sequence[Event], stated_ms: int, stream: RateStream | None, calendar: Calendar, params: RateParams
) -> tuple[str, tuple[Evidence, ...]]:
    """Put what a detector said into half a sentence and evidence with its numbers; empty when it said nothing."""
    if not events or stream is None:
        return "", ()
    last = events[-1]
    reading = last.reading
    if isinstance(last, Alarm):
        reading = max((read(stream, last.at_ms, calendar, params, days) for days in WINDOWS), key=_shortfall)
    what = "surveys answered in time" if reading.surveys else "submissions"
    days = f"{reading.days} days"
    evidence = [
        Evidence(f"{what} in the last {days}, beside those expected", stated_ms, value=reading.seen,
                 threshold=round(reading.expected, 6), window_days=reading.days),
        Evidence(_baseline_words(reading), stated_ms, value=reading.rate),
    ]  # fmt: skip
    seen = f"1 {_singular(what)}" if reading.seen == 1 else f"{reading.seen} {what}"
    words = f"{seen} in the last {days} where {_short(reading.expected)} were to be expected"
    if isinstance(last, Alarm):
        evidence.append(
            Evidence(
                "by chance once in so many weeks", stated_ms, value=last.weeks, threshold=round(last.threshold_weeks, 6)
            )
        )
        words += f" (by chance about once in {_short(last.weeks)} weeks)"
    return words, tuple(evidence)


def _shortfall(reading: Reading) -> float:
    """How far below expectation, in units of the expected noise: a silence shows in a short window, a decline in a
    long one."""
    return (reading.expected - reading.seen) / math.sqrt(reading.expected) if reading.expected > 0 else 0.0


def _baseline_words(reading: Reading) -> str:
    if reading.surveys:
        return "learned share of surveys answered in time"
    return "learned submissions per active pair and week"


def _singular(what: str) -> str:
    return what.replace("surveys", "survey").replace("submissions", "submission")


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def alarm_due_ms(stream: RateStream, params: RateParams) -> int:
    """The instant the alarm was due on the engine's clock; it makes the id of the episode."""
    return stream.alarm_ms + params.lateness_ms
