"""What every scenario leaves behind: the faults it injected, what came of it, and how long things took.

Each scenario is kept in a file of its own in the folder that `EBB_FAULTS_REPORT` names, because several processes may
share a run. The table of what a folder holds:

    python -m tests.faults.report .cache/faults
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
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
    passed: bool = False
    began: float = field(default_factory=time.time)

    def line(self) -> str:
        """A row of the table."""
        kinds = Counter(fault.kind for fault in self.faults)
        listed = ", ".join(f"{count} × {kind}" for kind, count in kinds.items())
        listed = "; ".join(part for part in (listed, self.note.strip()) if part) or "-"
        times = sorted(fault.recovered_s for fault in self.faults)
        recovery = f"{times[len(times) // 2]:.1f} / {times[-1]:.1f}" if times else "-"
        outcome = "exact" if not self.differences else f"{len(self.differences)} DIFFERENCES"
        if self.refusals:
            outcome = f"{self.refusals} refused" if not self.facts else f"{outcome}, {self.refusals} refused"
        if not self.passed:
            outcome = f"FAILED, {outcome}"
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


def table(results: Sequence[Result] | None = None) -> str:
    """These results, else those of this process, as a table with a line that sums up."""
    results = RESULTS if results is None else results
    faults = sum(len(result.faults) for result in results)
    wrong = sum(len(result.differences) for result in results)
    failed = sum(not result.passed for result in results)
    refusals = sum(result.refusals for result in results)
    rows = "\n".join(result.line() for result in results)
    seeds = ", ".join(sorted({str(result.seed) for result in results}))
    return (
        f"{HEAD}\n{rows}\n\n{len(results)} scenarios, {faults} faults, {refusals} refusals, {wrong} differences, "
        f"{failed} not passed; FAULTS_SEED={seeds}"
    )


def keep(result: Result) -> None:
    """Write it into the folder named by the environment, if one is."""
    if folder := os.environ.get(VARIABLE):
        Path(folder).mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(result), indent=1)
        (Path(folder) / f"{result.began:.0f}-{result.scenario}.json").write_text(text, encoding="utf-8")


def kept(folder: Path) -> list[Result]:
    """What a folder holds, in the order of beginning."""
    found = []
    for path in sorted(folder.glob("*.json")):
        tree = json.loads(path.read_text(encoding="utf-8"))
        tree["faults"] = [Fault(**fault) for fault in tree["faults"]]
        found.append(Result(**tree))
    return found


if __name__ == "__main__":
    print(table(kept(Path(sys.argv[1]))))  # noqa: T201
