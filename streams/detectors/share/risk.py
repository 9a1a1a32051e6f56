"""The mixture Shiryaev-Roberts e-detector for "a mean fell", for answers of any law in [0, 1].

Four bets run side by side: l_k in {.1, .2, .4, .6} / (1 - m0) against a mean of at least m0. With each answer x,
R ← (R + weeks)·(1 + l_k·(m0 - x)), where weeks is the time since the answers before; answers that come together share
it. While the mean is m0 or above, every R minus the clock is a supermartingale, so the mean time to a false alarm is at
least the threshold in weeks, however many answers come. (Counting each answer as 1 against a threshold in answers needs
the number of answers a year, which is not known in advance.)

Source: Shin, Ramdas and Rinaldo, e-detectors (2022/2024); Waudby-Smith and Ramdas (2024) for the bets.
"""

from collections.abc import Iterable
from math import exp, log
from typing import Final

#: R of each alternative. A whole number takes one byte where a fraction takes nine, and those at rest are whole; they
#: are read as what they were, so that a record is written alike before a restart and after it.
Risk = tuple[int | float, int | float, int | float, int | float]
CALM: Final[Risk] = (0, 0, 0, 0)
BETS: Final = (0.1, 0.2, 0.4, 0.6)
#: No more weeks than this are added at once: a program that wakes up from a long silence is no suspect for that.
MOST_WEEKS: Final = 13.0
_CEILING: Final = 1e12
_STEEP: Final = 48.0


def mean_weeks(risk: Risk) -> float:
    """Give the mean of R in weeks: "by chance once in so many weeks"."""
    return (risk[0] + risk[1] + risk[2] + risk[3]) * 0.25


def after_answers(
    risk: Risk, weeks: float, low: float, answers: Iterable[tuple[float, int]], dispersion: float
) -> Risk:
    """Take in the answers of one day.

    Args:
        risk: R after the day before.
        weeks: profile-weeks since then, at most 13 of which count.
        low: m0, between 0 and 1, both excluded.
        answers: (value from 0 to 1, how many).
        dispersion: at least 1; the bets pay its root, which keeps them fair or worse.
    """
    added = min(MOST_WEEKS, weeks)
    evidence = [0.0, 0.0, 0.0, 0.0]
    for value, count in answers:
        for index, bet in enumerate(BETS):
            evidence[index] += count * log(1.0 + bet / (1.0 - low) * (low - value))
    r0, r1, r2, r3 = (
        min(_CEILING, (part + added) * exp(min(_STEEP, logarithm / dispersion)))
        for part, logarithm in zip(risk, evidence, strict=True)
    )
    return (r0, r1, r2, r3)
