"""The second mechanics: nobody's fate is decided; people's interest wanders, and what a pair does follows from it.

Interest is a number for each person, pulled back to that person's level (Ornstein-Uhlenbeck, a step a day). Life events
and meetings with somebody one does not get on with lower the level. Above 0 a person keeps appointments; below -1 for
two weeks, they are gone for good, and the pair with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from random import Random
from typing import Final

from examples.platform import rates
from examples.platform.agent_surveys import Surveys
from examples.platform.plans import Program, programs, state_program
from examples.platform.records import DAY_MS, HOUR_MS, Records
from examples.platform.truth import PairTruth, Truth

_PULL: Final = 0.03
_NOISE: Final = 0.11
_EVENTS_A_DAY: Final = 0.3 / 365
_EVENT: Final = -2.2
_GONE_DAYS: Final = 14
_CLOSED_SHARE: Final = 0.4
_EVERY_DAYS: Final = (7, 14, 14, 28)


@dataclass
class Person:
    """Somebody in a pair: how interested, at which level by themselves, for how many days below -1."""

    name: str
    interest: float
    level: float
    habit: float
    bias: float
    low_days: int = 0
    doubt_ms: int = 0
    gone: bool = False

    def live_a_day(self, at_ms: int, random: Random) -> None:
        """Let interest wander."""
        if random.random() < _EVENTS_A_DAY:
            self.level += _EVENT
        self.interest += _PULL * (self.level - self.interest) + random.gauss(0.0, _NOISE)
        if self.interest >= 0.0:
            self.doubt_ms = 0
        elif not self.doubt_ms:
            self.doubt_ms = at_ms
        self.low_days = self.low_days + 1 if self.interest < -1.0 else 0
        self.gone = self.gone or self.low_days >= _GONE_DAYS

    @property
    def drive(self) -> float:
        """Give the chance of doing what one means to do."""
        return 0.0 if self.gone else 1.0 / (1.0 + exp(-2.0 * self.interest))


def simulate(seed: int, pairs: int, records: Records) -> Truth:
    """Fill `records` with a year, and return the truth about it."""
    planned = programs(seed + 1_000, pairs, records.begin_ms)
    truths: list[PairTruth] = []
    for program in planned:
        random = Random(f"agents/{seed}/{program.program_id}")
        state_program(records, program)
        for number in range(program.pairs):
            truth = _Pair(program, number, random, records).live()
            if truth is not None:
                truths.append(truth)
    return Truth(truths, [program.trouble for program in planned if program.trouble is not None])


class _Pair:
    """One pair, from its matching day by day."""

    def __init__(self, program: Program, number: int, random: Random, records: Records) -> None:
        self.program, self.random, self.records = program, random, records
        run = program.runs[random.randrange(len(program.runs))]
        if program.kind == "always_on":
            day = records.begin_ms // DAY_MS + random.randrange(-150, 330)
            self.planned_ms = (day + 365) * DAY_MS
        else:
            day = run[0] // DAY_MS + random.randrange(12)
            self.planned_ms = run[1] - DAY_MS
        self.matched_ms = day * DAY_MS + 9 * HOUR_MS
        index = f"{program.program_id[-2:]}-{number:04d}"
        self.pair_id, self.names = f"pair-{index}", (f"mentor-{index}", f"mentee-{index}")
        mean = rates.ANSWERED_SHARE * rates.ANSWERED_ALIKE
        self.people = tuple(
            Person(
                name,
                random.gauss(1.0, 0.5),
                random.gauss(0.9, 0.55),
                random.betavariate(mean, rates.ANSWERED_ALIKE - mean),
                random.gauss(0.0, 0.4),
            )
            for name in self.names
        )
        self.chemistry = random.gauss(0.6, 0.5)
        self.every = random.choice(_EVERY_DAYS)
        self.next_day = day + random.randrange(4, 4 + self.every)
        self.surveys = Surveys(records, program, self.pair_id, random)
        self.meetings = 0
        self.waiting: list[tuple[int, int, int]] = []  # replies: (day, side, rest of the thread)

    def live(self) -> PairTruth | None:
        """Live until the pair is closed or the year is over; None when that is outside the year."""
        records, program = self.records, self.program
        if self.matched_ms >= records.end_ms or self.planned_ms <= records.begin_ms:
            return None
        for name, role in zip(self.names, ("mentor", "mentee"), strict=True):
            records.person(program.program_id, name, role, "active", self.matched_ms - DAY_MS, self.matched_ms - DAY_MS)
        records.pair(program.program_id, self.pair_id, self.names, "active", self.matched_ms, self.matched_ms)
        onset_ms = ended_ms = close_ms = None
        at = self.matched_ms
        while at < min(self.planned_ms, records.end_ms) and (close_ms is None or at < close_ms):
            for person in self.people:
                person.live_a_day(at, self.random)
            if program.is_on(at):
                self._day(at)
            gone = next((person for person in self.people if person.gone), None)
            if ended_ms is None and gone is not None:
                ended_ms, onset_ms = at, max(self.matched_ms, gone.doubt_ms)
                if self.random.random() < _CLOSED_SHARE:
                    close_ms = at + self.random.randrange(10, 60) * DAY_MS
            at += DAY_MS
        over_ms = self.planned_ms if close_ms is None else min(close_ms, self.planned_ms)
        if over_ms <= records.begin_ms:
            return None
        if over_ms < records.end_ms:
            reason = "completed" if ended_ms is None else "no_response" if self.meetings else "never_started"
            records.pair(program.program_id, self.pair_id, self.names, "closed", over_ms, self.matched_ms, reason)
        if ended_ms is not None:
            fate = "mismatch" if self.chemistry < 0 else "lost_interest" if self.meetings else "never_started"
        else:
            fate = "well"
        return PairTruth(
            program_id=program.program_id,
            pair_id=self.pair_id,
            people=self.names,
            matched_ms=self.matched_ms,
            over_ms=min(over_ms, records.end_ms),
            fate=fate,
            onset_ms=onset_ms,
            ended_ms=ended_ms,
        )

    def _day(self, at: int) -> None:
        """Live one day of the program."""
        random, day = self.random, at // DAY_MS
        self._write(at)
        if day >= self.next_day:
            self._appointment(at)
            self.next_day += self.every
        elif day == self.next_day - 5 and min(person.drive for person in self.people) > 0.3:
            self._tell("scheduled", random.randrange(2), at + 4 * HOUR_MS, self._slot(self.next_day))
        self.surveys.day(at, self.people, self.chemistry)
        for side, person in enumerate(self.people):
            if random.random() < 0.12 * person.drive:
                self.records.signed_in(self.program.program_id, person.name, at + random.randrange(11) * HOUR_MS)
            other = self.people[1 - side]
            if other.gone and person.interest > 0.3 and random.random() < 0.01:
                self.records.help(
                    self.program.program_id, self.pair_id, person.name, "cannot_reach_partner", at + 5 * HOUR_MS
                )
            elif self.chemistry < -0.3 and not person.gone and random.random() < 0.003:
                self.records.help(self.program.program_id, self.pair_id, person.name, "mismatch", at + 5 * HOUR_MS)

    def _appointment(self, at: int) -> None:
        """Keep or miss a standing appointment."""
        random = self.random
        drives = [person.drive for person in self.people]
        keen = min(drives)
        starts = self._slot(at // DAY_MS)
        if random.random() < (0.95 if keen > 0.6 else 1.2 * keen):
            self.meetings += 1
            for person in self.people:
                person.level += 0.02 if self.chemistry > 0 else 0.25 * self.chemistry
            if random.random() < 0.8:
                self._tell("held", random.randrange(2), starts + 2 * HOUR_MS, starts)
            if random.random() < 0.1:
                self.surveys.pulse(starts, self.people, self.chemistry)
            return
        lower = drives.index(keen)
        if random.random() < 0.4 * max(drives) and keen > 0.05:
            self._tell("cancelled", lower, starts - 3 * HOUR_MS, starts)
        elif random.random() < 0.25 * max(drives):
            self._tell("no_show", 1 - lower, starts + 2 * HOUR_MS, starts)

    def _write(self, at: int) -> None:
        """Begin threads, and answer yesterday's messages."""
        random, day = self.random, at // DAY_MS
        due = [one for one in self.waiting if one[0] <= day]
        self.waiting = [one for one in self.waiting if one[0] > day]
        for _, side, rest in due:
            if random.random() < self.people[side].drive:
                self._message(side, at, rest)
        for side, person in enumerate(self.people):
            if random.random() < 0.07 * person.drive:
                self._message(side, at, int(random.expovariate(0.6)))

    def _message(self, side: int, at: int, rest: int) -> None:
        when = at + int(self.random.uniform(0, 11) * HOUR_MS)
        self.records.message(self.program.program_id, self.pair_id, self.names[side], when)
        if rest > 0:
            self.waiting.append((at // DAY_MS + 1 + int(self.random.expovariate(1.5)), 1 - side, rest - 1))

    def _slot(self, day: int) -> int:
        return day * DAY_MS + 17 * HOUR_MS

    def _tell(self, what: str, side: int, when: int, starts: int) -> None:
        meeting_id = f"{self.pair_id}-{starts // DAY_MS}"
        self.records.meeting(
            self.program.program_id, what, meeting_id, self.pair_id, self.names[side], when, starts, "calendar"
        )
