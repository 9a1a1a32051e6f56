"""The tail of a gap's predictive law, in logarithms, so that a very long gap stays a finite number.

Given its rate, a gap is Gamma with shape k; the rate itself is Gamma with shape a and rate b. Then gap / (gap + b) is
Beta(k, a): the tail is a regularized incomplete beta function, and the more is known (large a) the nearer it is to a
plain Gamma tail.
"""

from math import exp, lgamma, log, log1p
from typing import Final

_TINY: Final = 1e-300
_ENOUGH: Final = 1e-15
_MOST_STEPS: Final = 2_000


def hazard(gap: float, shape: float, weight: float, scale: float) -> float:
    """Integrate the hazard of a gap: -ln of the chance that a gap lasts longer than `gap`.

    Args:
        gap: at least 0, in the unit of `scale`.
        shape: of the gap law, k.
        weight, scale: shape a and rate b of the law of the rate; the mean gap is k·b / (a - 1).

    Source: the continued fraction of NIST DLMF 8.17.22, evaluated by Lentz's method.
    """
    if gap <= 0.0:
        return 0.0
    # 1 - y is written out where y is near 1: short gaps would else lose their digits.
    total = scale + gap
    y, x = scale / total, gap / total
    front = lgamma(weight + shape) - lgamma(weight) - lgamma(shape) + weight * log1p(-x) + shape * log(x)
    if y < (weight + 1.0) / (weight + shape + 2.0):
        return -(front + log(_fraction(y, weight, shape) / weight))
    other = exp(front) * _fraction(x, shape, weight) / shape
    return -log1p(-min(other, 1.0 - 1e-16))


def _fraction(x: float, a: float, b: float) -> float:
    """Evaluate the continued fraction of I_x(a, b) for x below (a + 1) / (a + b + 2)."""
    both, above, below = a + b, a + 1.0, a - 1.0
    c, d = 1.0, 1.0 - both * x / above
    d = 1.0 / (d if abs(d) > _TINY else _TINY)
    value = d
    for step in range(1, _MOST_STEPS):
        twice = 2 * step
        even = step * (b - step) * x / ((below + twice) * (a + twice))
        d = 1.0 + even * d
        c = 1.0 + even / c
        d = 1.0 / (d if abs(d) > _TINY else _TINY)
        c = c if abs(c) > _TINY else _TINY
        value *= d * c
        odd = -(a + step) * (both + step) * x / ((a + twice) * (above + twice))
        d = 1.0 + odd * d
        c = 1.0 + odd / c
        d = 1.0 / (d if abs(d) > _TINY else _TINY)
        c = c if abs(c) > _TINY else _TINY
        factor = d * c
        value *= factor
        if abs(factor - 1.0) < _ENOUGH:
            break
    return value
