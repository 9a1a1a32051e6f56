"""What gaps are like in one program: how regular they are, and how long.

Shape comes from neighbouring gaps x, y of the same pair: x / (x + y) is Beta(k, k), whatever the pair's mean, so the
mean of ((x - y) / (x + y))² is 1 / (2k + 1). It is bounded by 1, so no single odd gap spoils it, and it needs one pair
of numbers for the whole program. Both numbers start from the shipped value and move as gaps are seen.
"""

from typing import Final

from msgspec import Struct

from streams.detectors.renewal.parameters import LOWEST_SHAPE, RenewalParams

#: Weight of the shipped values, in gaps.
_PRIOR_GAPS: Final = 20.0
#: Gaps of a program fade by this factor with each new one: a half-life of 700.
_FADING: Final = 0.99901


class GapPool(Struct, array_like=True, gc=False):
    """Gaps of a whole program, faded: number and sum (active weeks), number of neighbours and how unlike they were."""

    gaps: float = 0.0
    weeks: float = 0.0
    neighbours: float = 0.0
    unlike: float = 0.0


def pooled_shape(pool: GapPool, params: RenewalParams) -> float:
    """Give the shape of the program's gap law, shrunk to the shipped one."""
    before = _PRIOR_GAPS / (2.0 * params.prior_shape + 1.0)
    unlike = (before + pool.unlike) / (_PRIOR_GAPS + pool.neighbours)
    return min(params.highest_shape, max(LOWEST_SHAPE, 0.5 / unlike - 0.5))


def pooled_gap(pool: GapPool, params: RenewalParams) -> float:
    """Give the usual gap of the program in active weeks, shrunk to the shipped one."""
    return (_PRIOR_GAPS * params.prior_gap_weeks + pool.weeks) / (_PRIOR_GAPS + pool.gaps)


def pool_gap(pool: GapPool, weeks: float, before_weeks: float) -> None:
    """Take in a gap that ended, and the one before it of the same pair (0 when there is none)."""
    pool.gaps = pool.gaps * _FADING + 1.0
    pool.weeks = pool.weeks * _FADING + weeks
    if before_weeks > 0.0:
        unlike = (weeks - before_weeks) / (weeks + before_weeks)
        pool.neighbours = pool.neighbours * _FADING + 1.0
        pool.unlike = pool.unlike * _FADING + unlike * unlike
