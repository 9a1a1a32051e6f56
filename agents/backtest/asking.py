"""One question to a recording: all of its tasks, and their answers as one folder."""

from __future__ import annotations

import heapq
from itertools import chain
from pathlib import Path
from typing import Any, Final

import msgspec

from agents.backtest.drawings import draw
from agents.backtest.loads import measure_loads
from agents.backtest.output import staged, write_json, write_lines
from agents.backtest.pool import run_all
from agents.backtest.runs import Side, instant
from agents.backtest.sources import Progress, Source
from agents.backtest.tasks import SCORED, Answered, Ask, Partial, answer
from agents.version import VERSION
from streams.backtest.bootstrap import contrast
from streams.backtest.compare import Comparison
from streams.backtest.episodes import week_of
from streams.backtest.evaluate import ALL, EPISODES, Evaluation
from streams.backtest.parameters import differences
from streams.backtest.programs import Program
from streams.backtest.report import Shown, render
from streams.backtest.summary import Output, Settings, merge, scores_tree, summarise
from streams.ruleset import load, shipped

EXAMPLES: Final = 3
"""Of each rule and kind of difference, on the page."""
Examples = dict[tuple[str, str], list[Any]]


def backtest(source: Source, out: Path, ask: Ask, jobs: int = 1, progress: Progress = lambda _: None) -> dict[str, Any]:
    """Replay a recording into `out`.

    Args:
        jobs: how many processes may work.

    Returns: the summary.
    Raises: RecordingError, ReplayError, OutputError, OSError; nothing is left at `out` then.
    """
    with staged(out) as folder:
        summary, _ = backtest_into(folder, source, ask, jobs, progress)
        return summary


def backtest_into(
    folder: Path, source: Source, ask: Ask, jobs: int, progress: Progress
) -> tuple[dict[str, Any], Shown]:
    """As `backtest`, into a folder that is there. Returns: the summary, and what its page shows beside it."""
    jobs = jobs if source.is_worth(jobs) else 1
    tasks = [(answer, (source, partitions, ask, folder)) for partitions in source.tasks(jobs)]
    partials = sorted(chain.from_iterable(run_all(tasks, jobs, progress)), key=lambda one: one.number)
    return _write_out(folder, source, ask, partials, jobs)


def _write_out(
    folder: Path, source: Source, ask: Ask, partials: list[Partial], jobs: int
) -> tuple[dict[str, Any], Shown]:
    chosen = ask.selection.bounds
    merged = heapq.merge(*(one.here.part.by_time(one.number, *chosen) for one in partials))
    decided: list[int] = []

    def lines() -> Any:
        for at_ms, _, _, line in merged:
            decided[:] = [decided[0] if decided else at_ms, at_ms, (decided[2] if decided else 0) + 1]
            yield line

    digest = write_lines(folder / "interventions.jsonl", lines())
    first_ms, last_ms, count = decided or (None, None, 0)
    letters = sorted((bad for one in partials for bad in one.bad), key=lambda one: one[:2])
    write_lines(folder / "dead-letters.jsonl", (_letter(source, *one) for one in letters))
    tally = merge(one.here.tally for one in partials)
    tally["entries",] = partials[0].entries if source.kind == "facts" else sum(one.entries for one in partials)
    tally["dead_letters",] = len(letters)
    summary = summarise(
        tally,
        Settings(
            kind=source.kind,
            rules=_hash_of(ask.here),
            engine=VERSION,
            recording=source.content_hash,
            partitions=source.partitions,
        ),
        Output(lines=count, sha256=digest, first_ms=first_ms, last_ms=last_ms),
    )
    shown = _add_results(summary, folder, ask, partials, jobs)
    for one in partials:
        for part in (one.here.part, one.there.part if one.there is not None else None, one.differences):
            if part is not None:
                part.path.unlink()
    write_json(folder / "summary.json", summary)
    (folder / "report.html").write_text(render(summary, shown), "utf-8")
    return summary, shown


