"""How facts enter a stream, in the order they arrive."""

from bisect import insort

from streams.calendar import WEEK_MS, Calendar
from streams.clock import HOUR_MS
from streams.detectors.rate import baseline as baselines
from streams.detectors.rate import exposure as lines
from streams.detectors.rate import surveys as survey_counts
from streams.detectors.rate.learning import learn_weekdays
from streams.detectors.rate.mixture import CALM
from streams.detectors.rate.parameters import Event, RateParams, Recovered
from streams.detectors.rate.passing import advance, roll, take, take_queue
from streams.detectors.rate.state import ARM_MS, RateStream, paced, reading, reset, start
from streams.detectors.rate.weekdays import Weekdays

#: Weeks that a dismissed alarm relearns from.
_RELEARN_DAYS = 56
_QUEUE_LIMIT = 32


def submit(stream: RateStream, at_ms: int, now_ms: int, calendar: Calendar, params: RateParams) -> list[Event]:
    """Take in one submission (one a person, pair and day; the caller has removed repeats) that arrived at `now_ms`.

    In a program that records surveys this counts for nothing; there `survey_answered` does.

    Returns: what happened up to now minus lateness, and, where a submission ends the alarm, that it ended.
    """
    events = advance(stream, now_ms, calendar, params)
    if stream.surveys is not None:
        return events
    line = stream.line
    horizon = now_ms - params.lateness_ms
    if stream.alarm_ms and params.recover_on_submission and at_ms >= line.at_ms:
        # However late it is, it ends the alarm; but what was decided before the horizon stays decided.
        instant = max(at_ms, horizon)
        take_queue(stream, instant, calendar, params, events)
        if stream.alarm_ms:
            take(stream, instant, 1, 0, calendar, params, events, now_ms)
        else:
            enqueue(stream, instant, 1, 0)
    elif at_ms >= max(line.at_ms, horizon):
        enqueue(stream, at_ms, 1, 0)
    elif not stream.alarm_ms and calendar.day_of(at_ms) >= line.start_day:
        stream.baseline.waiting_events += 1
    return events


def set_pairs(
    stream: RateStream, at_ms: int, pairs: int, now_ms: int, calendar: Calendar, params: RateParams
) -> list[Event]:
    """State that from `at_ms` on `pairs` pairs are active, as far as is known at `now_ms`.

    The difference to what was known last is applied at `at_ms`, or where the detector stands if that is later.
    """
    events = advance(stream, now_ms, calendar, params)
    difference = pairs - stream.line.pairs - sum(change for _, _, change in stream.queue)
    if difference:
        instant = max(at_ms, now_ms - params.lateness_ms, stream.line.at_ms)
        if instant == stream.line.at_ms and not stream.queue:
            lines.change(stream.line, pairs, paced(stream, calendar, params))
        else:
            enqueue(stream, instant, 0, difference)
    return events


def has_pairs(stream: RateStream, pairs: int) -> bool:
    """Whether so many active pairs have been stated and nothing about them waits: then `set_pairs` would do no more
    than `advance`."""
    return stream.line.pairs == pairs and not any(change for _, _, change in stream.queue)


def follow(
    stream: RateStream, week: tuple[int, ...] | None, now_ms: int, calendar: Calendar, params: RateParams
) -> list[Event]:
    """Tell a stream that does not learn it the weekday profile of its program; it holds from now minus lateness on.

    Only to be called with a fact of the stream's own: an alarm that is already foretold must stay where it was. A
    stream that does not test yet needs none.
    """
    events = advance(stream, now_ms, calendar, params)
    known = None if stream.weekdays is None else stream.weekdays.week
    if week is None or week == known or stream.alarm_ms or stream.surveys is not None or stream.line.clock < ARM_MS:
        return events
    horizon = now_ms - params.lateness_ms
    if horizon > stream.line.at_ms:
        roll(stream, horizon, paced(stream, calendar, params))
    stream.weekdays = Weekdays(week)
    return events


