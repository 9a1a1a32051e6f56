"""The share detector: did the share of positive answers, or the mean rating, fall below what is usual here?

An answer is a value from 0 to 1: 1 for a positive one and 0 for any other, or a rating scaled to (rating - 1) / 4. The
law of the answers does not matter, only their mean. What is usual is learned and read on the careful side, at the 30 %
quantile of the mean.

Answers are gathered by local day and judged together once the day is over and the lateness has passed, so their order
does not matter. A day's share of time is added to R with the day's answers (R counts weeks): the threshold is
52.18 / far_per_year weeks however many answers come, and a burst of answers earns no more false alarms than a trickle.

Keep `stream` on the program's record (a few hundred bytes)::

    params = ShareParams(far_per_year=0.5)                        # equal rule parameters can share one
    stream = start(at_ms, calendar, params)                       # at the start of the run, or with the first answer
    begin_earlier(stream, at_ms, calendar)                        # with an answer before it that came later
    events = submit(stream, value, at_ms, now_ms, calendar, params)   # every answer, in any order
    events = advance(stream, now_ms, calendar, params)            # at its timer, or any time
    due = next_due_ms(stream, calendar, params)                   # after every call: THE timer, on the engine's clock
    stream.alarm_ms                                               # 0 = no alarm
    reading(stream, at_ms, calendar)                              # for the words: mean and number of the last 28 days
    reset(stream)                                                 # the rule closed: start over, baseline kept
    relearn(stream, now_ms, calendar, params)                     # "dismissed", "false alarm"

Events: `Fell(at_ms, due_ms, weeks, threshold_weeks, reading)` and `Recovered(at_ms, due_ms, reading)`. It recovers by
itself when `recover_days` lie wholly after the alarm, hold at least 5 answers, and their mean is at least `usual_low`.
"""

from streams.detectors.share.parameters import Event, Fell, Reading, Recovered, ShareParams
from streams.detectors.share.stream import (
    ShareStream,
    advance,
    begin_earlier,
    mean,
    next_due_ms,
    reading,
    relearn,
    reset,
    start,
    submit,
)

__all__ = [
    "Event",
    "Fell",
    "Reading",
    "Recovered",
    "ShareParams",
    "ShareStream",
    "advance",
    "begin_earlier",
    "mean",
    "next_due_ms",
    "reading",
    "relearn",
    "reset",
    "start",
    "submit",
]
