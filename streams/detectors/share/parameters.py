"""What a share detector is told, and what it says."""

from dataclasses import dataclass, field
from math import isfinite
from typing import Final, NamedTuple

from streams.clock import DAY_MS

#: Mean weeks in a year: false alarms are tolerated by the year, thresholds are in weeks.
WEEKS_PER_YEAR: Final = 52.18


@dataclass(frozen=True, slots=True)
class ShareParams:
    """Parameters of one share detector, from the rule set. Equal rule parameters can share one object.

    Attributes:
        far_per_year: tolerated false alarms a year; the threshold is 52.18 / far_per_year weeks.
        prior_mean: the mean answer (0 to 1) before anything is known, such as the usual share of positives.
        prior_answers: how many answers that is worth.
        lateness_ms: a day is judged so long after its end; what arrives later than that only teaches.
        recover_days: local days after the alarm that must look usual again, 7 to 56.
    """

    far_per_year: float = 0.5
    prior_mean: float = 0.85
    prior_answers: float = 10.0
    lateness_ms: int = DAY_MS
    recover_days: int = 28
    #: A, in weeks
    threshold: float = field(init=False)

    def __post_init__(self) -> None:
        if not (isfinite(self.far_per_year) and self.far_per_year > 0):
            raise ValueError("far_per_year is positive")
        if not 0 < self.prior_mean < 1 or not 1 <= self.prior_answers <= 1_000:
            raise ValueError("prior_mean lies between 0 and 1, prior_answers is 1 to 1,000")
        if self.lateness_ms < 0 or not 7 <= self.recover_days <= 56:
            raise ValueError("lateness_ms is not negative, recover_days is 7 to 56")
        object.__setattr__(self, "threshold", WEEKS_PER_YEAR / self.far_per_year)


class Reading(NamedTuple):
    """The mean of the answers of the last local days, beside the usual one; to 6 digits.

    `usual` is the learned mean, `usual_low` its 30 % quantile (what the answers are held against), `mean` is None when
    there was no answer. `dispersion`: how much more days differ than independent answers would, at least 1.
    """

    days: int
    answers: int
    mean: float | None
    usual: float
    usual_low: float
    dispersion: float


class Fell(NamedTuple):
    """The mean fell. `weeks`: by chance about once in so many weeks. `due_ms` is `at_ms` on the engine's clock."""

    at_ms: int
    due_ms: int
    weeks: float
    threshold_weeks: float
    reading: Reading


class Recovered(NamedTuple):
    """The alarm is over."""

    at_ms: int
    due_ms: int
    reading: Reading


Event = Fell | Recovered


def six_digits(value: float) -> float:
    """Round to 6 significant digits: what is shown must not depend on the last bit of a machine's `exp`."""
    return float(f"{value:.6g}")
