from math import exp
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.detectors.rate.mixture import (
    CALM,
    CEILING,
    RHOS,
    Risk,
    after_batch,
    after_events,
    mean_weeks,
    silence_at_least,
    silent,
    stays_below,
)
from tests.streams.detectors.simulation import estimate

risks = st.tuples(*[st.floats(0, 500)] * 4)


@given(risks, st.floats(1e-6, 5), st.floats(1e-9, 20))
def test_a_silent_stretch_follows_the_published_recursion(risk: Risk, weeks: float, expected: float) -> None:
    for rho, before, after in zip(RHOS, risk, silent(risk, weeks, expected), strict=True):
        growth = (1 - rho) * expected
        series = sum(growth**k / _factorial(k + 1) for k in range(120))
        assert after == pytest.approx(before * exp(growth) + weeks * series, rel=1e-9)


def _factorial(n: int) -> float:
    product = 1.0
    for k in range(2, n + 1):
        product *= k
    return product


@given(risks, st.floats(1e-3, 5), st.floats(1e-3, 10), st.integers(1, 9))
def test_extra_clock_steps_change_nothing(risk: Risk, weeks: float, expected: float, steps: int) -> None:
    walked = risk
    for _ in range(steps):
        walked = silent(walked, weeks / steps, expected / steps)
    assert walked == pytest.approx(silent(risk, weeks, expected), rel=1e-9)


def test_without_exposure_only_the_clock_runs() -> None:
    assert silent((1.0, 2.0, 3.0, 4.0), 0.5, 0.0) == (1.5, 2.5, 3.5, 4.5)


def test_an_event_scales_each_alternative_by_its_rho() -> None:
    assert after_events((8.0, 8.0, 8.0, 8.0), 1, 1.0) == (0.0, 2.0, 4.0, 6.0)
    assert after_events((8.0, 8.0, 8.0, 8.0), 2, 2.0) == pytest.approx((0.0, 2.0, 4.0, 6.0))


def test_numbers_stay_finite_however_long_the_silence() -> None:
    risk = CALM
    for _ in range(50):
        risk = silent(risk, 100.0, 47.0)
    assert risk == (CEILING,) * 4
    assert max(after_batch(CALM, 1.0, 0.9, 0, 100_000, 1.0)) <= CEILING


def test_a_judged_batch_follows_its_formula() -> None:
    r, m, x, ds, phi = 0.3, 11, 2, 1.5, 1.7
    risk = (3.0, 4.0, 5.0, 6.0)
    for rho, before, after in zip(RHOS, risk, after_batch(risk, ds, r, x, m - x, phi), strict=True):
        wanted = (before + ds) * ((1 - rho * r) / (1 - r)) ** ((m - x) / phi) * rho ** (x / phi)
        assert after == pytest.approx(wanted)


@given(risks, st.floats(0.01, 60), st.floats(1, 1000))
def test_the_bound_on_silence_is_never_too_late(risk: Risk, rate: float, above: float) -> None:
    threshold = mean_weeks(risk) + above
    weeks = silence_at_least(risk, rate, threshold)
    assert mean_weeks(silent(risk, weeks, rate * weeks)) <= threshold * (1 + 1e-9)


@given(risks, st.floats(0, 3), st.floats(0, 3), st.floats(1, 3000))
def test_staying_below_is_only_claimed_when_true(risk: Risk, weeks: float, expected: float, threshold: float) -> None:
    if stays_below(risk, weeks, expected, threshold):
        assert mean_weeks(silent(risk, weeks, expected)) < threshold


def test_a_surprise_under_the_baseline_is_worth_its_clock_on_average() -> None:
    """E[R after] = R + s: the martingale that the false-alarm rate rests on, by exact sums over a week's events."""
    rate, before = 2.0, 7.0
    risk = silent((before,) * 4, 1.0, rate)
    # A week of silence has likelihood e^-rate; other weeks are simulated.
    random, totals = Random(5), list[float]()
    for _ in range(20_000):
        state: Risk = (before,) * 4
        at = random.expovariate(rate)
        last = 0.0
        while at < 1.0:
            state = after_events(silent(state, at - last, rate * (at - last)), 1, 1.0)
            last = at
            at += random.expovariate(rate)
        totals.append(mean_weeks(silent(state, 1.0 - last, rate * (1.0 - last))))
    got = estimate(totals)
    assert abs(got.mean - (before + 1.0)) < 4 * got.error
    assert mean_weeks(risk) > before + 1.0
