"""What producers do: repeats, disorder, late and future facts, clocks that are off, bursts of poison."""

from __future__ import annotations

import subprocess
import time

import pytest

from agents.ingest.limits import MOST_IN_A_ROW
from tests.faults.conftest import NewArena
from tests.faults.load import Mischief, signed_in

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(1800)]

MISCHIEF = Mischief(again=0.1, late=0.1, future=0.01, window=10, skewed=0.1)


def test_repeats_disorder_late_future_and_skewed_facts(new_arena: NewArena) -> None:
    arena = new_arena(mischief=MISCHIEF)
    worker = arena.worker()
    for _ in range(3):
        with arena.fault("kill -9"):
            time.sleep(arena.dice.random())
            worker.kill()
            worker.start()
    arena.settle()
    arena.judge()


def test_a_burst_of_poison_stops_its_source_and_no_other(new_arena: NewArena) -> None:
    """99 bad records in a row pass into dead letters, the 100th stops the source; an operator lets it go on."""
    arena = new_arena()
    worker = arena.worker()
    arena.wait_mid_work()
    arena.load.stop()
    arena.wait_settled()
    arena.load.burst("ratings", [b"not json"] * (MOST_IN_A_ROW + 20), 1)
    arena.load.flush()
    arena.until(lambda: any("ratings/1 stopped" in text for text in worker.report().get("reasons", [])), 240, "not red")
    before = arena.oracle.applied()
    arena.load.burst("participant-activity", [signed_in(number) for number in range(50)], 2)
    arena.load.flush()
    arena.until(lambda: arena.oracle.applied() >= before + 50, 240, "a neighbour stopped, too")
    done = subprocess.run(
        arena.command("ingest", "resume", "ratings/1"),
        env=arena.environment,
        cwd=arena.folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    arena.wait_settled()
    arena.result.note = f"{MOST_IN_A_ROW + 20} bad records in a row, source stopped and resumed"
    arena.settle()
    arena.judge()
