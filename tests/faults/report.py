"""What every scenario leaves behind: the faults it injected, what came of it, and how long things took."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

VARIABLE = "EBB_FAULTS_REPORT"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: entries and records waiting before and right after it, and seconds until every partition moved."""

    kind: str
    behind_before: int
    behind_after: int
    recovered_s: float


@dataclass(slots=True)
class Result:
    """A scenario's outcome."""

    scenario: str
    seed: int
    faults: list[Fault] = field(default_factory=list)
    refusals: int = 0
    facts: int = 0
    repeats: int = 0
    dead_letters: int = 0
    interventions: int = 0
    differences: list[str] = field(default_factory=list)
    settled_s: float = 0.0
    seconds: float = 0.0
    note: str = ""

    def line(self) -> str:
        """A row of the table."""
        kinds = Counter(fault.kind for fault in self.faults)
        listed = ", ".join(f"{count} × {kind}" for kind, count in kinds.items()) or self.note or "-"
        times = sorted(fault.recovered_s for fault in self.faults)
        recovery = f"{times[len(times) // 2]:.1f} / {times[-1]:.1f}" if times else "-"
        outcome = "exact" if not self.differences else f"{len(self.differences)} DIFFERENCES"
        if self.refusals:
            outcome = f"{self.refusals} refused" if not self.facts else f"{outcome}, {self.refusals} refused"
        return (
            f"| {self.scenario} | {listed} | {outcome} | {self.facts:,} / {self.interventions:,} / "
            f"{self.dead_letters:,} | {recovery} | {self.settled_s:.1f} | {self.seconds:.0f} |"
        )


HEAD = (
    "| scenario | faults | outcome | facts / interventions / dead letters | recovery s (median / most) "
    "| to lag 0, s | s |\n"
    "|---|---|---|---|---|---|---|"
)
RESULTS: list[Result] = []


def seed() -> int:
    """The seed of this run."""
    return int(os.environ.get("FAULTS_SEED", "7"))


def table() -> str:
    """Everything so far."""
    faults = sum(len(result.faults) for result in RESULTS)
    wrong = sum(len(result.differences) for result in RESULTS)
    rows = "\n".join(result.line() for result in RESULTS)
    return f"{HEAD}\n{rows}\n\n{faults} faults, {wrong} differences; FAULTS_SEED={seed()}"


def keep() -> None:
    """Write it to the file named by the environment, if one is."""
    if path := os.environ.get(VARIABLE):
        Path(path).write_text(json.dumps([asdict(result) for result in RESULTS], indent=1), encoding="utf-8")
