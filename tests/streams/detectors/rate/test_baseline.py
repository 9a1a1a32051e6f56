from math import exp, lgamma, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.detectors.rate.baseline import (
    HALF_LIFE_WEEKS,
    Baseline,
    commit,
    compare_weeks,
    dispersion,
    lowest_dispersion,
    mean_rate,
    quantile_30,
    relearn,
    start,
)
from tests.streams.detectors.simulation import lucas_run_length


def gamma_cdf(shape: float, x: float) -> float:
    term = total = 1.0 / shape
    k = 0
    while term > total * 1e-17:
        k += 1
        term *= x / (shape + k)
        total += term
    return total * exp(-x + shape * log(x) - lgamma(shape))


@given(st.floats(1.0, 3_000.0))
def test_the_quantile_is_the_30_percent_quantile_of_a_gamma_law(shape: float) -> None:
    quantile = quantile_30(shape)
    assert gamma_cdf(shape, quantile * (1 - 1e-5)) < 0.3 < gamma_cdf(shape, quantile * (1 + 1e-5))


@pytest.mark.parametrize(("head_start", "published"), [(0, 437), (5, 318)])
def test_the_cusum_has_the_run_lengths_published_by_lucas(head_start: float, published: int) -> None:
    assert round(lucas_run_length(head_start)) == published


def test_a_young_baseline_is_its_prior_read_carefully() -> None:
    baseline = start(0.2, 1 / 0.36)
    assert mean_rate(baseline, 1 / 0.36) == pytest.approx(0.2)
    assert 0.1 < baseline.rate < 0.14


def test_little_evidence_lowers_the_rate_and_much_evidence_ends_at_the_truth() -> None:
    shape, rates = 1 / 0.36, list[float]()
    for weeks in (1, 10, 100, 10_000):
        baseline = start(0.5, shape)
        baseline.waiting_events = weeks // 2
        commit(baseline, shape, float(weeks), 0.0)
        rates.append(baseline.rate)
    assert rates == sorted(rates)
    assert rates[-1] == pytest.approx(0.5, rel=0.01)


def test_counts_fade_by_half_in_26_clock_weeks_whatever_the_exposure() -> None:
    baseline = Baseline(0.2, 0.2, events=40.0, exposure=200.0, waiting_events=3)
    commit(baseline, 2.8, 900.0, HALF_LIFE_WEEKS)
    assert baseline.events == pytest.approx(23.0)
    assert baseline.exposure == pytest.approx(1_000.0)


def test_relearning_replaces_the_counts() -> None:
    baseline = Baseline(0.2, 0.2, events=40.0, exposure=200.0, guard=3.0, waiting_events=3)
    relearn(baseline, 2.8, 4, 80.0)
    assert (baseline.events, baseline.exposure, baseline.waiting_events, baseline.guard) == (4.0, 80.0, 0, 0.0)


def test_weeks_that_scatter_like_poisson_leave_dispersion_near_one() -> None:
    baseline = start(0.5, 2.8)
    for week in range(40):
        compare_weeks(baseline, (10 - week % 2, 20.0), (10 + week % 3, 20.0), 0.5, binary=False)
    assert dispersion(baseline) == 1.0


def test_weeks_that_scatter_more_raise_dispersion_up_to_ten() -> None:
    baseline = start(0.5, 2.8)
    compare_weeks(baseline, (4, 20.0), (16, 20.0), 0.5, binary=False)
    assert baseline.spread is not None
    assert baseline.spread.total == pytest.approx(144 / 20)
    assert 1.5 < dispersion(baseline) < 3.0
    compare_weeks(baseline, (0, 200.0), (400, 200.0), 0.5, binary=False)
    assert dispersion(baseline) == 10.0


def test_a_full_stop_hardly_raises_dispersion() -> None:
    baseline = start(0.25, 2.8)
    for _ in range(20):
        compare_weeks(baseline, (4, 20.0), (6, 20.0), 0.25, binary=False)
    before = dispersion(baseline)
    compare_weeks(baseline, (5, 20.0), (0, 20.0), 0.25, binary=False)
    compare_weeks(baseline, (0, 20.0), (0, 20.0), 0.25, binary=False)
    assert dispersion(baseline) <= before * 1.1


def test_weeks_that_expect_one_event_or_fewer_say_nothing() -> None:
    baseline = start(0.1, 2.8)
    compare_weeks(baseline, (0, 10.0), (7, 10.0), 0.1, binary=False)
    compare_weeks(baseline, (0, 1.0), (7, 100.0), 0.1, binary=False)
    assert baseline.spread is None


def test_exposure_of_neighbouring_weeks_may_differ() -> None:
    baseline = start(0.5, 2.8)
    compare_weeks(baseline, (10, 20.0), (20, 40.0), 0.5, binary=False)
    assert baseline.spread is not None
    assert baseline.spread.total == 0.0


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=6))
def test_the_lowest_dispersion_bounds_what_later_weeks_leave(weeks: list[tuple[int, int]]) -> None:
    baseline = start(0.5, 2.8)
    compare_weeks(baseline, (2, 20.0), (20, 20.0), 0.5, binary=False)
    bound = lowest_dispersion(baseline, len(weeks))
    for events, more in weeks:
        compare_weeks(baseline, (events, 20.0), (more, 20.0), 0.5, binary=False)
    assert dispersion(baseline) >= bound
