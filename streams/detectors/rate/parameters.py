"""What a rate detector is told, and what it says."""

from dataclasses import dataclass, field
from math import isfinite
from typing import Final, NamedTuple

from streams.calendar import normalised_week
from streams.clock import DAY_MS

#: Mean weeks in a year: false alarms are tolerated by the year, thresholds are in weeks.
WEEKS_PER_YEAR: Final = 52.18


@dataclass(frozen=True, slots=True)
class RateParams:
    """Parameters of one rate detector, from the rule set. Equal rule parameters can share one object.

    Attributes:
        far_per_year: tolerated false alarms a year; the threshold is 52.18 / far_per_year weeks.
        prior_rate: submissions expected of an active pair in a week before anything is known.
        prior_response_rate: share of surveys expected to be answered within `answer_days` before anything is known.
        prior_cv: how far programs differ from the prior (standard deviation over mean), above 0 and at most 1.
        lateness_ms: the detector stands this far behind now; what arrives later than that only teaches the baseline.
        recover_weeks: whole weeks after the alarm that must look normal again, 1 to 8.
        high_after_ms: how long after the alarm, breaks not counted, it gets worse; None = never.
        answer_days: age at which a survey is judged, answered or not, a multiple of 7.
        mute_ms: no alarm this long before the program ends.
        recover_on_submission: one submission ends the alarm (pair variant).
        daily_above: above so many expected a week, tests are made at local day ends only.
        weekday_profile: what weekdays are like before anything is known, Monday first; scaled to mean 1.
        weekday_weight: how many submissions that profile is worth beside those that a stream learns its own from; None
            for a stream that is told its profile (`follow`).
    """

    far_per_year: float = 0.5
    prior_rate: float = 0.1
    prior_response_rate: float = 0.35
    prior_cv: float = 0.6
    lateness_ms: int = DAY_MS
    recover_weeks: int = 4
    high_after_ms: int | None = 14 * DAY_MS
    answer_days: int = 7
    mute_ms: int = 14 * DAY_MS
    recover_on_submission: bool = False
    daily_above: float = 30.0
    weekday_profile: tuple[float, ...] = (1.0,) * 7
    weekday_weight: float | None = 14.0
    #: A, in weeks
    threshold: float = field(init=False)
    #: shape of the prior, 1 / cv²
    shape: float = field(init=False)
    recover_days: int = field(init=False)
    #: `weekday_profile` in thousandths
    week: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        if not (
            isfinite(self.far_per_year) and self.far_per_year > 0 and isfinite(self.prior_rate) and self.prior_rate > 0
        ):
            raise ValueError("far_per_year and prior_rate are positive")
        if not 0 < self.prior_response_rate < 1 or not 0 < self.prior_cv <= 1:
            raise ValueError("prior_response_rate lies between 0 and 1, prior_cv above 0 and at most 1")
        if self.answer_days < 7 or self.answer_days % 7 or not 1 <= self.recover_weeks <= 8:
            raise ValueError("answer_days is a positive multiple of 7, recover_weeks is 1 to 8")
        if self.lateness_ms < 0 or self.mute_ms < 0 or (self.high_after_ms is not None and self.high_after_ms < 0):
            raise ValueError("durations are not negative")
        if self.weekday_weight is not None and not (isfinite(self.weekday_weight) and self.weekday_weight > 0):
            raise ValueError("weekday_weight is positive")
        object.__setattr__(self, "week", normalised_week(self.weekday_profile))
        object.__setattr__(self, "threshold", WEEKS_PER_YEAR / self.far_per_year)
        object.__setattr__(self, "shape", 1.0 / (self.prior_cv * self.prior_cv))
        object.__setattr__(self, "recover_days", 7 * self.recover_weeks)


class Reading(NamedTuple):
    """Expected against seen over the last local days up to an instant, to 6 digits.

    `units` are pairs active at the instant, or surveys judged in the window. `rate` is the baseline (posterior mean):
    per pair and week, or the share of surveys answered.
    """

    days: int
    expected: float
    seen: int
    rate: float
    units: int
    dispersion: float
    surveys: bool


class Alarm(NamedTuple):
    """The rate fell. `weeks`: by chance about once in so many weeks. `due_ms` is `at_ms` on the engine's clock."""

    at_ms: int
    due_ms: int
    weeks: float
    threshold_weeks: float
    reading: Reading


class HighAfter(NamedTuple):
    """The alarm has lasted `high_after`."""

    at_ms: int
    due_ms: int
    reading: Reading


class Recovered(NamedTuple):
    """The alarm is over."""

    at_ms: int
    due_ms: int
    reading: Reading


Event = Alarm | HighAfter | Recovered


def six_digits(value: float) -> float:
    """Round to 6 significant digits: what is shown must not depend on the last bit of a machine's `exp`."""
    return float(f"{value:.6g}")
