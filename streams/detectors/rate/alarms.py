"""From the alarm to recovery, and the judgement of surveys: what a stream does at instants of its own."""

from streams.calendar import WEEK_MS, Calendar, due_ms
from streams.detectors.rate import baseline as baselines
from streams.detectors.rate import exposure as lines
from streams.detectors.rate import mixture
from streams.detectors.rate import surveys as survey_counts
from streams.detectors.rate.exposure import KEEP_DAYS
from streams.detectors.rate.learning import learn, settle_weeks
from streams.detectors.rate.parameters import Alarm, Event, HighAfter, RateParams, Recovered, six_digits
from streams.detectors.rate.state import ARM_MS, DIRECT_MS, RateStream, paced, reading, reset

_BATCH_WEEKS = 13.0
#: Recovery: at least so many expected, and this share of them seen.
_RECOVERY_EXPECTED = 5.0
_RECOVERY_SHARE = 0.8


def raise_alarm(stream: RateStream, calendar: Calendar, params: RateParams, events: list[Event]) -> None:
    """Raise the alarm where the stream stands. A pair that has answered meanwhile is not accused."""
    at_ms = stream.line.at_ms
    if params.recover_on_submission and any(submissions for _, submissions, _ in stream.queue):
        reset(stream, calendar)
        return
    weeks = six_digits(mixture.mean_weeks(stream.risk))
    what = reading(stream, at_ms, calendar, params)
    events.append(Alarm(at_ms, at_ms + params.lateness_ms, weeks, six_digits(params.threshold), what))
    stream.alarm_ms, stream.worsened = at_ms, False


def own_instant(stream: RateStream, calendar: Calendar, params: RateParams) -> tuple[int, bool] | None:
    """Find when a stream with an alarm or with surveys does something next, and whether that is judging."""
    instants: list[tuple[int, bool]] = []
    if stream.alarm_ms:
        if params.high_after_ms is not None and not stream.worsened:
            worse_ms = due_ms(stream.alarm_ms, params.high_after_ms, calendar.breaks)
            if worse_ms is not None:
                instants.append((max(worse_ms, stream.line.at_ms), False))
        if not params.recover_on_submission:
            instants.append((_recovery_ms(stream, calendar, params), False))
    if stream.surveys is not None:
        judged = survey_counts.next_judged_ms(stream.surveys, params.answer_days, calendar)
        if judged is not None:
            instants.append((max(judged, stream.line.at_ms), True))
    # At one instant surveys are judged first.
    return min(instants, key=lambda own: (own[0], not own[1]), default=None)


def _recovery_ms(stream: RateStream, calendar: Calendar, params: RateParams) -> int:
    """Find the next local midnight at which recovery is looked for: the days looked at lie wholly after the alarm."""
    alarm_day = calendar.day_of(stream.alarm_ms - 1) + 1
    return calendar.day_start(max(alarm_day + params.recover_days, calendar.day_of(stream.line.at_ms) + 1))


def watch(stream: RateStream, at_ms: int, calendar: Calendar, params: RateParams, events: list[Event]) -> None:
    """While an alarm is on: say that it got worse, or that it is over."""
    if not params.recover_on_submission and at_ms == _recovery_ms(stream, calendar, params):
        lines.move(stream.line, at_ms, paced(stream, calendar, params))
        what = reading(stream, at_ms, calendar, params, params.recover_days)
        if what.expected >= _RECOVERY_EXPECTED and what.seen >= _RECOVERY_SHARE * what.expected:
            events.append(Recovered(at_ms, at_ms + params.lateness_ms, what))
            reset(stream, calendar)
            return
    if not stream.worsened and params.high_after_ms is not None:
        worse_ms = due_ms(stream.alarm_ms, params.high_after_ms, calendar.breaks)
        if worse_ms is not None and worse_ms <= at_ms:
            events.append(HighAfter(at_ms, at_ms + params.lateness_ms, reading(stream, at_ms, calendar, params)))
            stream.worsened = True


def judge(stream: RateStream, at_ms: int, calendar: Calendar, params: RateParams, events: list[Event]) -> None:
    """Judge the surveys that come of age at a local day end."""
    surveys, baseline = stream.surveys, stream.baseline
    assert surveys is not None
    lines.move(stream.line, at_ms, calendar)
    judged, answered = survey_counts.take_batch(surveys, at_ms, params.answer_days, calendar)
    day = calendar.day_of(at_ms - 1)
    clock = stream.line.clock
    quiet = not stream.alarm_ms
    if quiet:
        settle_weeks(stream, day, calendar, params)
    surveys.judged.add(day, judged, KEEP_DAYS)
    stream.counts.add(day, answered, KEEP_DAYS)
    if quiet:
        if surveys.batches and clock >= ARM_MS:
            weeks = min(_BATCH_WEEKS, (clock - surveys.batch_clock) / WEEK_MS)
            share = min(baselines.HIGHEST_SHARE, baseline.rate)
            spread = baselines.dispersion(baseline, careful=False)
            stream.risk = mixture.after_batch(stream.risk, weeks, share, answered, judged - answered, spread)
            muted = calendar.ends_ms is not None and at_ms >= calendar.ends_ms - params.mute_ms
            if mixture.mean_weeks(stream.risk) >= params.threshold and not muted:
                raise_alarm(stream, calendar, params, events)
        surveys.batches = min(2, surveys.batches + 1)
        surveys.batch_clock = clock
        if not stream.alarm_ms:
            surveys.waiting += judged
            baseline.waiting_events += answered
            if clock >= DIRECT_MS:
                baseline.guard += baselines.GUARD_EXPECTED * baseline.rate * judged
            learn(stream, answered, calendar, params)
