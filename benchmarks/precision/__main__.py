"""Score the rules in the tree: `python -m benchmarks.precision`.

The first platform is for looking at while rules are written; `--mechanics agents` is run once, when they are done.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.precision import page
from benchmarks.precision.recordings import Recording, real, simulated
from benchmarks.precision.scoring import RuleScore, Score, score
from streams import ruleset
from streams.rules import RULES

_COLUMNS: Final = ("opened", "right", "precision", "reason", "said", "caught", "of", "recall", "lead")
_HEAD: Final = f"{'rule':32} " + " ".join(f"{name:>9}" for name in _COLUMNS)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision", description=__doc__)
    parser.add_argument("--mechanics", choices=("fates", "agents"), default="fates")
    parser.add_argument("--pairs", type=int, default=2_000, help="pairs of the simulated platform")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rules", type=Path, help="a rule file; default: the shipped rule set")
    parser.add_argument("--real", action="store_true", help="the OULAD year instead of a simulated one")
    parser.add_argument("--json", action="store_true", help="figures for a program to read")
    parser.add_argument("--page", action="store_true", help="score every platform and write docs/precision.md")
    given = parser.parse_args()
    if given.page:
        page.write()
        return
    rules = None if given.rules is None else ruleset.parse(tomllib.loads(given.rules.read_text("utf-8")))
    recording = real(None, rules) if given.real else simulated(given.mechanics, given.seed, given.pairs, rules)
    result = score(recording.opened, recording.truth, recording.begin_ms, recording.end_ms)
    if given.json:
        sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
    else:
        sys.stdout.write("\n".join(table(recording, result)) + "\n")


def table(recording: Recording, result: Score) -> list[str]:
    """Lay the figures out for people."""
    silent = sorted({rule.id for rule in RULES} - {one.rule for one in recording.opened})
    lines = [
        f"{recording.name}: {recording.facts:,} facts, {result.pairs:,} pairs, {result.pair_months:,.0f} pair-months",
        f"interventions about pairs and people: {result.pair_level:,}, of them said {result.pair_level_said:,}",
        f"said per 50 pairs and month: {result.per_50_pairs_and_month:.2f} (at most 5)",
        f"share of pair-time in trouble, the precision of chance: {result.base_rate:.0%}",
        "",
        _HEAD,
        *(_line(one) for one in result.rules),
        _line(result.overall),
        "",
        "ways to fail, and how many were named in time by any: "
        + ", ".join(f"{fate} {caught} of {pairs}" for fate, (pairs, caught) in result.by_fate.items()),
    ]
    if result.program_rules:
        lines += ["", "about programs (`of`: programs in trouble; `lead`: days before the trouble ended)"]
        lines += [_line(one) for one in result.program_rules]
    lines += ["", "not scored: " + ", ".join(f"{rule} {count}" for rule, count in result.unscored.items())]
    lines += ["never spoke: " + ", ".join(silent)]
    if recording.faults:
        lines += ["FAULTS in rules: " + ", ".join(f"{rule} {count}" for rule, count in recording.faults.items())]
    return lines


def _line(one: RuleScore) -> str:
    reason = one.with_reason / one.opened if one.opened else None
    lead = "–" if one.median_lead_days is None else f"{one.median_lead_days:.0f} d"
    cells = (
        f"{one.opened:,}",
        f"{one.right:,}",
        _share(one.precision),
        _share(reason),
        f"{one.said:,}",
        f"{one.caught:,}",
        f"{one.failing:,}",
        _share(one.recall),
        lead,
    )
    return f"{one.rule:32} " + " ".join(f"{cell:>9}" for cell in cells)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


if __name__ == "__main__":
    main()
