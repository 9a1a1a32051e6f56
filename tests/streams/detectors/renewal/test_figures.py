"""Figures of the renewal detector beside the published ones; `make detectors` does the same at length."""

from random import Random
from statistics import mean, median

import pytest

from streams.detectors.renewal import RenewalParams
from tests.streams.detectors.renewal_simulation import (
    MeetingProgram,
    known,
    known_run_weeks,
    known_stop_days,
    silences,
)


@pytest.mark.parametrize(("shape", "published"), [(1.0, 89), (2.0, 60), (8.0, 33)])
def test_days_to_notice_a_lost_fortnightly_rhythm(shape: float, published: float) -> None:
    random, params = Random(1), known(14.0, shape)
    days = [known_stop_days(random, 14.0, shape, params) for _ in range(60)]
    assert median(days) == pytest.approx(published, rel=0.05)


@pytest.mark.parametrize("shape", [1.0, 4.0])
def test_mean_time_to_a_false_alarm_is_the_threshold(shape: float) -> None:
    random, params = Random(2), known(14.0, shape, far_per_year=52.18 / 60)
    lengths = [known_run_weeks(random, 14.0, shape, params) for _ in range(300)]
    assert mean(lengths) == pytest.approx(60.0, rel=0.15)


@pytest.mark.parametrize("shape", [1.0, 2.0, 6.0])
def test_false_alarms_a_pair_year_with_a_learned_rhythm(shape: float) -> None:
    params = RenewalParams(far_per_year=0.1)
    alarms = [len(silences(MeetingProgram(shape=shape), Random(f"{shape}/{run}"), params)) for run in range(4)]
    assert sum(alarms) / 200 <= 0.16


def test_a_learned_rhythm_that_stops_is_noticed_in_time() -> None:
    program = MeetingProgram(shape=4.0, weeks=80.0, stop_week=30.0)
    days = [gap for week, gap in silences(program, Random(3), RenewalParams()) if week > 30]
    assert len(days) >= 47
    assert median(days) < 50
