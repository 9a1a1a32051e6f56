"""The gap law's tail against closed forms and published tables."""

from math import exp, log

import pytest

from streams.detectors.renewal.parameters import HIGHEST_SHAPE, LOWEST_SHAPE
from streams.detectors.renewal.stream import EARLY_GAPS, EARLY_HAZARD
from streams.detectors.renewal.tail import hazard

_SURE = 1e9


@pytest.mark.parametrize("gap", [0.001, 0.4, 1.0, 7.0, 300.0])
@pytest.mark.parametrize("weight", [3.0, 4.8, 40.0, 900.0])
def test_shape_one_is_a_pareto_law(gap: float, weight: float) -> None:
    assert hazard(gap, 1.0, weight, 2.0) == pytest.approx(weight * log(1.0 + gap / 2.0), rel=1e-9)


@pytest.mark.parametrize("gap", [0.01, 0.4, 1.0, 7.0, 300.0])
def test_shape_two_has_a_closed_form(gap: float) -> None:
    y, weight = 3.0 / (3.0 + gap), 5.5
    expected = -log(y**weight * (1.0 + weight * (1.0 - y)))
    assert hazard(gap, 2.0, weight, 3.0) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("freedom", "chance", "value"),
    [
        (1, 0.05, 3.841),
        (4, 0.05, 9.488),
        (5, 0.01, 15.086),
        (10, 0.05, 18.307),
        (20, 0.01, 37.566),
        (16, 0.001, 39.252),
    ],
)
def test_a_law_that_is_known_is_a_gamma_law(freedom: int, chance: float, value: float) -> None:
    """Critical values of chi-square: Pearson and Hartley (1966), Biometrika Tables, table 8."""
    assert hazard(value / 2.0, freedom / 2.0, _SURE, _SURE) == pytest.approx(-log(chance), rel=2e-4)


@pytest.mark.parametrize(
    ("top", "bottom", "chance", "value"),
    [(2, 10, 0.05, 4.103), (4, 10, 0.05, 3.478), (5, 20, 0.05, 2.711), (4, 10, 0.01, 5.994), (10, 10, 0.01, 4.849)],
)
def test_a_law_that_is_learned_is_an_f_law(top: int, bottom: int, chance: float, value: float) -> None:
    """Critical values of F: Pearson and Hartley (1966), Biometrika Tables, table 18."""
    assert hazard(top * value, top / 2.0, bottom / 2.0, float(bottom)) == pytest.approx(-log(chance), rel=4e-4)


def test_a_very_long_gap_stays_finite_and_more_is_always_more() -> None:
    values = [hazard(10.0**power, 4.0, 5_000.0, 1_250.0) for power in range(-6, 9)]
    assert values == sorted(values)
    assert values[-1] < 1e6
    assert values[0] >= 0.0
    assert exp(-hazard(0.0, 4.0, 6.0, 5.0)) == 1.0


def test_no_law_reaches_the_early_hazard_within_the_early_gap() -> None:
    shapes = [LOWEST_SHAPE + (HIGHEST_SHAPE - LOWEST_SHAPE) * step / 40 for step in range(41)]
    for shape in shapes:
        for weight in (3.0, 3.3, 4.8, 8.0, 30.0, 300.0, 1e5):
            assert hazard(EARLY_GAPS * shape / (weight - 1.0), shape, weight, 1.0) < EARLY_HAZARD
