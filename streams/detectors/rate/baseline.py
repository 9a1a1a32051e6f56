"""What is normal for one stream: a learned rate, read on the careful side.

Events per unit of exposure follow a Gamma(a0 + n, b0 + e) posterior, read at its 30 % quantile: little evidence means
a low rate, so no minimum count is needed. Counts are forgotten with a half-life of 26 clock weeks. So that a drop
cannot lower the very baseline it is measured against, counts wait behind a guard, a CUSUM against three quarters of
the rate, and are committed only when it stands at zero.

Dispersion is the variance of weekly counts over their mean. It is learned from the differences of neighbouring weeks:
a lasting fall shows in one difference only, so it need not wait behind the guard. (Deviations from the mean have to
wait, and then lose just those weeks that led to a false alarm: where submissions come in clumps, up to 2.2 false
alarms a year.) Of bare submissions it is read one standard error above its estimate, again the careful side.

Sources: Page (1954) for the CUSUM; Wilson and Hilferty (1931) for the quantile.
"""

from math import exp, log, sqrt
from typing import Final

from msgspec import Struct

HALF_LIFE_WEEKS: Final = 26.0
#: Decay per clock week.
FADING: Final = log(2.0) / HALF_LIFE_WEEKS
#: The guard tests for a fall to three quarters: a quarter of the expected against -ln(3/4) for every event.
GUARD_EXPECTED: Final = 0.25
GUARD_EVENT: Final = 0.288
#: Weight of the belief that events are Poisson, in weeks.
PRIOR_WEEKS: Final = 8
HIGHEST_DISPERSION: Final = 10.0
#: No share of answered surveys is taken to be higher.
HIGHEST_SHARE: Final = 0.9

_NORMAL_30: Final = -0.5244005127080407
#: What Wilson-Hilferty misses at 30 %: a polynomial in 1/√shape fitted for shapes from 1 up, good to 4e-6.
_MISSED: Final = (-0.0143539, -0.00923714, -0.0183583, 0.0214721)


def quantile_30(shape: float) -> float:
    """Give the 30 % quantile of a Gamma law with `shape` ≥ 1 and scale 1.

    Only + - * / and the square root are used, which are exact to the last bit everywhere, so every machine reads the
    same.
    Source: Wilson and Hilferty (1931), PNAS 17, 684-688, with a fitted correction.
    """
    u = 1.0 / sqrt(shape)
    root = 1.0 - u * u / 9.0 + _NORMAL_30 * u / 3.0
    c3, c4, c5, c6 = _MISSED
    return shape * root * root * root * (1.0 + u * u * u * (c3 + u * (c4 + u * (c5 + u * c6))))


class Spread(Struct, array_like=True, gc=False):
    """Squared differences of neighbouring weeks over their variance, and how many."""

    total: float = 0.0
    weeks: int = 0


class Baseline(Struct, array_like=True, gc=False):
    """Committed counts, and what waits behind the guard.

    Exposure is in profile-weeks times pairs (or in surveys); marks are totals of the stream, in milliseconds, at the
    last commit, so that what waits is the difference to them.
    """

    #: mean of the prior: events per unit of exposure
    prior: float
    #: 30 % quantile at the last commit; this is the rate that tests use
    rate: float
    events: float = 0.0
    exposure: float = 0.0
    guard: float = 0.0
    waiting_events: int = 0
    exposure_mark: int = 0
    clock_mark: int = 0
    #: None until a week says anything about dispersion
    spread: Spread | None = None


def start(prior: float, shape: float) -> Baseline:
    """Begin with nothing but a prior of mean `prior` and `shape` = 1 / cv²."""
    return Baseline(prior, quantile_30(shape) * prior / shape)


def mean_rate(baseline: Baseline, shape: float) -> float:
    """Give the posterior mean: events per unit of exposure, committed counts only."""
    return (shape + baseline.events) / (shape / baseline.prior + baseline.exposure)


def dispersion(baseline: Baseline, careful: bool = True) -> float:
    """Give the dispersion in force, 1 (Poisson) to 10; 1 as long as no week has said anything.

    Args:
        careful: read one standard error higher. Surveys do without: an answer or none is all a survey can be, and their
            false alarms are rare enough.
    """
    spread = baseline.spread
    if spread is None:
        return 1.0
    weight = PRIOR_WEEKS + spread.weeks
    margin = 1.0 + sqrt(2.0 / weight) if careful else 1.0
    return min(HIGHEST_DISPERSION, max(1.0, (PRIOR_WEEKS + spread.total) / weight * margin))


def lowest_dispersion(baseline: Baseline, more_weeks: int) -> float:
    """Bound the dispersion from below, whatever the next weeks bring."""
    spread = baseline.spread
    if spread is None:
        return 1.0
    return min(HIGHEST_DISPERSION, max(1.0, (PRIOR_WEEKS + spread.total) / (PRIOR_WEEKS + spread.weeks + more_weeks)))


def lower_cusum(value: float, allowed: float, seen: float) -> float:
    """Take one step of a CUSUM that rises while less is seen than is allowed for, and never falls below 0.

    Source: Page (1954), Biometrika 41, 100-115; for counts Lucas (1985), Technometrics 27, 129-144.
    """
    return max(0.0, value + allowed - seen)


def commit(baseline: Baseline, shape: float, exposure: float, weeks: float) -> None:
    """Take in what waits.

    Args:
        shape: of the prior.
        exposure: waiting exposure, in its unit.
        weeks: clock weeks that waited; older counts fade by as much. 0 while a young stream commits directly.
    """
    fade = exp(-weeks * FADING) if weeks else 1.0
    events = baseline.events = baseline.events * fade + baseline.waiting_events
    total = baseline.exposure = baseline.exposure * fade + exposure
    baseline.waiting_events = 0
    posterior = shape + events
    baseline.rate = quantile_30(posterior) / (shape / baseline.prior + total)


def relearn(baseline: Baseline, shape: float, events: int, exposure: float) -> None:
    """Replace the learned rate by counts of a recent stretch; dispersion stays, what waited is dropped."""
    baseline.events = baseline.exposure = 0.0
    forget_waiting(baseline)
    baseline.waiting_events = events
    commit(baseline, shape, exposure, 0.0)


def forget_waiting(baseline: Baseline) -> None:
    """Drop what waits behind the guard, and lower the guard."""
    baseline.guard = 0.0
    baseline.waiting_events = 0


def compare_weeks(
    baseline: Baseline, earlier: tuple[int, float], later: tuple[int, float], rate: float, binary: bool
) -> None:
    """Learn dispersion from two neighbouring weeks, each (events, exposure).

    Args:
        rate: events per unit of exposure; weeks that expect 1 or fewer say nothing.
        binary: each unit holds one event at most (a survey is answered or not), so variance is smaller by 1 - rate.
    """
    (events, exposure), (more_events, more_exposure) = earlier, later
    if rate * exposure <= 1.0 or rate * more_exposure <= 1.0:
        return
    difference = more_events * exposure - events * more_exposure
    variance = rate * exposure * more_exposure * (exposure + more_exposure)
    if binary:
        variance *= 1.0 - min(HIGHEST_SHARE, rate)
    spread = baseline.spread
    if spread is None:
        spread = baseline.spread = Spread()
    spread.total += difference * difference / variance
    spread.weeks += 1
