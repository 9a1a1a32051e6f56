"""Numbers as words, and tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import StatisticsError

from benchmarks.harness.results import Part, Spread

DASH = "–"


def number(value: float) -> str:
    """Three digits that mean something."""
    if value >= 1_000:
        digits = max(0, len(str(int(value))) - 3)
        return f"{round(value, -digits):,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def spread(part: Part | None, case: str, figure: str) -> str:
    """`median (least to most)` of all runs; a dash where nothing was measured."""
    found = spread_of(part, case, figure)
    if found is None:
        return DASH
    if found.runs == 1:
        return number(found.median)
    return f"{number(found.median)} ({number(found.least)} to {number(found.most)})"


def spread_of(part: Part | None, case: str, figure: str) -> Spread | None:
    """The figure over all runs of a case."""
    if part is None:
        return None
    try:
        return Spread.of(part.values(case, figure))
    except StatisticsError:
        return None


def middle(part: Part | None, case: str, figure: str) -> float | None:
    """The median alone."""
    found = spread_of(part, case, figure)
    return None if found is None else found.median


def ratio(part: Part | None, case: str) -> str:
    """CPU of a fact over that of a record in the bare loop, run by run: the median."""
    if part is None:
        return DASH
    pairs = zip(part.values(case, "cpu_us"), part.values(case, "bare_us"), strict=False)
    found = [cost / bare for cost, bare in pairs]
    return f"{Spread.of(found).median:.2g}" if found else DASH


def runs(part: Part | None, case: str) -> str:
    """How many runs there were, those that failed included and named."""
    if part is None:
        return DASH
    failed = len(part.values(case, "failed"))
    return f"{sum(run.case == case for run in part.runs)}{f', {failed} failed' if failed else ''}"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table; all columns but the first are aligned right."""
    rule = "|---|" + "---:|" * (len(head) - 1)
    return "\n".join(["| " + " | ".join(head) + " |", rule, *("| " + " | ".join(line) + " |" for line in lines)]) + "\n"


def when(part: Part) -> str:
    """Commit, time and what else ran, of a part."""
    foreign = [run.figures["foreign"] for run in part.runs if "foreign" in run.figures]
    others = f"; others kept {Spread.of(foreign).median:.2g} CPUs busy (median)" if foreign else ""
    small = "**small loads**, " if part.is_quick else ""
    return f"{small}{part.began} UTC, commit {part.commit}, {part.seconds:.0f} s{others}"
