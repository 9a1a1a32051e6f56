"""The rate detector of a program or a pair: did submissions fall below what the stream's own baseline predicts?

A `RateStream` is a few hundred bytes of state; the functions here change it in place. It stands at the engine's now
minus the lateness, so that facts which arrive late but in time are taken in their own order; what is newer waits in a
short queue. Nothing happens by the day: between two facts everything is known in closed form, so `advance` only does
something where a fact, an alarm or a judgement falls due, and extra calls change nothing, to the last bit.

    calendar = calendar_of("Europe/Berlin", (("2026-12-21", "2027-01-03"),), ends_ms)
    params = RateParams(far_per_year=0.5)
    stream = start(starts_ms, active_pairs, calendar, params)
    events = submit(stream, at_ms, now_ms, calendar, params)    # a fact, or advance(stream, now_ms, …) at its timer
    due = next_due_ms(stream, now_ms, calendar, params)         # after every call: THE timer, on the engine's clock
"""

from streams.detectors.rate.intake import (
    begin_surveys,
    follow,
    has_pairs,
    relearn,
    set_pairs,
    submit,
    survey_answered,
    survey_judged_ms,
    survey_sent,
)
from streams.detectors.rate.parameters import Alarm, Event, HighAfter, RateParams, Reading, Recovered
from streams.detectors.rate.passing import advance
from streams.detectors.rate.state import RateStream, fork, mean_rate, paced, reading, start
from streams.detectors.rate.timer import next_due_ms

__all__ = [
    "Alarm",
    "Event",
    "HighAfter",
    "RateParams",
    "RateStream",
    "Reading",
    "Recovered",
    "advance",
    "begin_surveys",
    "follow",
    "fork",
    "has_pairs",
    "mean_rate",
    "next_due_ms",
    "paced",
    "reading",
    "relearn",
    "set_pairs",
    "start",
    "submit",
    "survey_answered",
    "survey_judged_ms",
    "survey_sent",
]
