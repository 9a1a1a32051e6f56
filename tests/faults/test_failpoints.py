"""Death at every step of the protocol, from inside: exhaustive over `agents.host.failpoints`."""

from __future__ import annotations

import signal

import pytest

from agents.host.failpoints import NAMES
from tests.faults.conftest import NewArena

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(2400)]

ROUNDS = 1
PLACES = sorted(name for name in NAMES if not name.startswith("notifier_"))  # a worker does not pass the notifier's
OPENING = {"after_own", "mid_recovery", "after_recover"}


def test_kill_at_every_failpoint(new_arena: NewArena) -> None:
    arena = new_arena()
    worker = arena.worker()
    for turn in range(ROUNDS):
        for place in PLACES:
            count = arena.dice.randint(1, 4) if place in OPENING else arena.dice.randint(1, 20)
            if place == "ingest_after_dead_letter":
                count = arena.dice.randint(1, 3)
            with arena.fault(f"kill at {place}"):
                worker.kill()
                process = worker.start(failpoint=f"{place}:{count}:kill")
                worker.wanted = False
                assert process.wait(240) == -signal.SIGKILL, f"{place}:{count} {turn}\n{worker.output()[-4000:]}"
                worker.start()
    arena.settle()
    arena.judge()
