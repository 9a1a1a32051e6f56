"""Zombies: workers stopped past their session, who wake up in the belief that nothing happened."""

from __future__ import annotations

import time

import pytest

from tests.faults.arena import SESSION_S
from tests.faults.conftest import NewArena

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(2400)]

PLACES = ("after_begin", "before_commit", "between_batches", "ingest_after_journal_ack", "after_apply")
RANDOM_PAUSES = 3
SHORT_PAUSES = 40


def test_zombies(new_arena: NewArena) -> None:
    """Stopped exactly at the dangerous steps, and at random; another worker takes over meanwhile."""
    arena = new_arena()
    workers = [arena.worker(), arena.worker()]
    for worker in workers:
        arena.wait_ready(worker)
    for number in range(len(PLACES) + RANDOM_PAUSES):
        sleeper = workers[number % 2]
        place = PLACES[number] if number < len(PLACES) else None
        with arena.fault(f"pause at {place}" if place else "pause"):
            if place:
                sleeper.kill()
                sleeper.start(failpoint=f"{place}:{arena.dice.randint(15, 30)}:stop")
                sleeper.wait_state("T")
            else:
                time.sleep(arena.dice.random())
                sleeper.pause()
            time.sleep(SESSION_S + 2)
            sleeper.resume()
            time.sleep(2)
    assert " was fenced" in arena.supervisor.logs()
    arena.settle()
    arena.judge()


def test_pauses_shorter_than_the_session(new_arena: NewArena) -> None:
    """Nobody takes over: whoever sleeps for less than its session goes on where it was."""
    arena = new_arena()
    workers = [arena.worker(), arena.worker()]
    for worker in workers:
        arena.wait_ready(worker)
    for _ in range(SHORT_PAUSES):
        sleeper = arena.dice.choice(workers)
        with arena.fault("pause of 0.2 to 2 s"):
            time.sleep(arena.dice.random() * 0.5)
            sleeper.pause()
            time.sleep(0.2 + arena.dice.random() * 1.8)
            sleeper.resume()
    arena.settle()
    arena.judge()
