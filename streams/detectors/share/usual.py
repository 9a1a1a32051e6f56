"""What is usual: the learned mean of the answers, read on the careful side.

Answers are counted as if each were a share of a success, so the mean has a Beta(a, b) law; for any other law in [0, 1]
with that mean this is too wide, never too narrow. It is read at its 30 % quantile: little evidence means a low value.
Counts fade with a half-life of 26 weeks, and wait behind a guard, a CUSUM for a fall to three quarters, so that a fall
does not lower what it is measured against.

Dispersion is learned from the differences of neighbouring days, in which a lasting fall shows only once: squared, over
what they would be if answers came independently. It is a mean over days, shrunk to 1.

Sources: Page (1954) for the CUSUM; Fisher and Cornish (1960) for the quantile.
"""

from math import exp, log, sqrt
from typing import Final

from msgspec import Struct

HALF_LIFE_WEEKS: Final = 26.0
FADING: Final = log(2.0) / HALF_LIFE_WEEKS
#: The detector bets against nothing higher and nothing lower.
HIGHEST: Final = 0.95
LOWEST: Final = 0.05
PRIOR_DAYS: Final = 8
HIGHEST_DISPERSION: Final = 10.0
_FALL: Final = 0.75
_NORMAL_30: Final = -0.5244005127080407


class Usual(Struct, array_like=True, gc=False):
    """Committed sums, and what waits behind the guard."""

    #: pseudo-answers of the prior: positive and all
    prior_sum: float
    prior_answers: float
    #: 30 % quantile at the last commit; this is what answers are held against
    low: float
    total: float = 0.0
    answers: float = 0.0
    guard: float = 0.0
    waiting_total: float = 0.0
    waiting_answers: int = 0
    #: profile milliseconds of the stream at the last commit
    clock_mark: int = 0
    #: squared differences of neighbouring days over their expectation, and how many
    spread: float = 0.0
    spread_days: int = 0
    #: the newest day of at least two answers
    newest_total: float = 0.0
    newest_answers: int = 0


def start(prior_mean: float, prior_answers: float) -> Usual:
    """Begin with a prior only."""
    usual = Usual(prior_mean * prior_answers, prior_answers, 0.0)
    _read(usual)
    return usual


def mean(usual: Usual) -> float:
    """Give the posterior mean of an answer."""
    return (usual.prior_sum + usual.total) / (usual.prior_answers + usual.answers)


def dispersion(usual: Usual) -> float:
    """Give the dispersion in force, 1 (independent answers) to 10."""
    found = (PRIOR_DAYS + usual.spread) / (PRIOR_DAYS + usual.spread_days)
    return min(HIGHEST_DISPERSION, max(1.0, found))


def quantile_30(a: float, b: float) -> float:
    """Give the 30 % quantile of a Beta(a, b) law with a, b ≥ 1, to about 0.01 (0.03 at a = b = 1).

    Only + - * / and the square root are used, which are exact to the last bit everywhere.
    Source: Cornish and Fisher (1938), first terms; Fisher and Cornish (1960), Technometrics 2, 209-225.
    """
    both = a + b
    centre = a / both
    deviation = sqrt(a * b / (both + 1.0)) / both
    skew = 2.0 * (b - a) * sqrt(both + 1.0) / ((both + 2.0) * sqrt(a * b))
    excess = 6.0 * ((a - b) * (a - b) * (both + 1.0) - a * b * (both + 2.0))
    excess /= a * b * (both + 2.0) * (both + 3.0)
    z = _NORMAL_30
    square = z * z
    w = z + skew * (square - 1.0) / 6.0 + excess * z * (square - 3.0) / 24.0
    w -= skew * skew * z * (2.0 * square - 5.0) / 36.0
    return min(1.0, max(0.0, centre + deviation * w))


def allow(usual: Usual, total: float, answers: int) -> bool:
    """Move the guard by a day's answers; True when what waits may be committed."""
    low = min(HIGHEST, max(LOWEST, mean(usual)))
    against = log((1.0 - _FALL * low) / (1.0 - low))
    usual.guard = max(0.0, usual.guard + (answers - total) * against + total * log(_FALL))
    return usual.guard == 0.0


def wait(usual: Usual, total: float, answers: int) -> None:
    """Put answers behind the guard."""
    usual.waiting_total += total
    usual.waiting_answers += answers


def commit(usual: Usual, weeks: float, clock: int) -> None:
    """Take in what waits; older sums fade by as many weeks as it waited."""
    fade = exp(-weeks * FADING) if weeks else 1.0
    usual.total = usual.total * fade + usual.waiting_total
    usual.answers = usual.answers * fade + usual.waiting_answers
    forget_waiting(usual, clock)
    _read(usual)


def forget_waiting(usual: Usual, clock: int) -> None:
    """Drop what waits, and lower the guard."""
    usual.waiting_total, usual.waiting_answers, usual.guard, usual.clock_mark = 0.0, 0, 0.0, clock


def relearn(usual: Usual, total: float, answers: int, clock: int) -> None:
    """Replace what was learned by the sums of a recent stretch; dispersion stays, what waited is dropped."""
    usual.total = usual.answers = 0.0
    forget_waiting(usual, clock)
    wait(usual, total, answers)
    commit(usual, 0.0, clock)


def look_at_day(usual: Usual, total: float, answers: int) -> None:
    """Learn dispersion from a day of at least two answers and the one before it.

    Given the sum of both days, the squared difference of their means has a known expectation if all answers are alike.
    """
    if answers < 2:
        return
    before_total, before = usual.newest_total, usual.newest_answers
    usual.newest_total, usual.newest_answers = total, answers
    both = before + answers
    middle = (before_total + total) / both
    if before == 0 or not 0.0 < middle < 1.0:
        return
    difference = before_total / before - total / answers
    expected = middle * (1.0 - middle) * both / (both - 1) * (1.0 / before + 1.0 / answers)
    usual.spread += difference * difference / expected
    usual.spread_days += 1


def _read(usual: Usual) -> None:
    a = usual.prior_sum + usual.total
    b = usual.prior_answers + usual.answers - a
    usual.low = min(HIGHEST, max(LOWEST, quantile_30(a, max(b, 1.0))))
