"""Programs of the simulated platform: kinds, runs, breaks, rhythms, and which of them get into trouble."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final, NamedTuple

from examples.platform import rates
from examples.platform.records import DAY_MS, Records, instant_text
from examples.platform.truth import ProgramTruth

PROGRAMS: Final = 20
YEAR_DAYS: Final = 365
_ZONES: Final = ("Europe/Berlin", "America/New_York", "Europe/London", "Asia/Singapore", "America/Sao_Paulo")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Span = tuple[int, int]


class Program(NamedTuple):
    """One program; all instants ms UTC.

    `runs` are half-open; an always-on program has one that began long ago. In `trouble` its feedback dries up or cools.
    """

    program_id: str
    kind: str
    zone: str
    runs: tuple[Span, ...]
    breaks: tuple[Span, ...]
    gap_days: float
    self_matching: bool
    post_meeting: bool
    reviewed: bool
    pairs: int
    trouble: ProgramTruth | None

    def is_on(self, at_ms: int) -> bool:
        """Tell whether an instant lies in a run and in no break."""
        return any(a <= at_ms < b for a, b in self.runs) and not any(a <= at_ms < b for a, b in self.breaks)

    def next_on(self, at_ms: int) -> int | None:
        """Find the first instant from `at_ms` on that lies in a run and in no break, None after the last run."""
        for start, end in self.runs:
            if at_ms < end:
                at_ms = max(at_ms, start)
                for from_ms, to_ms in self.breaks:
                    if from_ms <= at_ms < to_ms:
                        at_ms = to_ms
                if at_ms < end:
                    return at_ms
        return None

    def is_in_trouble(self, at_ms: int, what: str) -> bool:
        """Tell whether the program suffers from `what` at an instant."""
        trouble = self.trouble
        return trouble is not None and trouble.trouble == what and trouble.from_ms <= at_ms < trouble.to_ms


def programs(seed: int, pairs: int, begin_ms: int) -> list[Program]:
    """Plan the programs of a platform with so many pairs: 8 always-on, 8 cohorts, 4 on-off with carry-over.

    Four are in trouble for some time: in two feedback dries up, in two its tone falls.
    """
    random = Random(f"plans/{seed}")
    shares = [random.uniform(0.5, 1.6) for _ in range(PROGRAMS)]
    planned, left = [], pairs
    troubles = {2: "slump", 10: "slump", 5: "cooling", 13: "cooling"}
    for number, share in enumerate(shares):
        size = round(pairs * share / sum(shares)) if number < PROGRAMS - 1 else left
        left -= size
        kind = "always_on" if number < 8 else "cohort" if number < 16 else "on_off"
        first = begin_ms + random.randrange(7, 60) * DAY_MS
        if kind == "always_on":
            runs: tuple[Span, ...] = ((begin_ms - 900 * DAY_MS, begin_ms + 900 * DAY_MS),)
        elif kind == "cohort":
            runs = ((first, first + (180 if number % 4 == 0 else 270) * DAY_MS),)
        else:
            again = first + 190 * DAY_MS
            runs = ((first, first + 150 * DAY_MS), (again, again + 150 * DAY_MS))
        breaks: list[Span] = []
        if number % 3 == 0:
            away = begin_ms + random.randrange(100, 250) * DAY_MS
            breaks.append((away, away + random.randrange(10, 22) * DAY_MS))
        trouble = None
        program_id = f"program-{number:02d}"
        if number in troubles:
            from_ms = max(begin_ms, runs[0][0]) + random.randrange(120, 150) * DAY_MS
            trouble = ProgramTruth(
                program_id=program_id, trouble=troubles[number], from_ms=from_ms, to_ms=from_ms + 100 * DAY_MS
            )
        planned.append(
            Program(
                program_id,
                kind,
                random.choice(_ZONES),
                runs,
                tuple(breaks),
                rates.GAP_DAYS[number % 5],
                kind == "always_on" and number % 2 == 0,
                number % 5 < 2,
                number % 2 == 0,
                size,
                trouble,
            )
        )
    return planned


def state_program(records: Records, program: Program) -> None:
    """Write the program's own facts: what it is, its next run, and reviews where its coordinator makes them."""
    always_on = program.kind == "always_on"
    fields: dict[str, object] = {
        "kind": program.kind,
        "self_matching": program.self_matching,
        "carry_over": program.kind == "on_off",
        "timezone": program.zone,
        "breaks": [{"from": _date(from_ms), "to": _date(to_ms - DAY_MS)} for from_ms, to_ms in program.breaks],
        "coordinator_ids": [f"coordinator-{program.program_id}"],
        "backup_coordinator_ids": [f"backup-{program.program_id}"],
        "safeguarding_contact_id": "safeguarding",
    }
    at_ms = records.since_ms - DAY_MS
    for number, (start, end) in enumerate(program.runs):
        run = dict(fields)
        if not always_on:
            run |= {"starts_at": instant_text(start), "ends_at": instant_text(end)}
            if number + 1 < len(program.runs):
                run["next_starts_at"] = instant_text(program.runs[number + 1][0])
        records.program(program.program_id, at_ms, **run)
        at_ms = end + 10 * DAY_MS
    if program.reviewed:
        for day in range(13, YEAR_DAYS, 13):
            at = records.begin_ms + day * DAY_MS + 10 * 3_600_000
            if program.is_on(at):
                records.reviewed(program.program_id, f"coordinator-{program.program_id}", at)


def _date(at_ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=at_ms)).date().isoformat()
