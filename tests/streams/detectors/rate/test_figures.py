"""Published and required figures by seeded simulation, short. `python -m benchmarks.detectors` runs the long ones."""

from random import Random
from statistics import median

import msgspec
import pytest

from streams.calendar import WEEK_MS, calendar_of
from streams.clock import DAY_MS
from streams.detectors.rate import Event, RateStream, advance, set_pairs, submit
from streams.detectors.rate.mixture import after_events, mean_weeks, silent
from tests.streams.detectors.simulation import (
    START_MS,
    SurveyProgram,
    alarms_of,
    delay_days,
    estimate,
    known,
    start_known,
    stresses,
    survey_alarms_of,
    survey_stresses,
)

PLAIN = calendar_of()


def run_length_weeks(random: Random, threshold: float, rates: tuple[float, float], period: float) -> float:
    """Run the bare recursion at its baseline until the alarm; exposure alternates every `period` weeks."""
    risk, at, steps = (0.0, 0.0, 0.0, 0.0), 0.0, 0
    while True:
        rate = rates[steps % 2]
        left = period * (steps + 1) - at
        wait = random.expovariate(rate)
        weeks = min(wait, left)
        ahead = silent(risk, weeks, rate * weeks)
        if mean_weeks(ahead) >= threshold:
            low, high = 0.0, weeks
            for _ in range(40):
                middle = (low + high) / 2
                if mean_weeks(silent(risk, middle, rate * middle)) >= threshold:
                    high = middle
                else:
                    low = middle
            return at + high
        risk, at = ahead, at + weeks
        if wait < left:
            risk = after_events(risk, 1, 1.0)
        else:
            steps += 1


@pytest.mark.parametrize("rates", [(1.0, 1.0), (0.5, 2.0)], ids=["constant", "exposure alternating 2 and 8"])
def test_the_mean_time_to_a_false_alarm_is_the_threshold(rates: tuple[float, float]) -> None:
    random = Random(11)
    got = estimate([run_length_weeks(random, 100.0, rates, 3.0) for _ in range(1_200)])
    assert abs(got.mean - 100.0) < 3 * got.error


def test_the_whole_stream_has_that_mean_time_too_with_extra_steps_and_a_restart_at_every_event() -> None:
    random, run_lengths = Random(12), list[float]()
    params = known(1.0, 4, far_per_year=52.18 / 50)
    for _ in range(250):
        stream = start_known(START_MS, 2, PLAIN, params)
        now, pairs, events = START_MS, 2, list[Event]()
        while not events:
            wait, before = int(random.expovariate(pairs / 4) * WEEK_MS), now
            if now // (4 * WEEK_MS) != (now + wait) // (4 * WEEK_MS):
                now = (now // (4 * WEEK_MS) + 1) * 4 * WEEK_MS
                pairs = 10 - pairs
                events = set_pairs(stream, now, pairs, now, PLAIN, params)
            else:
                now += wait
                events = advance(stream, before + wait // 2, PLAIN, params) or submit(stream, now, now, PLAIN, params)
            stream = msgspec.msgpack.decode(msgspec.msgpack.encode(stream), type=RateStream)
        run_lengths.append((events[0].at_ms - START_MS) / WEEK_MS - 4)
    got = estimate(run_lengths)
    assert abs(got.mean - 50.0) < 3 * got.error


@pytest.mark.parametrize(
    ("weekly", "left", "published"), [(5.0, 0.5, 27), (5.0, 0.25, 14), (5.0, 0.0, 9), (30.0, 0.5, 7), (30.0, 0.0, 2)]
)
def test_a_drop_is_noticed_after_the_published_days(weekly: float, left: float, published: float) -> None:
    random = Random(13)
    delays = [delay for _ in range(90) if (delay := delay_days(random, weekly, left)) is not None]
    assert median(delays) == pytest.approx(published, rel=0.2, abs=1.0)


@pytest.mark.parametrize(("weekly", "runs"), [(2.0, 60), (5.0, 50), (10.0, 40), (30.0, 25)])
def test_false_alarms_stay_near_their_target_under_every_stress(weekly: float, runs: int) -> None:
    """All stresses together at most 0.8 a year; each alone is too short a run for that, but is far from going wrong."""
    rates = []
    for name, program in stresses(weekly).items():
        alarms = [len(alarms_of(program, Random(f"{name}/{weekly}/{run}"))) for run in range(runs)]
        rates.append(sum(alarms) / runs)
        assert rates[-1] < 1.25, name
    assert sum(rates) / len(rates) <= 0.8


def test_false_alarms_of_survey_programs_stay_below_target() -> None:
    for name, program in survey_stresses().items():
        alarms = [len(survey_alarms_of(program, Random(f"{name}/{run}"))) for run in range(25)]
        assert sum(alarms) / 25 <= 0.9, name


def test_a_stop_of_answers_is_noticed_within_weeks() -> None:
    drop = 30.0
    program = SurveyProgram(50, spread_weeks=20, drop_week=drop, left=0.0)
    delays = []
    for run in range(25):
        at = [(alarm.at_ms - START_MS) / DAY_MS - 7 * drop for alarm in survey_alarms_of(program, Random(run))]
        delays.append(min([days for days in at if days > 0], default=999.0))
    assert 7 <= median(delays) <= 16
