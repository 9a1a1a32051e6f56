"""Backtests: recordings through the same engine, other rule sets, any speed.

What belongs here is pure: lines and journal entries in, decisions and counts out (`lines`, `replay`), and the words and
numbers of a report (`summary`, `report`). Files, processes and progress bars belong to `agents` (`agents.recordings`,
`agents.backtest`); whatever decides belongs to `streams.engine`, of which there is only one.
"""
