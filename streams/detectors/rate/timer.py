"""When a stream wants to be looked at next."""

from math import exp

from streams.calendar import WEEK_MS, Calendar
from streams.clock import DAY_MS
from streams.detectors.rate import baseline as baselines
from streams.detectors.rate import mixture
from streams.detectors.rate import weekdays as weeks_of
from streams.detectors.rate.alarms import own_instant
from streams.detectors.rate.parameters import Event, RateParams
from streams.detectors.rate.passing import crossing, next_commit, pass_time, roll, take_queue
from streams.detectors.rate.state import ARM_MS, DIRECT_MS, RateStream, fork, paced

#: A bound that lies so far ahead is good enough: most streams hear something before it.
_WORTH_WAITING_MS = DAY_MS
#: A bound nearer than this is replaced by the instant itself.
_WORTH_SOLVING_MS = 2 * DAY_MS
_LONGEST_WEEKS = 4_096


def next_due_ms(stream: RateStream, now_ms: int, calendar: Calendar, params: RateParams) -> int | None:
    """Say when, on the engine's clock, `advance` is wanted next: THE timer, to be asked again after every change.

    It is never later than the next event, and it may be earlier: far from the threshold a cheap lower bound is given,
    and a call of `advance` at that time finds nothing and asks again. None: nothing will happen without a new fact.
    """
    if stream.alarm_ms or stream.surveys is not None:
        own = own_instant(stream, calendar, params)
        return None if own is None else own[0] + params.lateness_ms
    horizon = now_ms - params.lateness_ms
    far = _silence_at_least(stream, now_ms, calendar, params)
    if far is None or (calendar.ends_ms is not None and far >= calendar.ends_ms - params.mute_ms):
        return None
    if far - horizon >= _WORTH_WAITING_MS:
        return far + params.lateness_ms
    if _surely_daily(stream, params):
        midnight = calendar.day_start(calendar.day_of(max(horizon, stream.line.at_ms)) + 1)
        muted = calendar.ends_ms is not None and midnight >= calendar.ends_ms - params.mute_ms
        return None if muted else max(far, midnight) + params.lateness_ms
    ahead = fork(stream)
    events: list[Event] = []
    take_queue(ahead, now_ms, calendar, params, events)
    pass_time(ahead, horizon, False, calendar, params, events)
    if events:
        return events[0].due_ms
    if ahead.queue:
        # Facts that are dated ahead of now; looking again before them is always early enough.
        return ahead.queue[0][0] + params.lateness_ms
    if horizon > ahead.line.at_ms:
        roll(ahead, horizon, paced(ahead, calendar, params))
    ends = _silence_ends(ahead, calendar, params)
    return None if ends is None else ends + params.lateness_ms


def _surely_daily(stream: RateStream, params: RateParams) -> bool:
    """Tell that all tests up to the end of the queue fall on midnights, so that it need not be gone through.

    A commit needs the guard at zero, and then what waited was at least 0.25 / 0.288 of the rate: hence the margin.
    """
    line = stream.line
    pairs = fewest = line.pairs
    for _, _, change in stream.queue:
        pairs += change
        fewest = min(fewest, pairs)
    return line.clock >= DIRECT_MS and stream.baseline.rate * fewest > 1.5 * params.daily_above


def _silence_at_least(stream: RateStream, now_ms: int, calendar: Calendar, params: RateParams) -> int | None:
    """Bound the next alarm from below without going through the queue; None when none can come without a new fact.

    The bound holds whatever the queue does: submissions only lower the risk, and the rate is taken as high, the
    dispersion as low, the pairs as many as they can become once all that waits is committed.
    """
    line, baseline = stream.line, stream.baseline
    pairs, submissions = line.pairs, baseline.waiting_events
    most = pairs
    for _, count, change in stream.queue:
        submissions += count
        pairs += change
        most = max(most, pairs)
    if not most:
        return None
    calendar = paced(stream, calendar, params)
    here = calendar.profile_ms(line.at_ms)
    latest_ms = max(now_ms, line.at_ms) + DAY_MS
    weeks = (line.clock - baseline.clock_mark + calendar.profile_ms(latest_ms) - here) / WEEK_MS
    exposure = params.shape / baseline.prior + baseline.exposure * exp(-weeks * baselines.FADING)
    highest = baselines.quantile_30(params.shape + baseline.events + submissions) / exposure
    latest_day = calendar.day_of(latest_ms)
    new_weeks = max(0, (latest_day - line.start_day) // 7 - stream.weeks_seen)
    highest /= baselines.lowest_dispersion(baseline, new_weeks)
    if mixture.mean_weeks(stream.risk) >= params.threshold:
        return line.at_ms
    silence = max(0, ARM_MS - line.clock)
    silence += int(mixture.silence_at_least(stream.risk, highest * most, params.threshold) * WEEK_MS)
    bound = calendar.instant_at(here + silence)
    if stream.weekdays is not None:
        young = next_commit(line)
        if young is not None:
            # The clock alone may change the weekday profile then.
            bound = min(bound, calendar.instant_at(here + young))
        queued = submissions - baseline.waiting_events
        if queued and weeks_of.may_change(stream.weekdays, stream.counts, queued, line.start_day, latest_day, params):
            # Whatever the profile becomes, a day cannot hold more than a whole week.
            bound = min(bound, line.at_ms + silence // 7)
    return bound


def _silence_ends(stream: RateStream, calendar: Calendar, params: RateParams) -> int | None:
    """Find when the alarm comes if nothing else does, or an instant before it that is worth waiting for."""
    line = stream.line
    if not line.pairs:
        return None
    calendar = paced(stream, calendar, params)
    rate = stream.baseline.rate * line.pairs / baselines.dispersion(stream.baseline)
    unarmed = max(0, ARM_MS - line.clock)
    wait = unarmed
    if mixture.mean_weeks(stream.risk) < params.threshold:
        wait += int(mixture.silence_at_least(stream.risk, rate, params.threshold) * WEEK_MS)
    here = calendar.profile_ms(line.at_ms)
    if unarmed or wait > _WORTH_SOLVING_MS:
        bound = calendar.instant_at(here + wait)
        young = next_commit(line)
        if young is not None and stream.weekdays is not None:
            bound = min(bound, calendar.instant_at(here + young))
        muted = calendar.ends_ms is not None and bound >= calendar.ends_ms - params.mute_ms
        return None if muted else bound
    weeks = 1
    while weeks <= _LONGEST_WEEKS:
        found = crossing(stream, calendar.instant_at(here + wait + weeks * WEEK_MS), False, calendar, params)
        if found is not None:
            # A commit on the way may lower the rate, and with it the rule of testing at midnights only.
            young = next_commit(line)
            return found if young is None else min(found, calendar.instant_at(here + young))
        weeks *= 4
    return None
