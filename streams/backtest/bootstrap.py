"""How sure a difference between two runs is: paired bootstrap over programs.

Pairs of one program share coordinators, calendar and mood, so programs are drawn, not pairs; and each drawn program
brings its counts under both runs, so what both have in common cancels out. Percentile intervals of 95 %.
Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapters 8 and 13.

The draws come from a counter run through splitmix64 (Steele, Lea and Flood 2014), so equal input gives equal intervals.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import mul
from typing import Final

from msgspec import Struct

from streams.backtest.evaluate import Scores

DRAWS: Final = 1_000
FEWEST_PROGRAMS: Final = 5
FEWEST_BAD_ENDS: Final = 10
_MASK: Final = 2**64 - 1
_MOST_WORK: Final = 400_000

Metric = Callable[[Scores], float | None]
METRICS: Final[dict[str, Metric]] = {
    "precision": lambda scores: scores.precision,
    "recall": lambda scores: scores.recall,
    "mean_lead_days": lambda scores: scores.mean_lead_days,
    "false_per_pair_week": lambda scores: scores.false_per_pair_week,
}
_COUNTED: Final = ("right", "wrong", "bad_ends", "caught", "lead_ms", "exposure_ms")
"""What the metrics are made of."""
_MORE_IS_WORSE: Final = frozenset({"false_per_pair_week"})


class Contrast(Struct, frozen=True):
    """Here minus there, its interval (None: not decidable) and the verdict in one or a few words."""

    difference: float | None
    low: float | None
    high: float | None
    verdict: str


def contrast(here: Mapping[str, Scores], there: Mapping[str, Scores], draws: int = DRAWS) -> dict[str, Contrast]:
    """Compare every metric of two runs, by program. Returns: a contrast for each of `METRICS`."""
    programs = sorted({*here, *there})
    mine, theirs = (_columns([run.get(name, Scores()) for name in programs]) for run in (here, there))
    once = [1] * len(programs)
    whole = _sum(mine, once), _sum(theirs, once)
    points = {name: _difference(metric, *whole) for name, metric in METRICS.items()}
    too_few = _too_few(len(programs), max(whole[0].bad_ends, whole[1].bad_ends))
    if too_few:
        return {name: Contrast(point, None, None, too_few) for name, point in points.items()}
    samples: dict[str, list[float]] = {name: [] for name in METRICS}
    for drawn in _draws(len(programs), max(200, min(draws, _MOST_WORK // len(programs)))):
        both = _sum(mine, drawn), _sum(theirs, drawn)
        for name, metric in METRICS.items():
            difference = _difference(metric, *both)
            if difference is not None:
                samples[name].append(difference)
    return {name: _judge(name, points[name], sorted(samples[name])) for name in METRICS}


def _too_few(programs: int, bad_ends: int) -> str:
    if programs < FEWEST_PROGRAMS:
        return f"not decidable: {programs} programs, fewer than {FEWEST_PROGRAMS}"
    if bad_ends < FEWEST_BAD_ENDS:
        return f"not decidable: {bad_ends} bad ends, fewer than {FEWEST_BAD_ENDS}"
    return ""


def _judge(name: str, point: float | None, samples: list[float]) -> Contrast:
    if point is None or len(samples) < 100:
        return Contrast(point, None, None, "not decidable: nothing to compare")
    low, high = samples[int(0.025 * len(samples))], samples[min(len(samples) - 1, int(0.975 * len(samples)))]
    if low == high == 0:
        return Contrast(point, low, high, "the same")
    if low <= 0 <= high:
        return Contrast(point, low, high, "not decidable: the interval holds 0")
    return Contrast(point, low, high, "better" if (point > 0) != (name in _MORE_IS_WORSE) else "worse")


def _difference(metric: Metric, here: Scores, there: Scores) -> float | None:
    mine, theirs = metric(here), metric(there)
    return None if mine is None or theirs is None else mine - theirs


def _columns(scores: Sequence[Scores]) -> list[list[int]]:
    return [[getattr(one, name) for one in scores] for name in _COUNTED]


def _sum(columns: Sequence[Sequence[int]], times: Sequence[int]) -> Scores:
    """Scores of programs, each taken so many times."""
    return Scores(**{name: sum(map(mul, column, times)) for name, column in zip(_COUNTED, columns, strict=True)})


@lru_cache(maxsize=2)
def _draws(programs: int, draws: int) -> list[list[int]]:
    """How often each draw takes each program; the same for every rule."""
    counter, found = 0, []
    for _ in range(draws):
        drawn = [0] * programs
        for _ in range(programs):
            counter = (counter + 0x9E3779B97F4A7C15) & _MASK
            mixed = counter
            mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
            mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
            drawn[((mixed ^ (mixed >> 31)) * programs) >> 64] += 1
        found.append(drawn)
    return found
