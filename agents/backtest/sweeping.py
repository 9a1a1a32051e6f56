"""One parameter over a list of values, or two as a grid: what each would cost, and what it would catch."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from itertools import chain, product
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from agents.backtest.asking import EXAMPLES, backtest_into, merged_evaluation
from agents.backtest.drawings import draw_sweep
from agents.backtest.output import staged, write_json
from agents.backtest.pool import run_all
from agents.backtest.runs import Selection, Side
from agents.backtest.sources import Progress, Source
from agents.backtest.tasks import SCORED, Ask, Partial, answer
from streams.backtest.report import render
from streams.backtest.summary import scores_tree
from streams.ruleset import RuleSet, parse

__all__ = ["EXAMPLES", "Parameter", "sweep"]


class Parameter(Struct, frozen=True):
    """A parameter of a rule and the values to try, as they would stand in a rule file."""

    rule: str
    name: str
    values: tuple[Any, ...]


def sweep(
    source: Source,
    out: Path,
    ask: Ask,
    base: Mapping[str, Any],
    parameters: Sequence[Parameter],
    jobs: int = 1,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """Replay a recording under each combination of values into `out`.

    The folder holds the backtest of the base rule set, and `sweep.json` with a point for each combination. Scores are
    of the swept rule, or of the alarm episodes of all rules where two rules are swept.

    Args:
        ask: of the base rule set, without a second run.
        base: the rule file the values are put into.

    Returns: the summary, points included.
    Raises: RulesetError when a value does not pass its check; else as `agents.backtest.backtest`.
    """
    combinations = list(product(*(one.values for one in parameters)))
    rule_sets = [_with(base, parameters, values) for values in combinations]
    rules = {one.rule for one in parameters}
    scored = rules.pop() if len(rules) == 1 else "all rules, per alarm episode"
    with staged(out) as folder:
        summary, shown = backtest_into(folder, source, ask, jobs, progress)
        jobs = jobs if source.is_worth(jobs) or len(combinations) * source.size > 2 * 100_000 else 1
        points = [
            _point(values, rule_set, scored, partials)
            for values, rule_set, partials in _replay_all(
                source, ask.selection, ask, combinations, rule_sets, folder, jobs, progress
            )
        ]
        summary["sweep"] = {
            "parameters": [{"rule": one.rule, "parameter": one.name, "values": one.values} for one in parameters],
            "scored": scored,
            "points": points,
        }
        write_json(folder / "sweep.json", summary["sweep"])
        write_json(folder / "summary.json", summary)
        shown.drawings.update(draw_sweep(summary["sweep"]))
        (folder / "report.html").write_text(render(summary, shown), "utf-8")
    return msgspec.to_builtins(summary)  # type: ignore[no-any-return]


def _replay_all(
    source: Source,
    selection: Selection,
    ask: Ask,
    combinations: Sequence[tuple[Any, ...]],
    rule_sets: Sequence[RuleSet],
    folder: Path,
    jobs: int,
    progress: Progress,
) -> list[tuple[tuple[Any, ...], RuleSet, list[Partial]]]:
    # A combination is a task, not a partition of it: then no result waits for another process.
    tasks: list[tuple[Any, tuple[object, ...]]] = []
    partitions = tuple(range(source.partitions))
    for number, rule_set in enumerate(rule_sets):
        own = folder / f".sweep-{number}"
        own.mkdir()
        one = Ask(
            Side("here", rule_set.encoded()), selection=selection, horizon_ms=ask.horizon_ms, capacity=ask.capacity
        )
        tasks.append((_answer_and_forget, (source, partitions, one, own)))
    answers = run_all(tasks, jobs, progress)
    return list(zip(combinations, rule_sets, answers, strict=True))


def _answer_and_forget(
    source: Source, partitions: tuple[int, ...], ask: Ask, folder: Path, progress: Progress = lambda _: None
) -> list[Partial]:
    """As `answer`; the interventions themselves are not kept."""
    found = list(chain(answer(source, partitions, ask, folder, progress)))
    shutil.rmtree(folder)
    return found


def _with(base: Mapping[str, Any], parameters: Sequence[Parameter], values: Sequence[Any]) -> RuleSet:
    rules = {name: dict(section) for name, section in base.get("rules", {}).items()}
    for parameter, value in zip(parameters, values, strict=True):
        rules.setdefault(parameter.rule, {})[parameter.name] = value
    return parse({**base, "rules": rules})


def _point(values: Sequence[Any], rule_set: RuleSet, scored: str, partials: list[Partial]) -> dict[str, Any]:
    evaluation = merged_evaluation([one.here for one in partials])
    tree = scores_tree(evaluation, SCORED)["rules"]
    scores = tree.get(scored) or scores_tree(evaluation, [scored], even_silent=True)["rules"][scored]
    return {
        "values": list(values),
        "ruleset": rule_set.hash,
        **{name: scores[name] for name in scores if name != "helped"},
    }
