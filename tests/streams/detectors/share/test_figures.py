"""Figures of the share detector; `make detectors` does the same at length."""

from random import Random
from statistics import median

import pytest

from streams.detectors.share import ShareParams
from tests.streams.detectors.share_simulation import AnsweringProgram, falls_of, stresses

PARAMS = ShareParams(far_per_year=0.5)


@pytest.mark.parametrize("name", stresses())
def test_false_alarms_a_year_stay_below_the_limit(name: str) -> None:
    program = stresses()[name]
    runs = 60 if program.weekly <= 10 else 20
    alarms = [len(falls_of(program, Random(f"{name}/{run}"), PARAMS)) for run in range(runs)]
    assert sum(alarms) / runs <= 0.8


@pytest.mark.parametrize(("weekly", "left", "days"), [(10.0, 0.5, 14), (30.0, 0.75, 16)])
def test_a_fall_is_noticed_in_time(weekly: float, left: float, days: float) -> None:
    seen = []
    for run in range(25):
        program = AnsweringProgram(weekly, drop_week=30.0, left=left, weeks=60.0)
        after = [week - 30.0 for week in falls_of(program, Random(run), PARAMS) if week > 30.0]
        seen.append(7.0 * min(after, default=30.0))
    assert median(seen) <= days
