"""What detectors should expect before they know a program, proposed from history, with intervals.

Each estimate is a ratio or a moment over units (pairs, people); its 95 % interval comes from a delete-a-group
jackknife over whole programs (over units where there are fewer than eight programs), because units of one program
resemble one another. How far programs or pairs differ is what is left of their spread when chance is taken out
(DerSimonian and Laird): Poisson for submissions, binomial for surveys, the gap law itself for meetings.

Source: DerSimonian and Laird (1986), Controlled Clinical Trials 7(3), 177-188; Kott (2001), J. Official Statistics
    17(4), 521-526 (delete-a-group jackknife).
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from math import isfinite, sqrt
from typing import Final, NamedTuple

from streams.backtest.history import Unit
from streams.rule import parse_duration
from streams.rules import RULES_BY_ID

GROUPS: Final = 20
ENOUGH_PROGRAMS: Final = 8
ENOUGH_PAIR_WEEKS: Final = 20
#: 97.5 % quantiles of Student's t by degrees of freedom; between two of them that of fewer.
_T: Final = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 7: 2.36, 9: 2.26, 12: 2.18, 15: 2.13, 19: 2.09}
_LOWEST_CV: Final = 0.05

Estimator = Callable[[Sequence[Unit]], float | None]


class Proposal(NamedTuple):
    """A parameter of a detector as history has it.

    Attributes:
        rule, name: which parameter.
        shipped: the default, as in a rule file (numbers) or in days (durations).
        value: proposed, inside the parameter's bounds; None when history is too short, `why` says what is missing.
        low, high: 95 % interval of the estimate, None where it could not be made.
        unit: of all of them.
        why: what it rests on.
    """

    rule: str
    name: str
    shipped: float
    value: float | None
    low: float | None
    high: float | None
    unit: str
    why: str

    @property
    def written(self) -> str:
        """The value as in a rule file."""
        assert self.value is not None
        return f'"{round(self.value)}d"' if self.unit == "days" else f"{self.value:g}"


def proposals(units: Sequence[Unit]) -> list[Proposal]:
    """Propose every prior of the catalogue's detectors, in the order of rules."""
    pairs = [each for each in units if each.weeks > 0]
    people = [each for each in units if each.sent]
    meeting = [each for each in pairs if each.gaps]
    neighbours = [each for each in meeting if len(each.gaps) > 1]
    surveyed, counted = _programs(people), _programs(pairs)
    by_shares = len(surveyed) * 2 >= len(counted) and len(surveyed) > 1
    between = (people, _cv_of_shares) if by_shares else (pairs, _cv_of_programs)
    weeks, said = sum(each.weeks for each in pairs), sum(each.submissions for each in pairs)
    sent, gaps = sum(each.sent for each in people), sum(len(each.gaps) for each in meeting)
    # Submissions of a moment say nothing of a week, however many they are.
    watched = weeks >= ENOUGH_PAIR_WEEKS
    rate = (
        pairs,
        _rate,
        said >= 20 and watched,
        f"{said:,} submissions in {weeks:,.0f} pair-weeks of {len(counted)} programs",
    )
    share = (people, _share, sent >= 50, f"{sent:,} surveys to {len(people):,} people of {len(surveyed)} programs")
    spread = f"{len(surveyed if by_shares else counted)} programs, by {'surveys' if by_shares else 'submissions'}"
    enough = len(surveyed if by_shares else counted) >= ENOUGH_PROGRAMS
    pair_spread = (
        pairs,
        _cv_of_pairs,
        said >= 100 and len(pairs) >= 20 and watched,
        f"{said:,} submissions of {len(pairs):,} pairs",
    )
    met = f"{gaps:,} gaps of {len(meeting):,} pairs"
    return [
        _propose("meeting.rhythm_lost", "prior_gap", *(meeting, _gap_days, gaps >= 30, met), "days"),
        _propose("meeting.rhythm_lost", "prior_cv", *(meeting, _cv_of_gaps, gaps >= 100 and len(meeting) >= 20, met)),
        _propose("meeting.rhythm_lost", "prior_shape", *(neighbours, _shape, gaps >= 100, met)),
        _propose("pair.sentiment_slowdown", "prior_rate_per_pair_week", *rate),
        _propose("pair.sentiment_slowdown", "prior_response_rate", *share),
        _propose("pair.sentiment_slowdown", "prior_cv", *pair_spread),
        _propose("program.sentiment_slowdown", "prior_rate_per_pair_week", *rate),
        _propose("program.sentiment_slowdown", "prior_response_rate", *share),
        _propose("program.sentiment_slowdown", "prior_cv", *between, enough, spread),
    ]


def _propose(
    rule: str, name: str, units: Sequence[Unit], estimate: Estimator, enough: bool, why: str, unit: str = ""
) -> Proposal:
    shipped = _shipped(rule, name)
    value = estimate(units) if enough and units else None
    if value is None or not isfinite(value):
        return Proposal(rule, name, shipped, None, None, None, unit, f"too little history: {why}")
    low, high = _interval(units, estimate, value)
    kept = _inside(name, float(f"{value:.3g}"), unit)
    return Proposal(rule, name, shipped, kept, low, high, unit, why)


