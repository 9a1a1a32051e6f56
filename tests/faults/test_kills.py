"""Workers that are killed: at random moments, with and without their local data, and told to stop under load."""

from __future__ import annotations

import time

import pytest

from tests.faults.conftest import NewArena

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(2400)]

KILLS = 30
TERMS = 6
FAILOVERS, FAILOVER_SESSION_S = 4, 6.0


@pytest.mark.parametrize("clock", ["wall", "records"])
def test_kill_storm(new_arena: NewArena, clock: str) -> None:
    """Every other time the local data goes too: nothing of it may be needed."""
    arena = new_arena(clock=clock)
    worker = arena.worker()
    for number in range(KILLS if clock == "wall" else KILLS // 3):
        forgets = number % 2 == 1
        with arena.fault("kill -9 and local data lost" if forgets else "kill -9"):
            time.sleep(arena.dice.random() * 0.5)
            worker.kill()
            if forgets:
                worker.forget()
            worker.start()
    arena.settle()
    arena.judge()


def test_term_under_load(new_arena: NewArena) -> None:
    arena = new_arena()
    worker = arena.worker()
    for _ in range(TERMS):
        with arena.fault("SIGTERM"):
            time.sleep(arena.dice.random() * 0.5)
            began = time.monotonic()
            assert worker.end() == 0, worker.output()[-4000:]
            assert time.monotonic() - began < 30
            worker.start()
    arena.settle()
    arena.judge()


@pytest.mark.alone
def test_failover_to_a_second_worker(new_arena: NewArena) -> None:
    """A killed worker says no goodbye: the other one takes over when its session of 6 s has ended."""
    arena = new_arena(session_s=FAILOVER_SESSION_S)
    workers = [arena.worker(), arena.worker()]
    for number in range(FAILOVERS):
        for worker in workers:
            arena.wait_ready(worker)
        with arena.fault("kill -9 of one of two"):
            workers[number % 2].kill()
        took = arena.result.faults[-1].recovered_s
        assert took <= 15, f"failover took {took:.1f} s"
        workers[number % 2].start()
    arena.settle()
    arena.judge()
