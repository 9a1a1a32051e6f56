"""What is usual: the quantile against published values, the bets against their promise, the dispersion."""

from random import Random
from statistics import mean

import pytest

from streams.detectors.share import usual as learned
from streams.detectors.share.risk import BETS, CALM, after_answers, mean_weeks


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        # Closed forms: Beta(a, 1) has quantile p^(1/a), Beta(1, b) has 1 - (1 - p)^(1/b).
        (8.0, 1.0, 0.3 ** (1 / 8)),
        (20.0, 1.0, 0.3 ** (1 / 20)),
        (1.0, 5.0, 1 - 0.7 ** (1 / 5)),
        # I_x(2, 2) = 3x² - 2x³ = 0.3
        (2.0, 2.0, 0.3632574),
    ],
)
def test_the_quantile_is_close_to_closed_forms(a: float, b: float, expected: float) -> None:
    assert learned.quantile_30(a, b) == pytest.approx(expected, abs=0.012)


def test_the_quantile_has_thirty_percent_below_it() -> None:
    random = Random(1)
    for a, b in ((8.5, 1.5), (30.0, 5.0), (3.0, 4.0), (200.0, 20.0)):
        drawn = [random.betavariate(a, b) for _ in range(40_000)]
        below = mean(value < learned.quantile_30(a, b) for value in drawn)
        assert below == pytest.approx(0.3, abs=0.012)


@pytest.mark.parametrize("low", [0.3, 0.8, 0.95])
def test_every_bet_is_fair_at_the_usual_mean_whatever_the_law(low: float) -> None:
    """E[R] after an answer of mean m0 is R + weeks: for answers of 0 or 1, and for ratings of that mean."""
    zero = after_answers(CALM, 1.0, low, ((0.0, 1),), 1.0)
    one = after_answers(CALM, 1.0, low, ((1.0, 1),), 1.0)
    for index in range(len(BETS)):
        assert (1 - low) * zero[index] + low * one[index] == pytest.approx(1.0)
    half = after_answers(CALM, 1.0, low, ((low, 1),), 1.0)
    assert mean_weeks(half) == pytest.approx(1.0)
    assert min(one) > 0.0


def test_answers_of_one_day_share_its_time() -> None:
    many = after_answers(CALM, 2.0, 0.8, ((0.8, 50),), 1.0)
    assert mean_weeks(many) == pytest.approx(2.0)
    assert mean_weeks(after_answers(CALM, 500.0, 0.8, ((0.8, 1),), 1.0)) == pytest.approx(13.0)


def test_dispersion_finds_days_that_share_a_mood_and_no_others() -> None:
    random = Random(2)

    def learn(worth: float | None, left: float = 1.0) -> float:
        usual = learned.start(0.8, 10.0)
        for day in range(200):
            share = 0.8 * (left if day >= 100 else 1.0)
            share = share if worth is None else random.betavariate(share * worth, (1 - share) * worth)
            learned.look_at_day(usual, float(sum(random.random() < share for _ in range(8))), 8)
        return learned.dispersion(usual)

    assert learn(None) < 1.25
    # Variance of 8 answers that share a Beta mean worth 4: (4 + 8) / (4 + 1) = 2.4 times as much.
    assert learn(4.0) == pytest.approx(2.4, abs=0.5)
    assert learn(None, left=0.5) < 1.3
