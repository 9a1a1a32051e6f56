"""Recordings through the engine: journal entries partition by partition, or raw facts with one clock over all of them.

Both drive the same `streams.engine.Engine` as a live worker, so the same entries give the same bytes. What differs is
whether the journal says which rule set is in force (`recorded`) or the caller does (`fixed`).
"""

from streams.backtest.fact_replay import PARTITIONS, FactReplay
from streams.backtest.journal_replay import JournalReplay
from streams.backtest.tally import ReplayError, Tally

__all__ = ["PARTITIONS", "FactReplay", "JournalReplay", "ReplayError", "Tally"]
