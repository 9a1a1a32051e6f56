"""The broker dies, freezes, or is not there yet."""

from __future__ import annotations

import time

import pytest

from deploy.kafka.broker import KafkaBroker
from tests.faults.conftest import NewArena

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(2400)]

KILLS, SHORT_PAUSES = 6, 20


def test_broker_kill_and_restart(new_arena: NewArena, broker: KafkaBroker) -> None:
    arena = new_arena()
    arena.worker()
    for _ in range(KILLS):
        with arena.fault("broker kill -9", 300):
            time.sleep(arena.dice.random())
            broker.kill()
            time.sleep(arena.dice.random() * 4)
            broker.restart()
    arena.settle()
    arena.judge()


@pytest.mark.parametrize(("seconds", "times"), [(8, 3), (40, 1)])
def test_broker_pause(new_arena: NewArena, broker: KafkaBroker, seconds: int, times: int) -> None:
    """It keeps its connections and answers nobody."""
    arena = new_arena()
    arena.worker()
    arena.worker()
    for _ in range(times):
        with arena.fault(f"broker paused {seconds} s", 300):
            broker.pause()
            time.sleep(seconds)
            broker.resume()
    arena.settle()
    arena.judge()


def test_short_broker_pauses(new_arena: NewArena, broker: KafkaBroker) -> None:
    """Shorter than any time-out: everybody waits, and goes on."""
    arena = new_arena()
    arena.worker()
    for _ in range(SHORT_PAUSES):
        with arena.fault("broker paused 0.5 to 2 s", 300):
            broker.pause()
            time.sleep(0.5 + arena.dice.random() * 1.5)
            broker.resume()
    arena.settle()
    arena.judge()


def test_broker_absent_at_start(new_arena: NewArena, broker: KafkaBroker) -> None:
    """A worker started without a broker says so and ends; its supervisor starts it until there is one."""
    arena = new_arena()
    worker = arena.worker()
    with arena.fault("broker absent for a minute, worker started meanwhile", 300):
        broker.kill()
        worker.kill()
        worker.start()
        time.sleep(60)
        assert "No broker at" in worker.output()
        assert worker.starts > 3
        broker.restart()
    arena.settle()
    arena.judge()