def _add_results(summary: dict[str, Any], folder: Path, ask: Ask, partials: list[Partial], jobs: int) -> Shown:
    span = _span(partials, ask)
    programs = _programs(partials)
    loads = measure_loads(partials, programs, ask, jobs)
    summary["asked"] = {
        "from": instant(ask.selection.from_ms),
        "to": instant(ask.selection.to_ms),
        "programs": None if ask.selection.programs is None else sorted(ask.selection.programs),
        "unknown_programs": sorted((ask.selection.programs or frozenset()) - programs.keys()),
        "horizon_days": ask.horizon_ms / 86_400_000,
        "recipients": ask.people.source,
    }
    summary["read"] = {"from": instant(span[0] if span else None), "to": instant(span[1] if span else None)}
    summary["load"] = loads[0].tree(span, ask.capacity)
    mine = merged_evaluation([one.here for one in partials])
    summary["evaluation"] = scores_tree(mine, SCORED)
    summary["parameters"] = _parameters(ask)
    leads = sorted(mine.leads_ms.get(EPISODES, []))
    if ask.there is None:
        return Shown(drawings=draw(summary, loads, span, leads))
    theirs = [one.there for one in partials if one.there is not None]
    comparison = _comparison(partials)
    other = merged_evaluation(theirs)
    summary["comparison"] = {
        "against": "live" if ask.there.is_live else _hash_of(ask.there),
        **comparison.tree(),
        "load": loads[1].tree(span, ask.capacity),
        "interventions": _by_rule(theirs),
        "evaluation": scores_tree(other, SCORED),
        "contrast": {
            rule: {
                name: msgspec.to_builtins(one)
                for name, one in contrast(mine.plain.get(rule, {}), other.plain.get(rule, {})).items()
            }
            for rule in (EPISODES, ALL, *SCORED)
            if rule in (EPISODES, ALL) or mine.total(rule).alarms or other.total(rule).alarms
        },
    }
    if ask.there.is_live:
        unequal = [one.unequal for one in partials if one.unequal is not None]
        summary["comparison"]["first_unequal"] = unequal[0] if unequal else None
        summary["comparison"]["behind"] = sum(one.behind for one in partials)
    examples: Examples = {}

    def lines() -> Any:
        parts = [one.differences.by_time(one.number) for one in partials if one.differences is not None]
        for _, _, _, line in heapq.merge(*parts):
            _collect(examples, line)
            yield line

    write_lines(folder / "comparison.jsonl", lines())
    return Shown(examples=examples, drawings=draw(summary, loads, span, leads))


def _collect(examples: Examples, line: bytes) -> None:
    """Keep the first few of each kind."""
    tree = msgspec.json.decode(line)
    place = examples.setdefault((tree["rule"], tree["differs"][0]), [])
    if len(place) < EXAMPLES:
        place.append(tree)


def _letter(source: Source, file: int, number: int, rejected: Any) -> bytes:
    assert source.facts is not None
    where = {"file": source.facts.names[file]} if source.facts.is_folder else {}
    tree = {**where, "line": number, "reason": rejected.reason, "message": rejected.message}
    return msgspec.json.encode(tree) + b"\n"


def _parameters(ask: Ask) -> list[dict[str, Any]] | None:
    """In what both rule sets differ; beside a single one, in what it differs from the shipped one."""
    there = ask.there
    if ask.here.rules is None or (there is not None and there.rules is None):
        return None
    return differences(load(ask.here.rules), shipped() if there is None or there.rules is None else load(there.rules))


def _hash_of(side: Side) -> str:
    return "recorded" if side.rules is None else load(side.rules).hash


def _programs(partials: list[Partial]) -> dict[str, Program]:
    return {name: program for one in partials for name, program in one.programs.items()}


def _span(partials: list[Partial], ask: Ask) -> tuple[int, int] | None:
    """From the first arrival to the last, or as far as was asked."""
    firsts = [one.first_ms for one in partials if one.first_ms >= 0]
    ends = [one.end_ms for one in partials if one.end_ms >= 0]
    if not firsts or not ends:
        return None
    from_ms, to_ms = ask.selection.bounds
    first, end = max(min(firsts), from_ms), min(max(ends), to_ms)
    return (first, end) if week_of(first) <= week_of(end) else None


def merged_evaluation(answered: list[Answered]) -> Evaluation:
    """The scores of all partitions."""
    total = Evaluation()
    for one in answered:
        total.merge(one.evaluation)
    return total


def _comparison(partials: list[Partial]) -> Comparison:
    total = Comparison.empty()
    for one in partials:
        if one.comparison is not None:
            total.merge(one.comparison)
    return total


def _by_rule(answered: list[Answered]) -> dict[str, dict[str, int]]:
    tally = merge(one.tally for one in answered)
    found: dict[str, dict[str, int]] = {}
    for key, count in sorted(tally.items()):
        if key[0] == "interventions":
            found.setdefault(key[1], {})[key[2]] = count
    return found
