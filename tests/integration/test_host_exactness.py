"""State, position and interventions are those of a single-threaded fold, whatever happens to the workers.

The short form runs with every test run. `EBB_FAULTS=full` runs the long one: 30 times kill -9 (half of them at random
moments, the others before and at each step of the protocol), a second worker coming and going 6 times, 4 pauses past
the session's end.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.kafka.broker import KafkaBroker
from tests.conftest import start_kafka
from tests.integration.host_harness import SESSION_S, Arena

FULL = os.environ.get("EBB_FAULTS") == "full"
KILLS, VISITS, PAUSES = (16, 6, 4) if FULL else (1, 1, 1)
ALL_PLACES = [
    "between_batches",
    "before_commit",
    "after_commit",
    "after_begin",
    "after_apply",
    "mid_recovery",
    "after_own",
]
PLACES = ALL_PLACES if FULL else ALL_PLACES[:2]

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900 if FULL else 120)]


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaBroker]:
    running = start_kafka(KafkaBroker(properties={"log.cleaner.backoff.ms": "200"}))
    yield running
    running.stop()


@pytest.fixture
def arena(broker: KafkaBroker, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Arena]:
    arena = Arena(broker, f"{request.node.name.replace('[', '.').rstrip(']')}.", tmp_path)
    yield arena
    arena.close()


def _assert_exact(arena: Arena, faults: int) -> None:
    arena.settle()
    assert [worker.end() for worker in arena.workers if worker.process.poll() is None].count(0) >= 1
    assert arena.proofs == faults
    assert arena.differences() == []


def test_kill_9_in_the_midst_of_work_changes_nothing(arena: Arena) -> None:
    dice = random.Random(1)
    worker = arena.worker()
    for _ in range(KILLS):
        arena.wait_mid_work()
        time.sleep(dice.random() * 0.5)
        worker.send(signal.SIGKILL)
        worker.process.wait(10)
    arena.wait_mid_work()
    _assert_exact(arena, KILLS + 1)
    assert worker.starts == KILLS + 1


def test_death_at_each_step_of_the_protocol_changes_nothing(arena: Arena) -> None:
    worker = arena.worker(PAIR_SLICE="60")
    for number, place in enumerate(PLACES):
        arena.wait_mid_work()
        worker.wanted = False
        worker.send(signal.SIGKILL)
        worker.process.wait(10)
        count = 2 if place in ("mid_recovery", "after_own") else 3 + number
        process = worker.start(failpoint=f"{place}:{count}:kill")
        assert process.wait(20) == -signal.SIGKILL, place
    arena.wait_mid_work()
    _assert_exact(arena, len(PLACES) + 1)


def test_a_second_worker_that_comes_and_goes_changes_nothing(arena: Arena) -> None:
    arena.worker()
    arena.wait_mid_work()
    second = arena.worker()
    for number in range(VISITS):
        if number:
            second.start()
        deadline = time.monotonic() + 30
        while second.log.read_text().count(f" {second.process.pid} INFO committed ") < 5:
            assert time.monotonic() < deadline, f"the second worker got nothing to do\n{arena.logs()[-4000:]}"
            time.sleep(0.1)
        arena.wait_mid_work()
        if number % 2:
            second.end(signal.SIGKILL)
        else:
            assert second.end() == 0
    arena.wait_mid_work()
    _assert_exact(arena, VISITS + 2)


def test_a_worker_that_slept_past_its_session_writes_nothing_when_it_wakes(arena: Arena) -> None:
    workers = [arena.worker(), arena.worker()]
    for number in range(PAUSES):
        arena.wait_mid_work()
        sleeper = workers[number % 2]
        if number % 2 == 0:  # stopped exactly between the fold and the first write
            sleeper.wanted = False
            sleeper.send(signal.SIGKILL)
            sleeper.process.wait(10)
            sleeper.start(failpoint="after_begin:12:stop")
            deadline = time.monotonic() + 30
            while sleeper.state() != "T":
                assert time.monotonic() < deadline, f"the failpoint was not reached\n{arena.logs()[-4000:]}"
                time.sleep(0.05)
        else:
            sleeper.send(signal.SIGSTOP)
        time.sleep(SESSION_S + 2)
        arena.wait_mid_work()
        sleeper.send(signal.SIGCONT)
        time.sleep(2)
    arena.wait_mid_work()
    assert " was fenced" in workers[0].log.read_text()
    _assert_exact(arena, 2 * PAUSES + 1)
