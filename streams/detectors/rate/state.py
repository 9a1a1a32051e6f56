"""The state of one rate detector, and what can be read from it."""

from msgspec import Struct

from streams.calendar import WEEK_MS, Calendar
from streams.detectors.rate import baseline as baselines
from streams.detectors.rate import exposure as lines
from streams.detectors.rate import surveys as survey_counts
from streams.detectors.rate import weekdays as weeks_of
from streams.detectors.rate.baseline import Baseline
from streams.detectors.rate.exposure import ExposureLine
from streams.detectors.rate.mixture import CALM, Risk
from streams.detectors.rate.parameters import RateParams, Reading, six_digits
from streams.detectors.rate.surveys import Surveys
from streams.detectors.rate.weekdays import Weekdays
from streams.windows import DayCounts

#: Clock weeks before the first test; a start burst is over by then.
ARM_WEEKS = 4
#: Clock weeks through which counts go to the baseline at once.
DIRECT_WEEKS = 8
ARM_MS = ARM_WEEKS * WEEK_MS
DIRECT_MS = DIRECT_WEEKS * WEEK_MS
_WINDOW_DAYS = 28


class RateStream(Struct, array_like=True, gc=False):
    """State of one detector. Read `alarm_ms`, and leave the rest to the functions of this module."""

    line: ExposureLine
    baseline: Baseline
    #: submissions (or answered surveys, by the day they were judged on) by local day
    counts: DayCounts
    risk: Risk = CALM
    #: (instant, submissions, change of active pairs) that the detector has not reached yet, sorted
    queue: list[tuple[int, int, int]] = []
    #: instant of the alarm that is on, 0 when none is; while one is on, risk and baseline are frozen
    alarm_ms: int = 0
    #: whether `HighAfter` was said of it
    worsened: bool = False
    #: weeks since the start whose dispersion was looked at
    weeks_seen: int = ARM_WEEKS + 1
    #: only in programs that record surveys
    surveys: Surveys | None = None
    #: None in programs that record surveys, and for a stream that was never told a profile: the shipped one holds
    weekdays: Weekdays | None = None


def start(
    at_ms: int, pairs: int, calendar: Calendar, params: RateParams, prior_rate: float | None = None
) -> RateStream:
    """Begin at the start of a run, or where observation begins, with a number of active pairs.

    Args:
        prior_rate: for a pair, the baseline mean of its program (`mean_rate`); None = the prior of the rule set.
    """
    line = lines.start(at_ms, calendar)
    lines.change(line, pairs, calendar)
    prior = params.prior_rate if prior_rate is None else prior_rate
    learns = params.weekday_weight is not None
    baseline = baselines.start(prior, params.shape)
    return RateStream(line, baseline, DayCounts(), weekdays=Weekdays() if learns else None)


def paced(stream: RateStream, calendar: Calendar, params: RateParams) -> Calendar:
    """Give a program's calendar the weekday profile that is in force for a stream.

    A survey is judged a whole number of weeks after it was sent, so there weekdays cancel and the calendar stays.
    """
    if stream.surveys is not None:
        return calendar
    weekdays = stream.weekdays
    return calendar.in_week(params.week if weekdays is None or weekdays.week is None else weekdays.week)


def mean_rate(stream: RateStream, params: RateParams) -> float:
    """Give the baseline's posterior mean: submissions per pair and week, or the share of surveys answered."""
    return baselines.mean_rate(stream.baseline, params.shape)


def reading(
    stream: RateStream, at_ms: int, calendar: Calendar, params: RateParams, days: int = _WINDOW_DAYS
) -> Reading:
    """Compare expected with seen over the last local days up to an instant that the stream has not passed."""
    line, calendar = stream.line, paced(stream, calendar, params)
    last = calendar.day_of(at_ms - 1)
    first = max(line.start_day, last + 1 - days)
    rate = mean_rate(stream, params)
    if stream.surveys is None:
        units = line.pairs
        exposure = (lines.exposure_at(line, at_ms, calendar) - lines.exposure_before(line, first, calendar)) / WEEK_MS
    else:
        units = stream.surveys.judged.total(first, last + 1)
        exposure = float(units)
    return Reading(
        max(1, last + 1 - first),
        six_digits(rate * exposure),
        stream.counts.total(first, last + 1),
        six_digits(rate),
        units,
        six_digits(baselines.dispersion(stream.baseline, careful=stream.surveys is None)),
        stream.surveys is not None,
    )


def reset(stream: RateStream, calendar: Calendar) -> None:
    """Start over where the stream stands: no alarm, nothing suspected, nothing waiting; the baseline stays."""
    line, baseline = stream.line, stream.baseline
    stream.alarm_ms, stream.worsened, stream.risk = 0, False, CALM
    baselines.forget_waiting(baseline)
    baseline.exposure_mark, baseline.clock_mark = line.exposure, line.clock
    stream.weeks_seen = max(stream.weeks_seen, (calendar.day_of(line.at_ms) - line.start_day) // 7 + 2)
    if stream.weekdays is not None:
        stream.weekdays.upto = max(stream.weekdays.upto, calendar.day_of(line.at_ms) - line.start_day + 1)
    if stream.surveys is not None:
        stream.surveys.waiting = 0
        stream.surveys.batch_clock = line.clock


def fork(stream: RateStream) -> RateStream:
    """Copy, so that the copy can be changed alone."""
    baseline = stream.baseline
    spread = baseline.spread
    return RateStream(
        lines.fork(stream.line),
        Baseline(
            baseline.prior,
            baseline.rate,
            baseline.events,
            baseline.exposure,
            baseline.guard,
            baseline.waiting_events,
            baseline.exposure_mark,
            baseline.clock_mark,
            None if spread is None else baselines.Spread(spread.total, spread.weeks),
        ),
        stream.counts.fork(),
        stream.risk,
        stream.queue.copy(),
        stream.alarm_ms,
        stream.worsened,
        stream.weeks_seen,
        None if stream.surveys is None else survey_counts.fork(stream.surveys),
        None if stream.weekdays is None else weeks_of.fork(stream.weekdays),
    )
