"""The slice of the suite that runs with every test run, in under three minutes: one of each kind that costs little."""

from __future__ import annotations

import signal
import time

import pytest

from deploy.kafka.broker import KafkaBroker
from tests.faults.conftest import NewArena

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]

SESSION_S = 6.0  # the shortest that brokers allow unasked: the slice has to be quick


def test_workers_are_killed_joined_and_paused_and_the_broker_dies(new_arena: NewArena, broker: KafkaBroker) -> None:
    arena = new_arena(session_s=SESSION_S)
    first = arena.worker()
    with arena.fault("kill -9"):
        first.kill()
        first.start()
    for place in ("ingest_after_journal_ack", "before_commit"):
        with arena.fault(f"kill at {place}"):
            first.kill()
            process = first.start(failpoint=f"{place}:3:kill")
            first.wanted = False
            assert process.wait(240) == -signal.SIGKILL, first.output()[-4000:]
            first.start()
    with arena.fault("join and SIGTERM"):
        second = arena.worker()
        arena.until(lambda: " open at entry " in second.output(), 180, "the second worker got nothing to do")
        assert second.end() == 0, second.output()[-4000:]
    second.start()
    arena.until(lambda: second.output().count(" open at entry ") > 2, 180, "the second worker got nothing to do")
    with arena.fault("pause past the session"):
        first.kill()
        first.start(failpoint="after_begin:25:stop")
        first.wait_state("T")
        time.sleep(SESSION_S + 2)
        first.resume()
    with arena.fault("broker kill -9"):
        broker.kill()
        time.sleep(1)
        broker.restart()
    arena.settle()
    arena.judge()
