"""Results as files: one JSON document for each part of a suite, with every run in it and nothing summarised.

Medians and spreads are taken when a page is made, so what was measured can be judged anew without measuring anew.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from benchmarks.harness.machine import Machine

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / "benchmarks" / "results"


_MADE: Final = (":!benchmarks/results", ":!docs", ":!README.md", ":!agents/sizing.json")


class Run(msgspec.Struct, frozen=True):
    """One run of one case.

    Attributes:
        case: what ran.
        round: 1, 2, …; the cases of a round ran one after the other.
        figures: by name, with the unit in the name. `bare_us` is what the bare client loop cost a record just before,
            `foreign` how many CPUs others kept busy meanwhile.
        curve: percentiles 0 to 100 of a latency in ms, where there is one.
    """

    case: str
    round: int
    figures: dict[str, float]
    curve: list[float] = []


class Part(msgspec.Struct, frozen=True):
    """One part of a suite, as measured in one go.

    Attributes:
        began: UTC, to the minute.
        setting: sizes of the load, in the words of the part.
        is_quick: smaller loads and fewer rounds than figures to rely on need.
    """

    suite: str
    name: str
    commit: str
    began: str
    seconds: float
    machine: Machine
    setting: dict[str, float | str]
    runs: list[Run]
    is_quick: bool = False

    def values(self, case: str, figure: str) -> list[float]:
        """That figure of every run of a case that has it, in the order of the runs."""
        return [run.figures[figure] for run in self.runs if run.case == case and figure in run.figures]

    def cases(self) -> list[str]:
        """The cases, in the order in which they first ran."""
        return list(dict.fromkeys(run.case for run in self.runs))


class Spread(msgspec.Struct, frozen=True):
    """A figure over several runs: all of them, none left out."""

    median: float
    least: float
    most: float
    runs: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Raises: statistics.StatisticsError when there is no value."""
        found = sorted(values)
        return cls(median(found), found[0], found[-1], len(found))


def commit() -> str:
    """The commit of the tree, with a + where the tree differs from it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    return git("rev-parse", "--short=10", "HEAD") + (
        "+" if git("status", "--porcelain", "-uno", "--", ".", *_MADE) else ""
    )


def save(part: Part, folder: str) -> Path:
    """Write a part in place of its former version."""
    path = FOLDER / folder / f"{part.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(part), indent=1) + b"\n")
    return path


def load(suite: str, folder: Path = FOLDER) -> dict[str, Part]:
    """All parts of a suite by name."""
    decode = msgspec.json.Decoder(Part).decode
    return {path.stem: decode(path.read_bytes()) for path in sorted((folder / suite).glob("*.json"))}
