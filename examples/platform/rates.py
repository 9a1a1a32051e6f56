"""The rates of the simulated platform; sources: `README.md`. They were fixed before any rule was tried on it."""

from typing import Final, Literal

Fate = Literal["well", "life_change", "dissolution", "abandoned", "dissatisfied", "never_started"]

#: Pairs that end before their time, within twelve months of matching. Kupersmidt et al. (2017).
FAILING_SHARE: Final = 0.38
#: How they fail; reasons of Spencer et al. (2014), shares ours.
WAYS_TO_FAIL: Final[dict[Fate, float]] = {
    "life_change": 0.30,
    "dissolution": 0.25,
    "abandoned": 0.20,
    "dissatisfied": 0.15,
    "never_started": 0.10,
}
#: Whose side it is. STAR study (2018).
MENTOR_SHARE: Final = 0.64
#: Failures that are ever closed in the platform.
CLOSED_SHARE: Final = 0.5
CLOSED_AFTER_DAYS: Final = (3.0, 45.0)

#: Mean days between meetings, by program.
GAP_DAYS: Final = (10.0, 12.0, 14.0, 21.0, 28.0)
#: Pairs differ from their program (log-normal sigma).
GAP_SIGMA: Final = 0.35
GAP_SHAPE: Final = 3.0
FIRST_MEETING_DAYS: Final = 7.0
BOOKED_SHARE: Final = 0.7
UNNOTED_SHARE: Final = 0.15
MOVED_SHARE: Final = 0.08
CANCELLED_SHARE: Final = 0.03
NO_SHOW_SHARE: Final = 0.015

#: Nulty (2008).
ANSWERED_SHARE: Final = 0.33
#: People differ: Beta law of that mean, worth so many answers.
ANSWERED_ALIKE: Final = 3.0
ANSWER_DAYS: Final = 2.2
SURVEY_FIRST_DAY: Final = 30
SURVEY_EVERY_DAYS: Final = 60
SURVEY_DUE_DAYS: Final = 14
RATINGS_WELL: Final = (0.01, 0.03, 0.12, 0.36, 0.48)
RATINGS_BAD: Final = (0.20, 0.35, 0.25, 0.15, 0.05)
#: The partner of somebody dissatisfied.
RATINGS_BESIDE: Final = (0.05, 0.12, 0.25, 0.38, 0.20)

#: Pairs that mostly write elsewhere, and how much they still write here.
ELSEWHERE_SHARE: Final = 0.4
ELSEWHERE_FACTOR: Final = 0.15
SIGN_INS_A_WEEK: Final = 0.6
SENTIMENT_A_MONTH: Final = 0.15

#: Rough patches a pair-year, and their length in days.
PATCHES_A_YEAR: Final = 0.25
PATCH_DAYS: Final = (28.0, 42.0)
#: Pauses a person-year, and their length in days.
PAUSES_A_YEAR: Final = 0.1
PAUSE_DAYS: Final = (21.0, 35.0)
SAFETY_A_YEAR: Final = 0.002
