"""How a stream passes time, and takes in what happened at an instant.

Order of work at an instant: move there, test, then take in the fact. A crossing inside a silence would else be lost.
"""

from streams.calendar import WEEK_MS, Calendar
from streams.clock import MINUTE_MS
from streams.detectors.rate import baseline as baselines
from streams.detectors.rate import exposure as lines
from streams.detectors.rate import mixture
from streams.detectors.rate.alarms import judge, own_instant, raise_alarm, watch
from streams.detectors.rate.exposure import KEEP_DAYS, ExposureLine
from streams.detectors.rate.learning import commit, forget_burst, learn, settle_weeks
from streams.detectors.rate.parameters import Event, RateParams, Recovered
from streams.detectors.rate.state import ARM_MS, ARM_WEEKS, DIRECT_MS, RateStream, paced, reading, reset


def advance(stream: RateStream, now_ms: int, calendar: Calendar, params: RateParams) -> list[Event]:
    """Let time pass up to now minus the lateness; returns what happened, in order. Extra calls change nothing."""
    events: list[Event] = []
    horizon = now_ms - params.lateness_ms
    take_queue(stream, horizon, calendar, params, events)
    pass_time(stream, horizon, False, calendar, params, events)
    return events


def take_queue(stream: RateStream, to_ms: int, calendar: Calendar, params: RateParams, events: list[Event]) -> None:
    while stream.queue and stream.queue[0][0] <= to_ms:
        instant, submissions, change = stream.queue[0]
        pass_time(stream, instant, True, calendar, params, events)
        del stream.queue[0]
        take(stream, instant, submissions, change, calendar, params, events, instant + params.lateness_ms)


def pass_time(
    stream: RateStream, to_ms: int, at_fact: bool, calendar: Calendar, params: RateParams, events: list[Event]
) -> None:
    """Do everything that happens by itself up to `to_ms`; the stream only moves if something does."""
    while True:
        if stream.alarm_ms or stream.surveys is not None:
            own = own_instant(stream, calendar, params)
            if own is None or own[0] > to_ms:
                return
            instant, judging = own
            if judging:
                judge(stream, instant, calendar, params, events)
            else:
                watch(stream, instant, calendar, params, events)
        elif not _pass_quietly(stream, to_ms, at_fact, calendar, params, events):
            return


def _pass_quietly(
    stream: RateStream, to_ms: int, at_fact: bool, calendar: Calendar, params: RateParams, events: list[Event]
) -> bool:
    """Go on to the next alarm or, while young, to the next week end, which commits exposure; False: none by then."""
    line = stream.line
    if not line.pairs or to_ms <= line.at_ms:
        return False
    calendar = paced(stream, calendar, params)
    end_ms, young = to_ms, False
    wait = next_commit(line)
    if wait is not None:
        here = calendar.profile_ms(line.at_ms)
        if calendar.profile_ms(to_ms) - here >= wait:
            end_ms, young = calendar.instant_at(here + wait), True
    if line.clock >= ARM_MS:
        reached = crossing(stream, end_ms, at_fact and not young, calendar, params)
        if reached is not None:
            roll(stream, reached, calendar)
            raise_alarm(stream, calendar, params, events)
            return True
    if young:
        arming = line.clock < ARM_MS
        roll(stream, end_ms, calendar)
        if arming:
            forget_burst(stream, calendar, params)
        else:
            commit(stream, calendar, params, 0.0)
    return young


