"""The mixture Shiryaev-Roberts e-detector for "a rate fell", in event time.

Four alternatives run side by side: the rate fell to none, a quarter, a half, three quarters of its baseline. Each keeps
one number R ≥ 0; the alarm is raised when their mean reaches A weeks. At the baseline every R minus the clock is a
martingale, so the mean time to a false alarm is A, for any rate, exposure and profile.

Sources: Shiryaev (1963); Pollak and Tartakovsky (2009); Shin, Ramdas and Rinaldo, e-detectors (2022/2024).
"""

from math import exp, expm1, log
from typing import Final

#: What the rate may have fallen to, as a share of the baseline; a tuple `Risk` holds R in the same order.
RHOS: Final = (0.0, 0.25, 0.5, 0.75)
#: R of each alternative. A whole number takes one byte where a fraction takes nine, and those at rest are whole; they
#: are read as what they were, so that a record is written alike before a restart and after it.
Risk = tuple[int | float, int | float, int | float, int | float]
CALM: Final[Risk] = (0, 0, 0, 0)
#: R is not followed beyond this many weeks: no threshold is anywhere near, and sums stay finite.
CEILING: Final = 1e12

_QUARTER, _HALF, _THREE_QUARTERS = log(0.25), log(0.5), log(0.75)
_STEEP: Final = 12.0
_E_SQUARED: Final = 7.3891


def mean_weeks(risk: Risk) -> float:
    """Give the mean of R in weeks: "by chance once in so many weeks"."""
    return (risk[0] + risk[1] + risk[2] + risk[3]) * 0.25


def silent(risk: Risk, weeks: float, expected: float) -> Risk:
    """Follow R through a stretch without events.

    Args:
        risk: R at the start of the stretch.
        weeks: its length in profile-weeks.
        expected: events expected in it at the baseline, divided by the dispersion.
    """
    quarter = 0.25 * expected
    r0, r1, r2, r3 = risk
    if quarter > _STEEP or r0 + r1 + r2 + r3 > CEILING:
        return (CEILING, CEILING, CEILING, CEILING)
    if quarter < 1e-12:
        return (r0 + weeks, r1 + weeks, r2 + weeks, r3 + weeks)
    # e^{c·expected} - 1 for c = 1/4, 1/2, 3/4, 1 out of a single transcendental, without cancellation.
    g1 = expm1(quarter)
    g2 = g1 * (g1 + 2.0)
    g3 = g1 * (3.0 + g1 * (3.0 + g1))
    g4 = g2 * (g2 + 2.0)
    unit = weeks / quarter
    return (
        r0 + g4 * (r0 + 0.25 * unit),
        r1 + g3 * (r1 + unit / 3.0),
        r2 + g2 * (r2 + 0.5 * unit),
        r3 + g1 * (r3 + unit),
    )


def stays_below(risk: Risk, weeks: float, expected: float, threshold: float) -> bool:
    """Tell cheaply that the mean of R cannot reach `threshold` in a stretch without events; False says nothing."""
    return expected <= 2.0 and (mean_weeks(risk) + weeks) * _E_SQUARED < threshold


def after_events(risk: Risk, events: int, dispersion: float) -> Risk:
    """Take in `events` that happened at one instant."""
    if events == 1 and dispersion == 1.0:
        return (0, 0.25 * risk[1], 0.5 * risk[2], 0.75 * risk[3])
    power = events / dispersion
    return (0, exp(power * _QUARTER) * risk[1], exp(power * _HALF) * risk[2], exp(power * _THREE_QUARTERS) * risk[3])


def after_batch(risk: Risk, weeks: float, share: float, answered: int, unanswered: int, dispersion: float) -> Risk:
    """Take in a batch of surveys that were judged together.

    Args:
        risk: R after the batch before.
        weeks: clock weeks since then.
        share: baseline share of surveys that are answered, above 0 and below 1.
        answered, unanswered: what the batch holds.
        dispersion: at least 1.
    """
    none = 0 if answered else _scaled(risk[0] + weeks, -log(1.0 - share) * unanswered / dispersion)
    parts = []
    for rho, log_rho, value in ((0.25, _QUARTER, risk[1]), (0.5, _HALF, risk[2]), (0.75, _THREE_QUARTERS, risk[3])):
        evidence = log((1.0 - rho * share) / (1.0 - share)) * unanswered + log_rho * answered
        parts.append(_scaled(value + weeks, evidence / dispersion))
    return (none, parts[0], parts[1], parts[2])


def _scaled(weeks: float, log_factor: float) -> float:
    return min(CEILING, weeks * exp(min(4.0 * _STEEP, log_factor)))


def silence_at_least(risk: Risk, rate: float, threshold: float) -> float:
    """Bound from below the profile-weeks of silence after which the mean of R reaches `threshold`.

    Args:
        rate: events expected in a profile-week, divided by the dispersion; above 0.
        threshold: A in weeks, above the present mean.

    Every alternative grows at most like the strongest, so (mean + s)·e^{rate·s} is an upper bound of the mean after s
    weeks. Its logarithm is concave: each Newton step from the left or the right ends left of the root, a sound bound
    at any count.
    """
    mean = mean_weeks(risk)
    goal = log(threshold)
    silence = max(1e-9, (goal - log(1.0 + mean)) / (1.0 + rate))
    for _ in range(4):
        reach = mean + silence
        silence = max(0.0, silence - (log(reach) + rate * silence - goal) / (1.0 / reach + rate))
        if silence == 0.0:
            break
    return silence
