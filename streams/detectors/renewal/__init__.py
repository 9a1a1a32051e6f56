"""The renewal detector: has something that comes in a rhythm stopped coming? A pair's meetings, or a source's facts.

The rate detector's clock is replaced by the integrated hazard of the gap since the last event, -ln S(gap). S is the
predictive law of the next gap: Gamma with a shape pooled over the program, its mean uncertain as far as the few gaps
seen leave it so. Where meetings are regular a long gap says more than a Poisson clock would hear in it.

Nothing is kept between two events but the last event, R there and the gap at which to look next, so extra calls of
`advance` change nothing, to the last bit. Gaps are *active* time: the caller says by an `ActiveTime` which stretches
count (`RunningTime(stops)` for a pair: pauses, breaks and the time before the start do not).

A pair (`meeting.rhythm_lost`); keep `stream` on the pair's record (a hundred bytes) and `pool` on the
program's, which therefore changes with every event: touch that record, too::

    params = RenewalParams(far_per_year=0.1, min_events=3)        # equal rule parameters can share one
    pool = GapPool()                                              # of the program; `observe` changes it
    time = RunningTime(view.stops(pair))
    stream = start(held_ms, pool, params)                         # at the first held meeting, or after a reopening
    events = observe(stream, held_ms, now_ms, time, pool, params) # every further one; any order
    events = advance(stream, now_ms, time, pool, params)          # at its timer, or any time
    due = next_due_ms(stream, time, params)                       # after every call: THE timer, on the engine's clock
    stream.alarm_ms, stream.worsened                              # 0 = no alarm; worsened: R passed 4 × the threshold
    reading(stream, now_ms, time, params)                         # for the words: gap so far, usual gap, weeks
    relearn(stream, now_ms, time, pool, params)                   # "dismissed", "false alarm": the open gap was normal

Events: `Silent(at_ms, due_ms, reading)`, `Worse(…)` and `Returned(at_ms, due_ms, gap_days)`. A `Returned.at_ms` older
than the alarm means that the alarm should never have been (a late fact).

A source (`data.source_silent`), see `streams.detectors.renewal.source`; use arrival times, so that a backlog that is
delivered is no silence::

    source = start_source(first_ms)
    events = hear(source, arrived_ms, program_key, params)        # every fact; ~1 µs within the same hour
    events = check(source, now_ms, params)                        # at its timer
    due = source_due_ms(source, params)
    source.rhythm.alarm_ms, source.rhythm.last_ms, source_reading(source, now_ms, params)

with `params = source_params(far_per_year=0.1)`, and `program_key` any whole number that stands for a program.
"""

from streams.detectors.renewal.gaps import GapPool
from streams.detectors.renewal.parameters import Event, Reading, RenewalParams, Returned, Silent, Worse
from streams.detectors.renewal.source import (
    SourceStream,
    check,
    hear,
    is_same_event,
    source_due_ms,
    source_params,
    source_reading,
    start_source,
)
from streams.detectors.renewal.stream import (
    RenewalStream,
    advance,
    next_due_ms,
    observe,
    reading,
    relearn,
    start,
)
from streams.detectors.renewal.time import ActiveTime, RunningTime

__all__ = [
    "ActiveTime",
    "Event",
    "GapPool",
    "Reading",
    "RenewalParams",
    "RenewalStream",
    "Returned",
    "RunningTime",
    "Silent",
    "SourceStream",
    "Worse",
    "advance",
    "check",
    "hear",
    "is_same_event",
    "next_due_ms",
    "observe",
    "reading",
    "relearn",
    "source_due_ms",
    "source_params",
    "source_reading",
    "start",
    "start_source",
]
