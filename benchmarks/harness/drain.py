"""A worker of ours with a journal before it: how long until it has applied everything, told by its own commits."""

from __future__ import annotations

import re
import sys
import time
from bisect import bisect_left
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.harness.processes import MEASURED, peak_mb, pinned, stop

_POLL_S: Final = 0.2


class Commit(NamedTuple):
    """One commit as the worker logged it; moment and CPU are the process's own clocks, in seconds.

    `applied` are the entries all partitions of the process had applied at that moment, committed or not.
    """

    entries: int
    rows: int
    interventions: int
    seconds: float
    applied: int
    moment: float
    cpu: float


def commits_in(log: str) -> list[Commit]:
    """Read the `committed` lines of a log (`benchmarks.pair_worker.LoudObserver`)."""
    found = re.findall(r"committed \d+ (\d+) (\d+) (\d+) ([\d.]+) (\d+) ([\d.]+) ([\d.]+)\n", log)
    return [Commit(int(a), int(b), int(c), float(d), int(e), float(f), float(g)) for a, b, c, d, e, f, g in found]


def drain(
    module: str,
    brokers: str,
    prefix: str,
    records: int,
    folder: Path,
    *,
    skip: int = 0,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 180.0,
    cpus: frozenset[int] = MEASURED,
) -> dict[str, float]:
    """Run `python -m module BROKERS PREFIX` until it has committed `records` entries, then end it in order.

    Args:
        skip: entries that are warm-up; counted from the first commit after which they are applied.

    Raises: RuntimeError, with the end of its log, when it fails or takes too long.
    """
    log = folder / "worker.log"
    command = [sys.executable, "-m", module, brokers, prefix]
    with log.open("wb") as output, pinned(command, output, environment, cpus) as worker:
        deadline = time.monotonic() + timeout_s
        while True:
            commits = commits_in(log.read_text())
            if sum(each.entries for each in commits) >= records:
                break
            if worker.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the worker did not finish, see\n{log.read_text()[-2000:]}")
            time.sleep(_POLL_S)
        memory = peak_mb(worker.pid)
        if stop(worker) != 0:
            raise RuntimeError(f"the worker did not stop in order, see\n{log.read_text()[-2000:]}")
    return counted(commits, skip) | {"records": records, "peak_mb": memory}


def counted(commits: list[Commit], skip: int) -> dict[str, float]:
    """Rate and CPU from the first commit at which `skip` entries are applied, or else the last but one, to the last at
    which there was still something to apply: after it a worker that gathers waits in vain for more.

    What was applied counts, not what was committed: at a commit of one partition the others have work done that they
    commit later, and it was not done after that moment.

    Raises: RuntimeError when everything was applied before the first commit.
    """
    if len(commits) < 2:
        raise RuntimeError("one commit is no stretch to measure")
    applied = [each.applied for each in commits]
    begin = min(bisect_left(applied, skip), len(commits) - 2)
    busy = bisect_left(applied, applied[-1]) - 1
    end = busy if busy > begin else len(commits) - 1
    first, last, rest = commits[begin], commits[end], commits[begin + 1 : end + 1]
    entries = last.applied - first.applied
    if not entries:
        raise RuntimeError("all was applied before the first commit: the load is too small to measure")
    return {
        "rate": entries / (last.moment - first.moment),
        "cpu_us": (last.cpu - first.cpu) / entries * 1e6,
        "entries": entries,
        "committed": sum(each.entries for each in rest),
        "commits": len(rest),
        "rows": sum(each.rows for each in rest),
        "interventions": sum(each.interventions for each in rest),
        "commit_s": sum(each.seconds for each in rest) / len(rest),
    }
