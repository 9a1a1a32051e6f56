"""How a stream's baseline and dispersion take in what was counted."""

from streams.calendar import WEEK_MS, Calendar
from streams.detectors.rate import baseline as baselines
from streams.detectors.rate import exposure as lines
from streams.detectors.rate import weekdays as weeks_of
from streams.detectors.rate.exposure import KEEP_DAYS
from streams.detectors.rate.parameters import RateParams
from streams.detectors.rate.state import ARM_MS, DIRECT_MS, RateStream, mean_rate

#: A week that expects less than this cannot expect more than 1, whatever the clocks do.
_TOO_FEW = 0.9


def learn(stream: RateStream, events: int, calendar: Calendar, params: RateParams) -> None:
    """Let the guard decide whether what waits, with these events in it, belongs to the baseline."""
    baseline, line = stream.baseline, stream.line
    if line.clock < DIRECT_MS:
        if line.clock >= ARM_MS or stream.surveys is not None:
            commit(stream, calendar, params, 0.0)
        return
    # What was allowed for the exposure went in as it passed.
    baseline.guard = baselines.lower_cusum(baseline.guard, 0.0, baselines.GUARD_EVENT * events)
    if baseline.guard == 0.0:
        commit(stream, calendar, params, (line.clock - baseline.clock_mark) / WEEK_MS)


def commit(stream: RateStream, calendar: Calendar, params: RateParams, weeks: float) -> None:
    """Let the baseline, and the weekday profile with it, take in what waits."""
    baseline, line, surveys = stream.baseline, stream.line, stream.surveys
    if surveys is None:
        exposure = (line.exposure - baseline.exposure_mark) / WEEK_MS
    else:
        exposure, surveys.waiting = float(surveys.waiting), 0
    baselines.commit(baseline, params.shape, exposure, weeks)
    baseline.exposure_mark, baseline.clock_mark = line.exposure, line.clock
    learn_weekdays(stream, calendar, params)


def learn_weekdays(stream: RateStream, calendar: Calendar, params: RateParams, every: bool = False) -> None:
    """Let the weekday profile take in the weeks that have ended where the stream stands; it holds from here on."""
    if params.weekday_weight is None or stream.surveys is not None:
        return
    start_day, today = stream.line.start_day, calendar.day_of(stream.line.at_ms)
    if stream.weekdays is None:
        # Stored before weekdays were learned: what it learned from is not all there.
        stream.weekdays = weeks_of.Weekdays(upto=today + 1 - start_day)
    weeks_of.take_in(stream.weekdays, stream.counts, start_day, today, calendar, params, every)


def settle_weeks(stream: RateStream, today: int, calendar: Calendar, params: RateParams) -> None:
    """Learn dispersion from the weeks that have ended since the last look."""
    line = stream.line
    ended = (today - line.start_day) // 7
    if ended <= stream.weeks_seen:
        return
    rate = mean_rate(stream, params)
    if stream.surveys is None and not line.knots and rate * line.pairs < _TOO_FEW:
        stream.weeks_seen = ended
        return
    for week in range(max(stream.weeks_seen, ended - KEEP_DAYS // 7 + 1), ended):
        first = line.start_day + 7 * week
        earlier = (stream.counts.total(first - 7, first), _week_exposure(stream, first - 7, calendar))
        later = (stream.counts.total(first, first + 7), _week_exposure(stream, first, calendar))
        baselines.compare_weeks(stream.baseline, earlier, later, rate, stream.surveys is not None)
    stream.weeks_seen = ended


def _week_exposure(stream: RateStream, first_day: int, calendar: Calendar) -> float:
    if stream.surveys is not None:
        return float(stream.surveys.judged.total(first_day, first_day + 7))
    end = lines.exposure_before(stream.line, first_day + 7, calendar)
    return (end - lines.exposure_before(stream.line, first_day, calendar)) / WEEK_MS


def forget_burst(stream: RateStream, calendar: Calendar, params: RateParams) -> None:
    """At arming: drop what was counted so far. People answer eagerly in their first weeks, and never so again.

    On which weekdays they answer is not forgotten: the first test should know it.
    """
    baselines.forget_waiting(stream.baseline)
    stream.baseline.exposure_mark, stream.baseline.clock_mark = stream.line.exposure, stream.line.clock
    learn_weekdays(stream, calendar, params)