def _shipped(rule: str, name: str) -> float:
    value = RULES_BY_ID[rule].Params().model_dump(mode="json")[name]
    return parse_duration(value) / 86_400_000 if isinstance(value, str) else float(value)


def _inside(name: str, value: float, unit: str) -> float:
    """The nearest value that the parameter may have."""
    if unit == "days":
        return float(min(365, max(1, round(value))))
    if name == "prior_cv":
        return min(1.0, max(_LOWEST_CV, value))
    low, high = {"prior_shape": (0.3, 10.0), "prior_response_rate": (0.01, 0.99)}.get(name, (0.001, 7.0))
    return min(high, max(low, value))


# -- estimates


def _rate(units: Sequence[Unit]) -> float | None:
    weeks = sum(each.weeks for each in units)
    return sum(each.submissions for each in units) / weeks if weeks else None


def _share(units: Sequence[Unit]) -> float | None:
    sent = sum(each.sent for each in units)
    return sum(each.answered for each in units) / sent if sent else None


def _gap_days(units: Sequence[Unit]) -> float | None:
    gaps = [gap for each in units for gap in each.gaps]
    return 7 * sum(gaps) / len(gaps) if gaps else None


def _shape(units: Sequence[Unit]) -> float | None:
    """Of neighbouring gaps x, y of one pair x / (x + y) is Beta(k, k), so ((x - y) / (x + y))² is 1 / (2 k + 1) at the
    mean (`streams.detectors.renewal.gaps`)."""
    unlike = [((x - y) / (x + y)) ** 2 for each in units for x, y in zip(each.gaps, each.gaps[1:], strict=False)]
    mean = sum(unlike) / len(unlike) if unlike else 0.0
    return 0.5 / mean - 0.5 if mean else None


def _cv_of_programs(units: Sequence[Unit]) -> float | None:
    parts = [(sum(u.submissions for u in own), sum(u.weeks for u in own)) for own in _programs(units).values()]
    return _spread([(count / weight, weight) for count, weight in parts], lambda mean: mean)


def _cv_of_shares(units: Sequence[Unit]) -> float | None:
    parts = [(sum(u.answered for u in own), sum(u.sent for u in own)) for own in _programs(units).values()]
    return _spread([(count / weight, float(weight)) for count, weight in parts], lambda mean: mean * (1 - mean))


def _cv_of_pairs(units: Sequence[Unit]) -> float | None:
    groups = _programs(units).values()
    return _within([[(u.submissions / u.weeks, u.weeks) for u in own] for own in groups], lambda mean: mean)


def _cv_of_gaps(units: Sequence[Unit]) -> float | None:
    shape = _shape(units)
    if shape is None:
        return None
    groups = _programs(units).values()
    parts = [[(sum(u.gaps) / len(u.gaps), float(len(u.gaps))) for u in own] for own in groups]
    return _within(parts, lambda mean: mean * mean / shape)


def _spread(parts: Sequence[tuple[float, float]], noise: Callable[[float], float]) -> float | None:
    return _within([parts], noise)


def _within(groups: Sequence[Sequence[tuple[float, float]]], noise: Callable[[float], float]) -> float | None:
    """Deviation over mean of what differs inside groups, chance taken out.

    Args:
        groups: (value, weight) of each member; a value's variance by chance is `noise(mean)` / weight.
    """
    over = scale = 0.0
    for parts in groups:
        total = sum(weight for _, weight in parts)
        if len(parts) < 2 or not total:
            continue
        mean = sum(value * weight for value, weight in parts) / total
        if mean <= 0:
            continue
        seen = sum(weight * (value - mean) ** 2 for value, weight in parts)
        over += seen - (len(parts) - 1) * noise(mean)
        scale += (total - sum(weight * weight for _, weight in parts) / total) * mean * mean
    return sqrt(max(0.0, over / scale)) if scale else None


# -- intervals


def _interval(units: Sequence[Unit], estimate: Estimator, value: float) -> tuple[float | None, float | None]:
    """95 % by the delete-a-group jackknife, on no side below zero."""
    programs = _programs(units)
    clusters: list[Sequence[Unit]] = list(programs.values())
    if len(clusters) < ENOUGH_PROGRAMS:
        clusters = [[unit] for unit in units]
    groups = min(GROUPS, len(clusters))
    if groups < 2:
        return None, None
    found = []
    for group in range(groups):
        rest = [unit for number, cluster in enumerate(clusters) if number % groups != group for unit in cluster]
        without = estimate(rest)
        if without is not None:
            found.append(without)
    if len(found) < 2:
        return None, None
    middle = sum(found) / len(found)
    error = sqrt((len(found) - 1) / len(found) * sum((each - middle) ** 2 for each in found))
    reach = _quantile(len(found) - 1) * error
    return max(0.0, value - reach), value + reach


def _quantile(freedom: int) -> float:
    known = [each for each in _T if each <= freedom]
    return _T[max(known)]


def _programs(units: Sequence[Unit]) -> dict[str, list[Unit]]:
    found: dict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        found[unit.program].append(unit)
    return found
