"""The state of one renewal detector and what changes it.

The gap law of the open gap is fixed when the gap begins, so everything about a silence is known in advance: `wait_ms`
is the gap at which to look next. Most gaps end before one and a half times the mean, where no alarm can be yet, so the
exact instant is only solved for once a gap has lasted that long.
"""

from bisect import insort
from typing import Final

from msgspec import Struct

from streams.calendar import WEEK_MS
from streams.clock import DAY_MS, MINUTE_MS
from streams.detectors.renewal.gaps import GapPool, pool_gap, pooled_gap, pooled_shape
from streams.detectors.renewal.parameters import Event, Reading, RenewalParams, Returned, Silent, Worse, six_digits
from streams.detectors.renewal.risk import CALM, Risk, after_event, mean_weeks, silent
from streams.detectors.renewal.tail import hazard
from streams.detectors.renewal.time import ActiveTime

#: Up to this many mean gaps the integrated hazard is at most `_EARLY_HAZARD`, for every law within the bounds.
EARLY_GAPS: Final = 1.5
EARLY_HAZARD: Final = 2.7
_LONGEST_MS: Final = 3_660 * DAY_MS
_QUEUE_LIMIT: Final = 16


class RenewalStream(Struct, array_like=True, gc=False):
    """State of one detector. Read `alarm_ms`, `worsened`, `last_ms`; leave the rest to the functions of this module."""

    #: the newest event that counts, ms UTC
    last_ms: int
    #: shape of the gap law and the usual gap (weeks) of the program, as of the beginning of the open gap
    shape: float
    usual_weeks: float
    #: R at `last_ms`, and as long as there was no test all 0
    risk: Risk = CALM
    #: events so far
    events: int = 1
    #: gaps and their sum in active weeks, faded
    gaps: float = 0.0
    weeks: float = 0.0
    #: the newest gap, weeks; 0 when there is none
    newest: float = 0.0
    #: events that the detector has not reached yet, sorted
    queue: list[int] = []
    #: active time since `last_ms` after which to look, -1 = never; whether that is the exact instant of something
    wait_ms: int = -1
    exact: bool = False
    #: instant of the alarm that is on, 0 when none is
    alarm_ms: int = 0
    #: active time since `last_ms` at the alarm
    alarm_gap_ms: int = 0
    worsened: bool = False


def start(at_ms: int, pool: GapPool, params: RenewalParams) -> RenewalStream:
    """Begin at the first event."""
    return RenewalStream(at_ms, pooled_shape(pool, params), pooled_gap(pool, params))


def mean_gap(stream: RenewalStream, params: RenewalParams) -> float:
    """Give the mean gap expected next, active weeks."""
    weight, scale = _law(stream, params)
    return stream.shape * scale / (weight - 1.0)


def observe(
    stream: RenewalStream, at_ms: int, now_ms: int, time: ActiveTime, pool: GapPool, params: RenewalParams
) -> list[Event]:
    """Take in an event that took place at `at_ms` and was heard of at `now_ms`; returns what happened up to now.

    An event older than the newest that counts only teaches that there was one more.
    """
    events = advance(stream, now_ms, time, pool, params)
    if at_ms <= stream.last_ms:
        if stream.gaps and stream.last_ms - at_ms >= params.merge_ms:
            # It cuts a gap in two: one more of them, no more time.
            stream.gaps += 1.0
        return events
    insort(stream.queue, at_ms)
    if stream.alarm_ms:
        # Whatever ends an alarm ends it at once.
        _take(stream, stream.queue.pop(0), now_ms, time, pool, params, events)
    while len(stream.queue) > _QUEUE_LIMIT:
        _take(stream, stream.queue.pop(0), now_ms, time, pool, params, events)
    events += advance(stream, now_ms, time, pool, params)
    return events


def advance(stream: RenewalStream, now_ms: int, time: ActiveTime, pool: GapPool, params: RenewalParams) -> list[Event]:
    """Let time pass up to now minus the lateness; returns what happened, in order. Extra calls change nothing."""
    events: list[Event] = []
    horizon = now_ms - params.lateness_ms
    while stream.queue and stream.queue[0] <= horizon:
        at_ms = stream.queue.pop(0)
        _pass(stream, at_ms, True, time, params, events)
        _take(stream, at_ms, at_ms + params.lateness_ms, time, pool, params, events)
    _pass(stream, horizon, bool(stream.queue), time, params, events)
    return events


def next_due_ms(stream: RenewalStream, time: ActiveTime, params: RenewalParams) -> int | None:
    """Say when, on the engine's clock, `advance` is wanted next: THE timer, to be asked again after every change.

    It is never later than the next event, and it may be earlier. None: nothing will happen without a new fact.
    """
    if stream.queue:
        return stream.queue[0] + params.lateness_ms
    if stream.wait_ms < 0:
        return None
    at_ms = time.after(stream.last_ms, stream.wait_ms)
    return None if at_ms is None else at_ms + params.lateness_ms


def reading(stream: RenewalStream, at_ms: int, time: ActiveTime, params: RenewalParams) -> Reading:
    """Compare the open gap at an instant with the usual one."""
    return _reading(stream, time.between(stream.last_ms, at_ms), params)


def relearn(stream: RenewalStream, now_ms: int, time: ActiveTime, pool: GapPool, params: RenewalParams) -> list[Event]:
    """Obey "dismissed" or "false alarm": the open gap is what is normal here, so the pair's mean starts from it."""
    events = advance(stream, now_ms, time, pool, params)
    gap = max(0, time.between(stream.last_ms, now_ms - params.lateness_ms)) / WEEK_MS
    stream.gaps, stream.weeks = 2.0, 2.0 * max(gap, mean_gap(stream, params))
    stream.risk, stream.alarm_ms, stream.alarm_gap_ms, stream.worsened = CALM, 0, 0, False
    _plan(stream, params)
    # What the new law calls an alarm within the gap that was just called normal is none.
    if stream.exact and 0 <= stream.wait_ms <= gap * WEEK_MS:
        stream.wait_ms = -1
    return events


