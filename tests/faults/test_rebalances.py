"""Workers that come and go, faster than the group settles."""

from __future__ import annotations

import time

import pytest

from tests.faults.conftest import NewArena

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(2400)]

EVENTS = 24
EVERY_S = 10.0


def test_rebalance_storm(new_arena: NewArena) -> None:
    """Every 10 s one of three workers joins or leaves, in order or not."""
    arena = new_arena()
    workers = [arena.worker() for _ in range(3)]
    is_up = [True] * 3
    for _ in range(EVENTS):
        due = time.monotonic() + EVERY_S
        number = arena.dice.randrange(3)
        if is_up[number] and sum(is_up) > 1:
            ends = arena.dice.random() < 0.5
            with arena.fault("leave by TERM" if ends else "leave by KILL", waits=False):
                if ends:
                    workers[number].end()
                else:
                    workers[number].kill()
            is_up[number] = False
        else:
            number = is_up.index(False) if False in is_up else number
            with arena.fault("join" if not is_up[number] else "restart by KILL", waits=False):
                if is_up[number]:
                    workers[number].kill()
                workers[number].start()
            is_up[number] = True
        time.sleep(max(0.0, due - time.monotonic()))
    arena.settle()
    arena.judge()


def test_rebalance_during_recovery(new_arena: NewArena) -> None:
    """A worker that joins is stopped in mid-recovery, the other one dies or leaves, the sleeper wakes up."""
    arena = new_arena()
    workers = [arena.worker(), arena.worker()]
    for number in range(3):
        sleeper, other = workers[number % 2], workers[1 - number % 2]
        arena.wait_ready(other)
        with arena.fault("rebalance in mid-recovery"):
            sleeper.kill()
            sleeper.start(failpoint=f"mid_recovery:{arena.dice.randint(1, 2)}:stop")
            sleeper.wait_state("T")
            if number % 3 == 0:
                other.kill()
            elif number % 3 == 1:
                other.end()
            else:
                time.sleep(8)
            sleeper.resume()
            if other.process.poll() is not None:
                other.start()
    arena.settle()
    arena.judge()
