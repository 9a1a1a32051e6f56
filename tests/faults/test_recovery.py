"""How long it takes: a large state read back, a long pause made good for. Figures, with nothing beside them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.kafka.broker import KafkaBroker
from schemas.topics import JOURNAL
from tests.faults import million
from tests.faults.arena import ROOT, Arena
from tests.faults.conftest import NewArena

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.faults,
    pytest.mark.alone,
    pytest.mark.timeout(10_800),
]

PAIRS = int(os.environ.get("FAULTS_PAIRS", "1000000"))
LOAD_S = float(os.environ.get("FAULTS_LOAD_S", "3600"))
TIMES = 3
PAUSE_S = int(os.environ.get("FAULTS_PAUSE_S", "300"))
PAUSE_RATE = 500


def test_recovery_of_a_million_pairs(new_arena: NewArena) -> None:
    """Killed and started again under its name: from the start of the process until it says that it is ready."""
    arena = new_arena(load=False, partitions=million.PARTITIONS)
    entries = _make(arena)
    offsets, rows = arena.oracle.compacted()
    worker = arena.worker("--only", "engine", environment={"EBB_INSTANCE_ID": "worker-a"})
    arena.wait_ready(worker, 600)
    ends = arena.oracle.ends(JOURNAL)
    found = []
    for _ in range(TIMES):
        worker.kill()
        worker.start()
        ready_s = arena.wait_ready(worker, 600)
        found.append((ready_s, _cpu_s(worker.process.pid), _read_s(worker.output())))
        assert arena.oracle.positions() == {number: end - 1 for number, end in ends.items()}
    ready_s, cpu_s, read_s = sorted(found)[TIMES // 2]
    arena.result.note = (
        f"{PAIRS:,} pairs with their people, then {LOAD_S / 60:.0f} min of full load ({entries:,} journal entries in "
        f"all): state topic of {rows:,} records ({offsets:,} offsets), ready {ready_s:.1f} s after the start of the "
        f"process: {ready_s - read_s:.1f} s until it has its partitions, {read_s:.1f} s reading them back (median of "
        f"{TIMES}; {cpu_s:.1f} CPU s; {_memory_mb(worker.process.pid):,} MB)"
    )
    assert worker.end() == 0, worker.output()[-4000:]


def _read_s(output: str) -> float:
    """For how long the last life of a worker read back; its partitions are read at the same time."""
    took = [float(text) for text in re.findall(r" rows read in ([\d.]+) s", output)]
    assert len(took) >= million.PARTITIONS
    return max(took[-million.PARTITIONS :])


def _make(arena: Arena) -> int:
    """Returns: how many journal entries were folded."""
    begin_ms = int((time.time() - million.DAYS_AGO * 86_400) * 1_000)
    processes = []
    for number in range(2):
        arguments = (arena.bootstrap, arena.topics.prefix, PAIRS, LOAD_S, number, 2, begin_ms)
        command = [sys.executable, "-m", "tests.faults.million", *map(str, arguments)]
        processes.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True))
    try:
        answers = [process.communicate(timeout=1_800 + 2 * LOAD_S)[0] for process in processes]
        assert [process.returncode for process in processes] == [0, 0]
        return sum(map(int, answers))
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _cpu_s(pid: int) -> float:
    """User and system seconds of a process, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int) -> int:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) // 1024


def test_a_pause_of_five_minutes_is_made_good_for(new_arena: NewArena, broker: KafkaBroker) -> None:
    """What waits when the broker wakes is the pause times the rate; it is gone after that over what is left of the
    speed.
    """
    arena = new_arena(rate=PAUSE_RATE)
    arena.worker()
    with arena.fault(f"broker paused {PAUSE_S} s at {PAUSE_RATE} facts/s", 300):
        broker.pause()
        time.sleep(PAUSE_S)
        broker.resume()
        woke = time.monotonic()
        arena.until(lambda: arena.standing() is not None, 120, "the broker does not answer", every_s=0.05)
        before = arena.oracle.standing()
    _caught_up(arena)
    took_s = time.monotonic() - woke
    applied = arena.oracle.standing().applied - before.applied
    speed = applied / took_s
    arena.result.note = (
        f"lag 0 after {took_s:.1f} s with the load going on: {PAUSE_S} s x {PAUSE_RATE}/s = "
        f"{PAUSE_S * PAUSE_RATE:,} waiting / ({speed:,.0f} - {PAUSE_RATE})/s"
    )
    arena.settle()
    arena.judge()


def _caught_up(arena: Arena) -> None:
    """Until less waits than comes in a second, which while facts keep coming is all that no lag can mean."""

    def is_caught_up() -> bool:
        now = arena.standing()
        return now is not None and now.behind < PAUSE_RATE

    arena.until(is_caught_up, 600, "lag does not return to 0", every_s=0.05)
