"""Runs a backtest: a recording in, a folder out, which appears only when it is whole.

What decides and what counts is `streams.backtest`. Here are files and processes: each partition is a task of its own
(`runs`), whose interventions are written as they are decided (`parts`); the answers of all tasks are then merged by
time (`asking`). Memory holds the state of the partitions at work, and a few numbers per intervention, however long the
recording is.
"""

from agents.backtest.asking import backtest
from agents.backtest.output import FILES, OutputError
from agents.backtest.short import backtest_facts, backtest_journal
from agents.backtest.sources import Progress, Source, open_source
from agents.backtest.sweeping import sweep
from agents.backtest.tasks import Ask

__all__ = [
    "FILES",
    "Ask",
    "OutputError",
    "Progress",
    "Source",
    "backtest",
    "backtest_facts",
    "backtest_journal",
    "open_source",
    "sweep",
]
