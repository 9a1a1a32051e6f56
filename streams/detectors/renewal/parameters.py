"""What a renewal detector is told, and what it says."""

from dataclasses import dataclass, field
from math import isfinite
from typing import Final, NamedTuple

from streams.calendar import WEEK_MS
from streams.clock import DAY_MS

#: Mean weeks in a year: false alarms are tolerated by the year, thresholds are in weeks.
WEEKS_PER_YEAR: Final = 52.18
#: Bounds of the shape of a gap law: 1 is a Poisson clock, 10 nearly a metronome. `EARLY_HAZARD` rests on them.
LOWEST_SHAPE: Final = 0.3
HIGHEST_SHAPE: Final = 10.0


@dataclass(frozen=True, slots=True)
class RenewalParams:
    """Parameters of one renewal detector, from the rule set. Equal rule parameters can share one object.

    Attributes:
        far_per_year: tolerated false alarms a year of active time; the threshold is 52.18 / far_per_year weeks.
        prior_gap_ms: usual gap before anything is known of the program, active time.
        prior_cv: how far the mean gaps of pairs differ (standard deviation over mean), above 0 and at most 1.
        prior_shape: shape of the gap law before anything is known of the program, 0.3 to 10.
        highest_shape: no gaps are taken to be more regular than this.
        min_events: events before the first test, at least 2.
        worse_at: R at so many times the threshold is worse, above 1.
        merge_ms: an event that follows the last one sooner than this is no new one.
        half_life_gaps: gaps after which a gap counts half for the mean.
        lateness_ms: the detector stands this far behind now; what arrives later than that only teaches.
    """

    far_per_year: float = 0.1
    prior_gap_ms: int = 14 * DAY_MS
    prior_cv: float = 0.6
    prior_shape: float = 2.0
    highest_shape: float = HIGHEST_SHAPE
    min_events: int = 3
    worse_at: float = 4.0
    merge_ms: int = DAY_MS // 2
    half_life_gaps: float = 16.0
    lateness_ms: int = DAY_MS
    #: A, in weeks
    threshold: float = field(init=False)
    #: shape of the inverse Gamma law of a pair's mean gap
    prior_weight: float = field(init=False)
    prior_gap_weeks: float = field(init=False)
    fading: float = field(init=False)

    def __post_init__(self) -> None:
        if not (isfinite(self.far_per_year) and self.far_per_year > 0 and self.prior_gap_ms > 0):
            raise ValueError("far_per_year and prior_gap_ms are positive")
        if not 0 < self.prior_cv <= 1:
            raise ValueError("prior_cv lies above 0 and is at most 1")
        if not LOWEST_SHAPE <= self.prior_shape <= self.highest_shape <= HIGHEST_SHAPE:
            raise ValueError("prior_shape is 0.3 to highest_shape, which is at most 10")
        if self.min_events < 2 or not self.worse_at > 1 or not self.half_life_gaps >= 1:
            raise ValueError("min_events is at least 2, worse_at above 1, half_life_gaps at least 1")
        if self.merge_ms < 1 or self.lateness_ms < 0:
            raise ValueError("merge_ms is positive, lateness_ms not negative")
        object.__setattr__(self, "threshold", WEEKS_PER_YEAR / self.far_per_year)
        object.__setattr__(self, "prior_weight", 2.0 + 1.0 / (self.prior_cv * self.prior_cv))
        object.__setattr__(self, "prior_gap_weeks", self.prior_gap_ms / WEEK_MS)
        object.__setattr__(self, "fading", 0.5 ** (1.0 / self.half_life_gaps))


class Reading(NamedTuple):
    """How the open gap compares, to 6 digits.

    `gap_days` of active time since the last event, `usual_days` = the mean gap expected here, `events` seen (those that
    have faded included), `shape` of the gap law, `weeks`: by chance about once in so many weeks.
    """

    gap_days: float
    usual_days: float
    events: int
    shape: float
    weeks: float
    threshold_weeks: float


class Silent(NamedTuple):
    """The rhythm is lost. `due_ms` is `at_ms` on the engine's clock."""

    at_ms: int
    due_ms: int
    reading: Reading


class Worse(NamedTuple):
    """It is still silent, and R has passed `worse_at` thresholds."""

    at_ms: int
    due_ms: int
    reading: Reading


class Returned(NamedTuple):
    """The alarm is over: an event came. Its time is older than the alarm's where it arrived late."""

    at_ms: int
    due_ms: int
    gap_days: float


Event = Silent | Worse | Returned


def six_digits(value: float) -> float:
    """Round to 6 significant digits: what is shown must not depend on the last bit of a machine's `exp`."""
    return float(f"{value:.6g}")