def is_armed(stream: RenewalStream, params: RenewalParams) -> bool:
    """Tell whether enough has been seen to test."""
    return stream.events >= params.min_events


def _law(stream: RenewalStream, params: RenewalParams) -> tuple[float, float]:
    """Give shape and rate of the law of the pair's rate of meeting, the prior's mean being the program's."""
    scale = stream.usual_weeks * (params.prior_weight - 1.0) / stream.shape
    return params.prior_weight + stream.shape * stream.gaps, scale + stream.weeks


def _risk_after(stream: RenewalStream, gap_ms: int, params: RenewalParams) -> Risk:
    weight, scale = _law(stream, params)
    usual = stream.shape * scale / (weight - 1.0)
    return silent(stream.risk, hazard(gap_ms / WEEK_MS, stream.shape, weight, scale), usual)


def _pass(
    stream: RenewalStream, to_ms: int, returned: bool, time: ActiveTime, params: RenewalParams, events: list[Event]
) -> None:
    """Do everything that happens by itself up to `to_ms`.

    Args:
        returned: an event after the last one is known; nobody is accused of a silence that is over.
    """
    while 0 <= stream.wait_ms <= time.between(stream.last_ms, to_ms):
        if not stream.exact:
            _solve(stream, params)
        elif returned:
            stream.risk, stream.wait_ms = CALM, -1
        else:
            at_ms = time.after(stream.last_ms, stream.wait_ms)
            assert at_ms is not None
            due_ms = at_ms + params.lateness_ms
            what = _reading(stream, stream.wait_ms, params)
            if stream.alarm_ms:
                stream.worsened = True
                events.append(Worse(at_ms, due_ms, what))
            else:
                stream.alarm_ms, stream.alarm_gap_ms = at_ms, stream.wait_ms
                events.append(Silent(at_ms, due_ms, what))
            _plan(stream, params)


def _take(
    stream: RenewalStream,
    at_ms: int,
    decided_ms: int,
    time: ActiveTime,
    pool: GapPool,
    params: RenewalParams,
    events: list[Event],
) -> None:
    """Take in an event up to which everything else has been done."""
    gap_ms = time.between(stream.last_ms, at_ms)
    if at_ms - stream.last_ms < params.merge_ms and not stream.alarm_ms:
        return
    weeks = gap_ms / WEEK_MS
    if stream.alarm_ms:
        events.append(Returned(at_ms, decided_ms, six_digits(gap_ms / DAY_MS)))
        # Beyond the alarm it was no gap of this rhythm any more.
        weeks = min(weeks, stream.alarm_gap_ms / WEEK_MS)
        stream.risk, stream.alarm_ms, stream.alarm_gap_ms, stream.worsened = CALM, 0, 0, False
    else:
        if is_armed(stream, params):
            stream.risk = after_event(_risk_after(stream, gap_ms, params))
        if weeks > 0.0:
            pool_gap(pool, weeks, stream.newest)
    if weeks > 0.0:
        stream.gaps = stream.gaps * params.fading + 1.0
        stream.weeks = stream.weeks * params.fading + weeks
        stream.newest = weeks
    stream.last_ms = at_ms
    stream.events += 1
    stream.shape, stream.usual_weeks = pooled_shape(pool, params), pooled_gap(pool, params)
    _plan(stream, params)


def _plan(stream: RenewalStream, params: RenewalParams) -> None:
    """Say when to look next: exactly once an alarm is on, else no later than necessary."""
    stream.wait_ms, stream.exact = -1, False
    if not is_armed(stream, params) or stream.worsened:
        return
    usual = mean_gap(stream, params)
    early = mean_weeks(silent(stream.risk, EARLY_HAZARD, usual))
    if not stream.alarm_ms and early < params.threshold:
        stream.wait_ms = max(MINUTE_MS, int(EARLY_GAPS * usual * WEEK_MS))
    else:
        _solve(stream, params)


def _solve(stream: RenewalStream, params: RenewalParams) -> None:
    """Find the first whole minute of the open gap at which R reaches the threshold, by bisection."""
    threshold = params.threshold * (params.worse_at if stream.alarm_ms else 1.0)
    low = max(0, stream.alarm_gap_ms) // MINUTE_MS
    last = _LONGEST_MS // MINUTE_MS
    high = max(low + 1, int(EARLY_GAPS * mean_gap(stream, params) * WEEK_MS) // MINUTE_MS)
    stream.exact = True
    while mean_weeks(_risk_after(stream, high * MINUTE_MS, params)) < threshold:
        if high >= last:
            stream.wait_ms = -1
            return
        low, high = high, min(last, 2 * high)
    while high - low > 1:
        middle = (low + high) // 2
        if mean_weeks(_risk_after(stream, middle * MINUTE_MS, params)) >= threshold:
            high = middle
        else:
            low = middle
    stream.wait_ms = high * MINUTE_MS


def _reading(stream: RenewalStream, gap_ms: int, params: RenewalParams) -> Reading:
    return Reading(
        six_digits(gap_ms / DAY_MS),
        six_digits(7.0 * mean_gap(stream, params)),
        stream.events,
        six_digits(stream.shape),
        six_digits(mean_weeks(_risk_after(stream, gap_ms, params))),
        six_digits(params.threshold),
    )
