"""Workers with a name of their own: one that starts again takes its place back, and never two have it."""

from __future__ import annotations

import pytest

from tests.faults.conftest import NewArena
from tests.faults.supervision import SupervisedWorker

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]

SESSION_S = 10.0
NAME = {"EBB_INSTANCE_ID": "worker-a"}


def test_a_name_passes_to_whoever_starts_under_it(new_arena: NewArena) -> None:
    arena = new_arena(session_s=SESSION_S)
    first = arena.worker(environment=NAME)
    with arena.fault("kill -9, started again under its name"):
        first.kill()
        first.start()
    first.wanted = False
    with arena.fault("a second worker under the same name"):
        second = arena.worker(environment=NAME)
        _has_given_way(first)
    with arena.fault("paused in a transaction, replaced under its name, and woken"):
        second.kill()
        second.start(failpoint="after_begin:5:stop")
        second.wait_state("T")
        second.wanted = False
        first.start()
        arena.wait_ready(first)
        second.resume()
        _has_given_way(second)
    other = arena.worker(environment={"EBB_INSTANCE_ID": "worker-b"})
    arena.until(lambda: " open at entry " in other.output(), 180, "the other worker got nothing to do")
    with arena.fault("the leader of two killed, started again under its name"):
        first.kill()
        first.start()
    arena.settle()
    arena.judge()
    print([f"{fault.kind}: {fault.recovered_s:.1f} s" for fault in arena.result.faults])  # noqa: T201


def _has_given_way(worker: SupervisedWorker) -> None:
    assert worker.process.wait(120) == 1, worker.output()[-4000:]
    assert "another worker has started as worker-a" in worker.output()
