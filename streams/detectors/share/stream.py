"""The state of one share detector and what changes it."""

from bisect import bisect_left
from typing import Final

from msgspec import Struct

from streams.calendar import WEEK_MS, Calendar
from streams.detectors.share import risk as bets
from streams.detectors.share import usual as learned
from streams.detectors.share.parameters import Event, Fell, Reading, Recovered, ShareParams, six_digits
from streams.detectors.share.risk import CALM, Risk
from streams.detectors.share.usual import Usual
from streams.windows import DayCounts

#: Clock weeks before the first test, and through which answers are committed at once.
ARM_MS: Final = 4 * WEEK_MS
DIRECT_MS: Final = 8 * WEEK_MS
#: Values are kept in hundredths.
PERCENT: Final = 100
_KEEP_DAYS: Final = 57
_WINDOW_DAYS: Final = 28
_RELEARN_DAYS: Final = 56
_RECOVERY_ANSWERS: Final = 5


class ShareStream(Struct, array_like=True, gc=False):
    """State of one detector. Read `alarm_ms`, and leave the rest to the functions of this module."""

    #: profile time (ms) is counted from here; everything before the end of day `judged_day` is judged
    start_ms: int
    judged_day: int
    usual: Usual
    #: answers, and their sum in hundredths, by local day
    answers: DayCounts
    totals: DayCounts
    risk: Risk = CALM
    #: profile time at the newest judged day with answers
    clock: int = 0
    #: days not judged yet: (day, value in hundredths, how many), sorted
    waiting: list[tuple[int, int, int]] = []
    #: instant of the alarm that is on, 0 when none is; while one is on, risk and what is usual are frozen
    alarm_ms: int = 0


def start(at_ms: int, calendar: Calendar, params: ShareParams) -> ShareStream:
    """Begin at the start of a run, or with the first answer."""
    usual = learned.start(params.prior_mean, params.prior_answers)
    return ShareStream(at_ms, calendar.day_of(at_ms) - 1, usual, DayCounts(), DayCounts())


def begin_earlier(stream: ShareStream, at_ms: int, calendar: Calendar) -> None:
    """An answer is older than the one that the stream began with: as long as nothing was judged, it begins there."""
    if at_ms < stream.start_ms and stream.answers.newest() is None:
        stream.start_ms = at_ms
        stream.judged_day = min(stream.judged_day, calendar.day_of(at_ms) - 1)


def submit(
    stream: ShareStream, value: float, at_ms: int, now_ms: int, calendar: Calendar, params: ShareParams
) -> list[Event]:
    """Take in one answer (one a person, pair and day; the caller has removed repeats) that arrived at `now_ms`.

    One that is older than the start counts for nothing; one whose day is judged already only teaches.

    Args:
        value: 0 to 1, taken to the hundredth.

    Returns: what happened up to now minus lateness.
    """
    assert 0.0 <= value <= 1.0
    events = advance(stream, now_ms, calendar, params)
    day = calendar.day_of(at_ms)
    percent = round(value * PERCENT)
    if day > stream.judged_day:
        _count(stream.waiting, day, percent)
    elif at_ms >= stream.start_ms:
        _remember(stream, day, percent, 1)
        if not stream.alarm_ms:
            learned.wait(stream.usual, percent / PERCENT, 1)
    return events


def advance(stream: ShareStream, now_ms: int, calendar: Calendar, params: ShareParams) -> list[Event]:
    """Let time pass up to now minus the lateness; returns what happened, in order. Extra calls change nothing."""
    events: list[Event] = []
    horizon = now_ms - params.lateness_ms
    while True:
        instant = _next_instant(stream, calendar, params)
        if instant is None or instant > horizon:
            return events
        day = calendar.day_of(instant - 1)
        is_looked_for = bool(stream.alarm_ms) and instant == _recovery_ms(stream, calendar, params)
        if stream.waiting and stream.waiting[0][0] <= day:
            _judge(stream, instant, day, calendar, params, events)
        stream.judged_day = max(stream.judged_day, day)
        if is_looked_for:
            _look_for_recovery(stream, instant, calendar, params, events)


def next_due_ms(stream: ShareStream, calendar: Calendar, params: ShareParams) -> int | None:
    """Say when, on the engine's clock, `advance` is wanted next: THE timer. None: not without a new fact."""
    instant = _next_instant(stream, calendar, params)
    return None if instant is None else instant + params.lateness_ms


def mean(stream: ShareStream) -> float:
    """Give the learned mean of an answer."""
    return learned.mean(stream.usual)