def next_commit(line: ExposureLine) -> int | None:
    """Say how much profile time passes until exposure is committed by the clock alone; None once a stream is grown up.

    At arming, and then each clock week: a young stream that hears nothing must learn that nothing is normal for it.
    """
    if line.clock >= DIRECT_MS:
        return None
    return (max(line.clock // WEEK_MS, ARM_WEEKS - 1) + 1) * WEEK_MS - line.clock


def roll(stream: RateStream, to_ms: int, calendar: Calendar) -> None:
    """Move to an instant through a stretch without events, by a calendar from `paced`."""
    line, baseline = stream.line, stream.baseline
    clock = line.clock
    weeks = lines.move(line, to_ms, calendar) / WEEK_MS
    if line.pairs and clock >= ARM_MS:
        expected = baseline.rate * line.pairs * weeks
        stream.risk = mixture.silent(stream.risk, weeks, expected / baselines.dispersion(baseline))
        if clock >= DIRECT_MS:
            baseline.guard += baselines.GUARD_EXPECTED * expected


def take(
    stream: RateStream,
    at_ms: int,
    submissions: int,
    change: int,
    calendar: Calendar,
    params: RateParams,
    events: list[Event],
    decided_ms: int,
) -> None:
    """Take in what happened at an instant up to which everything else has been done."""
    frozen = bool(stream.alarm_ms)
    calendar = paced(stream, calendar, params)
    if frozen or stream.surveys is not None:
        lines.move(stream.line, at_ms, calendar)
    else:
        roll(stream, at_ms, calendar)
    if submissions and stream.surveys is None:
        day = calendar.day_of(at_ms)
        if not frozen:
            settle_weeks(stream, day, calendar, params)
            stream.risk = mixture.after_events(stream.risk, submissions, baselines.dispersion(stream.baseline))
            stream.baseline.waiting_events += submissions
            learn(stream, submissions, calendar, params)
        stream.counts.add(day, submissions, KEEP_DAYS)
        if frozen and params.recover_on_submission:
            events.append(Recovered(at_ms, decided_ms, reading(stream, at_ms, calendar, params)))
            reset(stream, calendar)
    if change:
        lines.change(stream.line, max(0, stream.line.pairs + change), calendar)


def crossing(stream: RateStream, to_ms: int, at_fact: bool, calendar: Calendar, params: RateParams) -> int | None:
    """Find the first instant after the stream's own and up to `to_ms` at which a test raises the alarm.

    Tests are made at whole minutes and at facts; where much is expected at local midnights, because hours of the day
    that the profile does not know would else raise false alarms.

    Args:
        calendar: from `paced`.
    """
    line, threshold = stream.line, params.threshold
    end_ms = to_ms if calendar.ends_ms is None else min(to_ms, calendar.ends_ms - params.mute_ms - 1)
    if end_ms <= line.at_ms:
        return None
    weeks = (calendar.profile_ms(end_ms) - calendar.profile_ms(line.at_ms)) / WEEK_MS
    if mixture.stays_below(stream.risk, weeks, stream.baseline.rate * line.pairs * weeks, threshold):
        return None
    if _mean_at(stream, end_ms, calendar) < threshold:
        return None
    daily = stream.baseline.rate * line.pairs > params.daily_above
    if daily:
        low, high = calendar.day_of(line.at_ms), calendar.day_of(end_ms)
    else:
        low, high = line.at_ms // MINUTE_MS, end_ms // MINUTE_MS
    if high == low or _mean_at(stream, _instant(high, daily, calendar), calendar) < threshold:
        return to_ms if at_fact and not daily and end_ms == to_ms else None
    while high - low > 1:
        middle = (low + high) // 2
        if _mean_at(stream, _instant(middle, daily, calendar), calendar) >= threshold:
            high = middle
        else:
            low = middle
    return _instant(high, daily, calendar)


def _instant(unit: int, daily: bool, calendar: Calendar) -> int:
    return calendar.day_start(unit) if daily else unit * MINUTE_MS


def _mean_at(stream: RateStream, instant_ms: int, calendar: Calendar) -> float:
    line, baseline = stream.line, stream.baseline
    weeks = (calendar.profile_ms(instant_ms) - calendar.profile_ms(line.at_ms)) / WEEK_MS
    expected = baseline.rate * line.pairs * weeks / baselines.dispersion(baseline)
    return mixture.mean_weeks(mixture.silent(stream.risk, weeks, expected))
