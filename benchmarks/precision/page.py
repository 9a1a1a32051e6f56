"""`docs/precision.md`: every platform under the shipped and the cautious rule set, side by side."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.precision.recordings import real, simulated
from benchmarks.precision.scoring import RuleScore, Score, score
from streams import ruleset
from streams.rules import RULES

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs" / "precision.md"
CAUTIOUS: Final = ROOT / "deploy" / "rulesets" / "cautious.toml"
LIMIT: Final = 5
_OF_PAIRS: Final = frozenset(rule.id for rule in RULES if rule.subject == "pair")


class Case(NamedTuple):
    """A platform to score: its heading, what it is, and how it is made (`mechanics` empty: the example data)."""

    heading: str
    words: str
    mechanics: str = ""
    seed: int = 1
    pairs: int = 2_000

    @property
    def command(self) -> str:
        if not self.mechanics:
            return "python -m benchmarks.precision --real"
        return f"python -m benchmarks.precision --mechanics {self.mechanics} --seed {self.seed} --pairs {self.pairs}"


CASES: Final = (
    Case(
        "Simulated platform",
        "Fates are drawn, what people do follows from them (`examples/platform/fates.py`; rates from cited sources). "
        "Looked at while rules were written, and the cautious rule set was tuned on this seed.",
        "fates",
    ),
    Case(
        "Second generator, other mechanics",
        "People's interest wanders, and what happens follows (`examples/platform/agents.py`). Scored once, unseen; no "
        "rule was changed for it. Attempts before it did not end and showed nothing: between two runs of a program the "
        "engine asked one rule every millisecond, which was mended first.",
        "agents",
    ),
    Case(
        "Example data",
        "The OULAD year (`examples/oulad`): students and tutors, not mentoring pairs. A student who failed or withdrew "
        "is a pair that fails; only what is said before the withdrawal, or the end of the course, counts as in time. "
        "Their trouble has no known beginning: precision says how often a named student did not pass.",
    ),
)


class Result(NamedTuple):
    case: Case
    is_cautious: bool
    facts: int
    score: Score
    silent: list[str]


def run(job: tuple[Case, bool]) -> Result:
    """Score one platform under one rule set.

    Raises: RuntimeError when a rule raised.
    """
    case, is_cautious = job
    rules = ruleset.parse(tomllib.loads(CAUTIOUS.read_text("utf-8"))) if is_cautious else None
    made = simulated(case.mechanics, case.seed, case.pairs, rules) if case.mechanics else real(None, rules)
    if made.faults:
        raise RuntimeError(f"rules raised: {made.faults}")
    silent = sorted({rule.id for rule in RULES} - {one.rule for one in made.opened})
    return Result(case, is_cautious, made.facts, score(made.opened, made.truth, made.begin_ms, made.end_ms), silent)


def write(cases: tuple[Case, ...] = CASES, workers: int = 2) -> None:
    """Score everything and write the page; some minutes."""
    jobs = [(case, is_cautious) for case in cases for is_cautious in (False, True)]
    with ProcessPoolExecutor(workers) as pool:
        results = list(pool.map(run, jobs))
    PAGE.write_text("\n".join(_lines(results)) + "\n", "utf-8")


def _lines(results: list[Result]) -> Iterator[str]:
    yield "# How often the rules are right"
    yield ""
    yield "Written by `make precision`; every figure follows from a seed. What the words mean:"
    yield ""
    yield "- *sent*: interventions about pairs and people that go to a coordinator by themselves, each counted once,"
    yield f"  when first sent; our limit is {LIMIT} per 50 pairs and month. *Of pairs*: those of rules whose subject is"
    yield "  the pair itself, not one of its members (`rating.low`, `rating.dropped`) or a person."
    yield "- *right*: a pair it names was in trouble then. *chance*: share of pair-time in trouble, what a rule that"
    yield "  speaks at random would have. *recall*: failing pairs named in time, before the relationship was over;"
    yield "  *lead*: median days before that."
    yield "- The truth of a simulated platform is kept apart from what rules see (`examples/platform/README.md`)."
    yield ""
    yield "## All that is sent"
    yield ""
    yield "| platform | rule set | per 50 pairs and month | of pairs | sent | right | chance | recall | median lead |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for each in results:
        found = each.score
        total = found.overall
        about_pairs = sum(one.said for one in found.rules if one.rule in _OF_PAIRS)
        yield (
            f"| {each.case.heading} | {_name(each)} | {found.per_50_pairs_and_month:.2f} "
            f"| {50.0 * about_pairs / found.pair_months:.2f} | {total.said:,} "
            f"| {total.right:,} ({_share(total.precision)}) | {found.base_rate:.0%} "
            f"| {total.caught:,} of {total.failing:,} ({_share(total.recall)}) | {_days(total)} |"
        )
    yield ""
    for each in results:
        if not each.is_cautious:
            yield from _by_rule(each)


def _by_rule(each: Result) -> Iterator[str]:
    found = each.score
    yield f"## {each.case.heading}, by rule"
    yield ""
    size = f"{each.facts:,} facts, {found.pairs:,} pairs, {found.pair_months:,.0f} pair-months"
    yield f"{each.case.words} {size}. Shipped rule set."
    yield ""
    yield "```sh"
    yield each.case.command
    yield "```"
    yield ""
    yield "| rule | opened | right | sent | failing pairs named in time | median lead |"
    yield "|---|---|---|---|---|---|"
    for one in found.rules:
        yield (
            f"| `{one.rule}` | {one.opened:,} | {one.right:,} ({_share(one.precision)}) | {one.said:,} "
            f"| {one.caught:,} of {one.failing:,} ({_share(one.recall)}) | {_days(one)} |"
        )
    yield ""
    if any(pairs for pairs, _ in found.by_fate.values()):
        ways = ", ".join(f"{fate} {caught} of {pairs}" for fate, (pairs, caught) in found.by_fate.items())
        yield f"Ways to fail, and how many were named in time by any rule: {ways}."
        yield ""
    if found.program_rules:
        yield "About programs (right: while the program is in trouble or within four weeks after):"
        yield ""
        yield "| rule | opened | right | programs in trouble found |"
        yield "|---|---|---|---|"
        for one in found.program_rules:
            right = f"{one.right:,} ({_share(one.precision)})"
            yield f"| `{one.rule}` | {one.opened:,} | {right} | {one.caught} of {one.failing} |"
        yield ""
    if found.unscored:
        yield "Not scored: " + ", ".join(f"`{rule}` {count:,}" for rule, count in found.unscored.items()) + "."
    if each.silent:
        yield "Never spoke: " + ", ".join(f"`{rule}`" for rule in each.silent) + "."
    yield ""


def _name(each: Result) -> str:
    return "cautious" if each.is_cautious else "shipped"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _days(one: RuleScore) -> str:
    return "–" if one.median_lead_days is None else f"{one.median_lead_days:.0f} d"
