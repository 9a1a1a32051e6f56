"""The plain question: one rule set, all of a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agents.backtest.asking import backtest
from agents.backtest.runs import Side
from agents.backtest.sources import Progress, Source
from agents.backtest.tasks import Ask
from agents.fact_files import FactFiles
from agents.recordings import Recording
from streams.ruleset import RuleSet


def backtest_journal(
    recording: Recording, out: Path, rules: RuleSet | None, jobs: int = 1, progress: Progress = lambda _: None
) -> dict[str, Any]:
    """Replay a recording of the journal into `out`.

    Args:
        rules: in force throughout; None obeys what the recording activates.
        jobs: how many processes may work, each on whole partitions.

    Returns: the summary.
    Raises: RecordingError, ReplayError, OutputError.
    """
    return backtest(Source(journal=recording), out, _ask(rules), jobs, progress)


def backtest_facts(
    files: FactFiles, out: Path, rules: RuleSet | None, jobs: int = 1, progress: Progress = lambda _: None
) -> dict[str, Any]:
    """Replay lines of facts into `out`; arguments, result and errors as of `backtest_journal`."""
    return backtest(Source(facts=files), out, _ask(rules), jobs, progress)


def _ask(rules: RuleSet | None) -> Ask:
    return Ask(Side("here", None if rules is None else rules.encoded()))