def reading(stream: ShareStream, at_ms: int, calendar: Calendar, days: int = _WINDOW_DAYS) -> Reading:
    """Compare the answers of the last local days up to an instant with what is usual. Days not judged are left out."""
    end = calendar.day_of(at_ms - 1) + 1
    answers = stream.answers.total(end - days, end)
    total = stream.totals.total(end - days, end)
    return Reading(
        days,
        answers,
        six_digits(total / (answers * PERCENT)) if answers else None,
        six_digits(learned.mean(stream.usual)),
        six_digits(stream.usual.low),
        six_digits(learned.dispersion(stream.usual)),
    )


def reset(stream: ShareStream) -> None:
    """Start over where the stream stands: no alarm, nothing suspected, nothing waiting; what is usual stays."""
    stream.alarm_ms, stream.risk = 0, CALM
    learned.forget_waiting(stream.usual, stream.clock)


def relearn(stream: ShareStream, now_ms: int, calendar: Calendar, params: ShareParams) -> list[Event]:
    """Obey "dismissed" or "false alarm": learn anew from the last 8 weeks, and start over without an alarm."""
    events = advance(stream, now_ms, calendar, params)
    end = stream.judged_day + 1
    answers = stream.answers.total(end - _RELEARN_DAYS, end)
    total = stream.totals.total(end - _RELEARN_DAYS, end) / PERCENT
    learned.relearn(stream.usual, total, answers, stream.clock)
    reset(stream)
    return events


def _next_instant(stream: ShareStream, calendar: Calendar, params: ShareParams) -> int | None:
    """Find the next local day end at which something is judged."""
    instants = []
    if stream.waiting:
        instants.append(calendar.day_start(stream.waiting[0][0] + 1))
    if stream.alarm_ms:
        instants.append(_recovery_ms(stream, calendar, params))
    return min(instants, default=None)


def _recovery_ms(stream: ShareStream, calendar: Calendar, params: ShareParams) -> int:
    """Find the next local midnight at which recovery is looked for: the days looked at lie wholly after the alarm."""
    first = calendar.day_of(stream.alarm_ms - 1) + 1
    return calendar.day_start(max(first + params.recover_days, stream.judged_day + 2))


def _judge(
    stream: ShareStream, instant: int, day: int, calendar: Calendar, params: ShareParams, events: list[Event]
) -> None:
    """Judge the answers of a day at its end."""
    usual = stream.usual
    found: list[tuple[float, int]] = []
    answers = total = 0
    while stream.waiting and stream.waiting[0][0] <= day:
        its_day, percent, count = stream.waiting.pop(0)
        _remember(stream, its_day, percent, count)
        found.append((percent / PERCENT, count))
        answers += count
        total += percent * count
    clock = calendar.profile_ms(instant) - calendar.profile_ms(stream.start_ms)
    since, stream.clock = stream.clock, clock
    if stream.alarm_ms:
        return
    if clock >= ARM_MS:
        weeks = max(0, clock - max(since, ARM_MS)) / WEEK_MS
        spread = learned.dispersion(usual)
        stream.risk = bets.after_answers(stream.risk, weeks, usual.low, found, spread)
        suspected = bets.mean_weeks(stream.risk)
        if suspected >= params.threshold:
            what = reading(stream, instant, calendar)
            stream.alarm_ms = instant
            events.append(
                Fell(instant, instant + params.lateness_ms, six_digits(suspected), six_digits(params.threshold), what)
            )
            return
    share = total / PERCENT
    learned.look_at_day(usual, share, answers)
    learned.wait(usual, share, answers)
    if clock < DIRECT_MS:
        learned.commit(usual, 0.0, clock)
    elif learned.allow(usual, share, answers):
        learned.commit(usual, (clock - usual.clock_mark) / WEEK_MS, clock)


def _look_for_recovery(
    stream: ShareStream, instant: int, calendar: Calendar, params: ShareParams, events: list[Event]
) -> None:
    what = reading(stream, instant, calendar, params.recover_days)
    if what.answers >= _RECOVERY_ANSWERS and what.mean is not None and what.mean >= what.usual_low:
        events.append(Recovered(instant, instant + params.lateness_ms, what))
        reset(stream)


def _count(waiting: list[tuple[int, int, int]], day: int, percent: int) -> None:
    index = bisect_left(waiting, (day, percent, 0))
    if index < len(waiting) and waiting[index][:2] == (day, percent):
        waiting[index] = (day, percent, waiting[index][2] + 1)
    else:
        waiting.insert(index, (day, percent, 1))


def _remember(stream: ShareStream, day: int, percent: int, count: int) -> None:
    stream.answers.add(day, count, _KEEP_DAYS)
    if percent:
        stream.totals.add(day, percent * count, _KEEP_DAYS)
