"""The mixture Shiryaev-Roberts e-detector on the clock of a renewal process: see `streams.detectors.renewal`.

Four alternatives, "the hazard fell to rho of its usual value", each with one number R ≥ 0 in weeks. In the clock
L = -ln S(gap) the events of the null come as a Poisson process of rate 1, and R minus mean gap × L is a martingale; L
rises by 1 a gap on average, so the mean time to a false alarm is the threshold in weeks of active time.

Sources: Shiryaev (1963); Shin, Ramdas and Rinaldo, e-detectors (2022/2024); Cox (1955) for the time change.
"""

from math import expm1
from typing import Final

#: R of each alternative. A whole number takes one byte where a fraction takes nine, and those at rest are whole; they
#: are read as what they were, so that a record is written alike before a restart and after it.
Risk = tuple[int | float, int | float, int | float, int | float]
CALM: Final[Risk] = (0, 0, 0, 0)
RHOS: Final[Risk] = (0.0, 0.25, 0.5, 0.75)
_CEILING: Final = 1e12
_STEEP: Final = 60.0


def mean_weeks(risk: Risk) -> float:
    """Give the mean of R in weeks: "by chance once in so many weeks"."""
    return (risk[0] + risk[1] + risk[2] + risk[3]) * 0.25


def silent(risk: Risk, hazard: float, gap_weeks: float) -> Risk:
    """Follow R through a stretch without events.

    Args:
        hazard: integrated over the stretch, at most 60 counts.
        gap_weeks: the mean gap.
    """
    if hazard <= 0.0:
        return risk
    hazard = min(hazard, _STEEP)
    r0, r1, r2, r3 = risk
    g1 = expm1(0.25 * hazard)
    g2 = g1 * (g1 + 2.0)
    g3 = g1 * (3.0 + g1 * (3.0 + g1))
    g4 = g2 * (g2 + 2.0)
    return (
        min(_CEILING, r0 + g4 * (r0 + gap_weeks)),
        min(_CEILING, r1 + g3 * (r1 + gap_weeks / 0.75)),
        min(_CEILING, r2 + g2 * (r2 + gap_weeks / 0.5)),
        min(_CEILING, r3 + g1 * (r3 + gap_weeks / 0.25)),
    )


def after_event(risk: Risk) -> Risk:
    """Take in one event."""
    return (0, 0.25 * risk[1], 0.5 * risk[2], 0.75 * risk[3])
