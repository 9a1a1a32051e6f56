"""Pairs of the first mechanics: how and when each will fail is drawn at its matching."""

from __future__ import annotations

from math import exp
from random import Random
from typing import Final, NamedTuple

from examples.platform import rates
from examples.platform.plans import Program
from examples.platform.rates import Fate
from examples.platform.records import DAY_MS

_REASONS: Final[dict[Fate, tuple[str, ...]]] = {
    "well": ("completed",),
    "life_change": ("left_program", "no_time"),
    "dissolution": ("no_time", "other"),
    "abandoned": ("no_response",),
    "dissatisfied": ("mismatch",),
    "never_started": ("never_started",),
}


class Pair(NamedTuple):
    """One pair and what will become of it; all instants ms UTC.

    `side` (0 mentor, 1 mentee) is whose side a failure is on; `over_ms` is when the pair is closed, if it is, else the
    end of all planning; `gap_days` its mean gap when all is well; `answers` how readily each of the two answers.
    """

    program: Program
    pair_id: str
    people: tuple[str, str]
    matched_ms: int
    fate: Fate
    onset_ms: int
    ended_ms: int
    over_ms: int
    side: int
    gap_days: float
    answers: tuple[float, float]
    elsewhere: bool
    patches: tuple[tuple[int, int], ...]
    pauses: tuple[tuple[int, int, int], ...]

    @property
    def fails(self) -> bool:
        return self.fate != "well"


def pairs_of(program: Program, random: Random, begin_ms: int, end_ms: int) -> list[Pair]:
    """Draw the pairs of a program and their fates."""
    return [_pair(program, number, random, begin_ms, end_ms) for number in range(program.pairs)]


def _pair(program: Program, number: int, random: Random, begin_ms: int, end_ms: int) -> Pair:
    run = program.runs[random.randrange(len(program.runs))]
    if program.kind == "always_on":
        matched = begin_ms + int(random.uniform(-150, 330) * DAY_MS)
        planned = matched + 365 * DAY_MS
    else:
        matched = run[0] + int(random.uniform(0, 12) * DAY_MS)
        planned = run[1] - random.randrange(7) * DAY_MS
    length = (planned - matched) / DAY_MS
    fails = random.random() < 1.0 - (1.0 - rates.FAILING_SHARE) ** (length / 365)
    fate: Fate = "well"
    onset = ended = planned
    if fails:
        fate = random.choices(list(rates.WAYS_TO_FAIL), list(rates.WAYS_TO_FAIL.values()))[0]
        onset, ended = _course(fate, matched, length, random)
    over = planned
    if fails:
        over = max(end_ms, planned) if program.kind == "always_on" else planned
        if random.random() < rates.CLOSED_SHARE:
            over = min(over, ended + int(random.uniform(*rates.CLOSED_AFTER_DAYS) * DAY_MS))
    index = f"{program.program_id[-2:]}-{number:04d}"
    people = (f"mentor-{index}", f"mentee-{index}")
    mean = rates.ANSWERED_SHARE * rates.ANSWERED_ALIKE
    rest = rates.ANSWERED_ALIKE - mean
    return Pair(
        program,
        f"pair-{index}",
        people,
        matched,
        fate,
        onset,
        ended,
        over,
        int(random.random() >= rates.MENTOR_SHARE),
        program.gap_days * exp(random.gauss(0.0, rates.GAP_SIGMA)),
        (random.betavariate(mean, rest), random.betavariate(mean, rest)),
        random.random() < rates.ELSEWHERE_SHARE,
        () if fails else _patches(matched, planned, random),
        _pauses(matched, min(onset, planned), random),
    )


def _course(fate: Fate, matched: int, length: float, random: Random) -> tuple[int, int]:
    """Draw when a failing pair gets into trouble and when it is over in fact."""

    def day(number: float) -> int:
        return matched + int(number * DAY_MS)

    if fate == "never_started":
        return matched, day(random.uniform(30, 75))
    ended = length * random.betavariate(1.2, 1.6)
    lead = {
        "life_change": random.uniform(0, 10),
        "dissolution": random.uniform(60, 120),
        "abandoned": random.uniform(30, 60),
        "dissatisfied": random.uniform(30, 75),
    }[fate]
    ended = max(ended, 20.0 + lead)
    return day(ended - lead), day(ended)


def _patches(matched: int, planned: int, random: Random) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    at = matched + 40 * DAY_MS
    while True:
        at += int(random.expovariate(rates.PATCHES_A_YEAR / 365) * DAY_MS)
        end = at + int(random.uniform(*rates.PATCH_DAYS) * DAY_MS)
        if end >= planned:
            return tuple(found)
        found.append((at, end))
        at = end


def _pauses(matched: int, until: int, random: Random) -> tuple[tuple[int, int, int], ...]:
    """Draw announced pauses: (side, from, to)."""
    found = []
    for side in (0, 1):
        at = matched + 30 * DAY_MS + int(random.expovariate(rates.PAUSES_A_YEAR / 365) * DAY_MS)
        if at < until:
            found.append((side, at, at + int(random.uniform(*rates.PAUSE_DAYS) * DAY_MS)))
    return tuple(found)


def close_reason(pair: Pair, random: Random) -> str:
    """Draw what a coordinator writes when closing."""
    return random.choice(_REASONS[pair.fate])