def begin_surveys(stream: RateStream, now_ms: int, calendar: Calendar, params: RateParams) -> list[Event]:
    """Go over to judging surveys, at the first one of a program; what bare submissions taught is dropped."""
    events = advance(stream, now_ms, calendar, params)
    at_ms = max(stream.line.at_ms, now_ms - params.lateness_ms)
    take_queue(stream, at_ms, calendar, params, events)
    if stream.alarm_ms:
        events.append(Recovered(at_ms, now_ms, reading(stream, at_ms, calendar, params)))
    pairs = stream.line.pairs
    queue = [(instant, 0, change) for instant, _, change in stream.queue if change]
    fresh = start(at_ms, pairs, calendar, params, params.prior_response_rate)
    stream.line, stream.baseline, stream.counts = fresh.line, fresh.baseline, fresh.counts
    stream.risk, stream.queue, stream.alarm_ms, stream.worsened = CALM, queue, 0, False
    stream.weeks_seen, stream.surveys, stream.weekdays = fresh.weeks_seen, survey_counts.start(), None
    return events


def survey_judged_ms(sent_ms: int, calendar: Calendar, params: RateParams) -> int:
    """Find the instant at which a survey is judged. Up to then a second one to the same person is no new survey."""
    return survey_counts.judged_ms(calendar.day_of(sent_ms), params.answer_days, calendar)


def survey_sent(stream: RateStream, sent_ms: int, now_ms: int, calendar: Calendar, params: RateParams) -> list[Event]:
    """Count a survey sent; the caller removes reminders and repeats of one not judged. The first begins surveys."""
    events = begin_surveys(stream, now_ms, calendar, params) if stream.surveys is None else []
    events += advance(stream, now_ms, calendar, params)
    surveys = stream.surveys
    assert surveys is not None
    day = calendar.day_of(sent_ms)
    if not is_judged(stream, day, now_ms, calendar, params):
        survey_counts.add_sent(surveys, day, 1)
    elif not stream.alarm_ms:
        surveys.waiting += 1
    return events


def survey_answered(
    stream: RateStream, sent_ms: int, at_ms: int, now_ms: int, calendar: Calendar, params: RateParams
) -> list[Event]:
    """Count the answer, at `at_ms`, to a survey sent at `sent_ms`; the caller lets each survey be answered once.

    An answer after the survey was judged counts for nothing. One that was in time but arrived after the judgement
    teaches the baseline only.
    """
    events = advance(stream, now_ms, calendar, params)
    surveys = stream.surveys
    if surveys is not None and at_ms < survey_judged_ms(sent_ms, calendar, params):
        day = calendar.day_of(sent_ms)
        if not is_judged(stream, day, now_ms, calendar, params):
            survey_counts.add_answered(surveys, day, 1)
        elif not stream.alarm_ms:
            stream.baseline.waiting_events += 1
    return events


def relearn(stream: RateStream, now_ms: int, calendar: Calendar, params: RateParams) -> list[Event]:
    """Obey "dismissed" or "false alarm": learn anew from the last 8 weeks, and start over without an alarm."""
    events = advance(stream, now_ms, calendar, params)
    line, calendar = stream.line, paced(stream, calendar, params)
    if now_ms - params.lateness_ms > line.at_ms:
        lines.move(line, now_ms - params.lateness_ms, calendar)
    end = calendar.day_of(line.at_ms - 1) + 1
    seen = stream.counts.total(end - _RELEARN_DAYS, end)
    if stream.surveys is None:
        exposure = (line.exposure - lines.exposure_before(line, end - _RELEARN_DAYS, calendar)) / WEEK_MS
    else:
        exposure = float(stream.surveys.judged.total(end - _RELEARN_DAYS, end))
    baselines.relearn(stream.baseline, params.shape, seen, exposure)
    learn_weekdays(stream, calendar, params, every=True)
    reset(stream, calendar)
    return events


def enqueue(stream: RateStream, at_ms: int, submissions: int, change: int) -> None:
    queue = stream.queue
    insort(queue, (at_ms, submissions, change))
    if len(queue) > _QUEUE_LIMIT:
        # A launch or a wave: within an hour the order no longer matters, and state must stay small.
        by_hour: dict[int, tuple[int, int, int]] = {}
        for instant, count, pairs in queue:
            _, counts, changes = by_hour.get(instant // HOUR_MS, (0, 0, 0))
            by_hour[instant // HOUR_MS] = (instant, counts + count, changes + pairs)
        stream.queue = list(by_hour.values())


def is_judged(stream: RateStream, sent_day: int, now_ms: int, calendar: Calendar, params: RateParams) -> bool:
    judged = survey_counts.judged_ms(sent_day, params.answer_days, calendar)
    return judged <= max(stream.line.at_ms, now_ms - params.lateness_ms)
