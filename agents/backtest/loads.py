"""Messages of both runs, after the notifier's policy: one pass over each run's records, all partitions merged."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

from agents.backtest.parts import Part
from agents.backtest.pool import run_all
from agents.backtest.runs import Selection
from agents.backtest.sources import Progress
from agents.backtest.tasks import Ask, Partial
from schemas.outbound import decode_intervention
from streams.backtest.load import Load, People, measure
from streams.backtest.programs import Program

Lines = tuple[int, Part, int | None]
"""Number of a partition, its records, and how many of them count."""


def measure_loads(partials: Sequence[Partial], programs: Mapping[str, Program], ask: Ask, jobs: int) -> list[Load]:
    """Pass the records of both runs, each in a process of its own where there are several.

    Returns: the load of the run asked about, then that of the other if there is one.
    """
    sides: list[list[Lines]] = [[(one.number, one.here.part, one.here.limit) for one in partials]]
    if ask.there is not None:
        sides.append([(one.number, one.there.part, None) for one in partials if one.there is not None])
    tasks = [(_measure, (lines, dict(programs), ask.people, ask.selection)) for lines in sides]
    return run_all(tasks, min(jobs, len(sides)), lambda _: None)


def _measure(
    lines: list[Lines],
    programs: dict[str, Program],
    people: People,
    selection: Selection,
    _progress: Progress,
) -> Load:
    merged = heapq.merge(*(part.by_time(number, *selection.bounds, limit) for number, part, limit in lines))
    return measure((decode_intervention(line) for _, _, _, line in merged), programs, people)
