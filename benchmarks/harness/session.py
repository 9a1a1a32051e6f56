"""One broker, a bare loop beside it, and rounds in which cases take turns: A-B-A-B, the bare loop before each.

    with Session("live") as session:
        session.part("engine", {"engine": run_once}, rounds=5, setting={"facts": 400_000})

Broker, load and watcher have one CPU, what is measured has the other. A part is written when its last run ended.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Final, Self

from benchmarks.harness import bare
from benchmarks.harness.machine import look
from benchmarks.harness.processes import busy_s, cpu_s, pinned, stand_aside
from benchmarks.harness.results import Part, Run, commit, save
from deploy.kafka.broker import KafkaBroker

BARE_TOPIC: Final = "bare"
_BARE_TIMEOUT_S: Final = 60.0

Figures = dict[str, float]
Setting = Mapping[str, float | str]
"""Sizes of a load."""
Found = Figures | tuple[Figures, list[float]] | list[Figures]
Case = Callable[[int], Found]
"""Given the number of the round; returns figures, with a latency's percentiles where there are any, or several figures
of one process, one after the other. `records` in them says how many records went through the broker, and makes
`broker_us` of the broker's CPU."""


class Session:
    """What the parts of a suite share, from `with` on.

    Args:
        suite: folder of the results.
        is_quick: small loads; results go to a folder of their own, and no page is made from them,
        is_kept: unless they are to stand where full ones will: the page then says that they are small.
    """

    def __init__(self, suite: str, *, is_quick: bool = False, is_kept: bool = False, heap: str = "1g") -> None:
        self.suite = suite
        self.is_quick = is_quick
        self._results = "quick" if is_quick and not is_kept else suite
        self._bare_records = 100_000 if is_quick else 300_000
        stand_aside()
        self.broker = KafkaBroker(heap=heap)
        self._folder = tempfile.TemporaryDirectory(prefix="ebb-bench-")

    def __enter__(self) -> Self:
        self.broker.start()
        self.broker.create_topic(BARE_TOPIC, bare.PARTITIONS, {"retention.ms": "-1"})
        bare.fill(self.brokers, BARE_TOPIC, self._bare_records)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.broker.stop()
        self._folder.cleanup()

    @property
    def brokers(self) -> str:
        return self.broker.bootstrap

    @property
    def folder(self) -> Path:
        """Where logs and files of runs may stand until the end."""
        return Path(self._folder.name)

    def bare(self) -> bare.Figures:
        """Run the bare loop once in a process of its own."""
        answer = self.folder / "bare.txt"
        command = [sys.executable, "-m", "benchmarks.harness.bare", self.brokers, BARE_TOPIC, str(self._bare_records)]
        with answer.open("wb") as output, pinned(command, output) as process:
            if process.wait(_BARE_TIMEOUT_S) != 0:
                raise RuntimeError(f"the bare loop failed:\n{answer.read_text()}")
        rate, cpu_us = map(float, answer.read_text().split())
        return bare.Figures(rate, cpu_us)

    def part(
        self, name: str, cases: Mapping[str, Case], *, rounds: int, setting: Setting, is_timed: bool = True
    ) -> Part:
        """Run all cases in turn, `rounds` times, and write the part.

        Args:
            is_timed: the bare loop runs before each.
        """
        machine, began, clock, tree = look(), datetime.now(UTC), time.monotonic(), commit()
        say(f"{self.suite}/{name}, {rounds} rounds, load average {machine.load}")
        runs: list[Run] = []
        for number in range(1, rounds + 1):
            for case, work in cases.items():
                for run in self._run(case, number, work) if is_timed else [Run(case, number, _plain(work(number)))]:
                    runs.append(run)
                    say(f"  {run.round} {case:<24} {_shown(run.figures)}")
            part = Part(
                suite=self.suite,
                name=name,
                commit=tree,
                began=began.strftime("%Y-%m-%d %H:%M"),
                seconds=round(time.monotonic() - clock, 1),
                machine=machine,
                setting=dict(setting),
                runs=list(runs),
                is_quick=self.is_quick,
            )
            save(part, self._results)  # after every round: an interrupted part keeps what was measured
        return part

    def _run(self, case: str, number: int, work: Case) -> list[Run]:
        floor = self.bare()
        mine, all_of_it, clock = cpu_s(os.getpid()), busy_s(), time.monotonic()
        broker = cpu_s(self.broker.pid)
        found = work(number)
        others = (busy_s() - all_of_it) - (cpu_s(os.getpid()) - mine)
        added = {
            "bare_us": floor.cpu_us,
            "bare_rate": floor.rate,
            "foreign": max(0.0, others / (time.monotonic() - clock)),
        }
        broker_s = cpu_s(self.broker.pid) - broker
        if isinstance(found, list):
            return [Run(case, number + place, _all(one, added, broker_s)) for place, one in enumerate(found)]
        figures, curve = found if isinstance(found, tuple) else (found, [])
        return [Run(case, number, _all(figures, added, broker_s), [_short(value) for value in curve])]


def _plain(found: Found) -> Figures:
    assert isinstance(found, dict)
    return {key: _short(value) for key, value in found.items()}


def _all(figures: Figures, added: Figures, broker_s: float) -> Figures:
    if "records" in figures:
        added = added | {"broker_us": broker_s / figures["records"] * 1e6}
    return {key: _short(value) for key, value in (figures | added).items()}


def _short(value: float) -> float:
    """Six digits are more than any of this means."""
    return float(f"{value:.6g}")


def _shown(figures: Figures) -> str:
    names = ("share", "rate", "cpu_us", "p50_ms", "p99_ms", "bytes_a_pair", "bare_us", "foreign")
    return "  ".join(f"{name} {figures[name]:,.2f}" for name in names if name in figures)


def say(line: str) -> None:
    """Tell whoever waits."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def medians(part: Part, figure: str) -> dict[str, float]:
    """The median of a figure for each case that has it."""
    return {case: median(found) for case in part.cases() if (found := part.values(case, figure))}
