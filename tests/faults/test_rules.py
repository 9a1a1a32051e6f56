"""The core misbehaves or changes: a rule that raises, entries cut into slices, rule sets switched, code rolled."""

from __future__ import annotations

import signal
import time

import msgspec
import pytest

from schemas.topics import RULESETS
from tests.faults.arena import Arena
from tests.faults.conftest import NewArena
from tests.faults.patched_worker import raise_in_rule
from tests.faults.supervision import SupervisedWorker

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(1800)]


def _patched(arena: Arena, *patches: str) -> SupervisedWorker:
    return arena.worker(module="tests.faults.patched_worker", environment={"EBB_FAULTS_PATCH": ",".join(patches)})


def _switch(arena: Arena, number: int, **other: object) -> None:
    days = 7 + number % 3
    tree = {
        "event_id": f"deed-{number}",
        "type": "ruleset.activated",
        "occurred_at": "2026-01-05T12:00:00.000Z",
        "scope": "*",
        "ruleset": {"rules": {"first_meeting.missing": {"not_scheduled_after": f"{days}d"}}} | other,
        "backfill": "emit",
    }
    arena.load.burst(RULESETS, [msgspec.json.encode(tree)], 0, key=b"*")
    arena.load.flush()


def test_a_rule_that_raises(new_arena: NewArena, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is skipped for that fact, recorded and counted; everything else goes on, and a replay does the same."""
    raise_in_rule(monkeypatch.setattr)
    arena = new_arena()
    worker = _patched(arena, "raise")
    for _ in range(2):
        with arena.fault("kill -9"):
            time.sleep(arena.dice.random())
            worker.kill()
            worker.start()
    arena.wait_ready(worker)
    counted = "\n".join(line for line in worker.ask("/metrics").splitlines() if "fault" in line)
    arena.settle()
    found = arena.judge()
    assert found.faults > 0
    assert counted, "no metric tells of it"
    arena.result.note = f"a rule raised {found.faults} times"


def test_slices_of_an_entry_with_deaths_between_them(new_arena: NewArena) -> None:
    """A switch of the rule set looks at every pair: 20 at a time, and the worker dies between two of these."""
    arena = new_arena(switches=False)
    worker = _patched(arena, "slice")
    for number in range(4):
        with arena.fault("kill between slices"):
            worker.kill()
            count = arena.dice.randint(10, 60)
            process = worker.start(failpoint=f"after_commit:{count}:kill")
            worker.wanted = False
            _switch(arena, number)
            assert process.wait(240) == -signal.SIGKILL, worker.output()[-4000:]
            worker.start()
    arena.settle()
    arena.judge()


def test_a_switch_of_the_rule_set_with_a_kill_around_it(new_arena: NewArena) -> None:
    arena = new_arena(switches=False)
    worker = arena.worker()
    for number in range(6):
        with arena.fault("kill around a switch"):
            if number % 2:
                _switch(arena, number)
            time.sleep(arena.dice.random() * 0.3)
            worker.kill()
            if not number % 2:
                _switch(arena, number)
            worker.start()
    arena.settle()
    arena.judge()


def test_an_invalid_rule_set_is_kept_out(new_arena: NewArena) -> None:
    """It becomes a dead letter; the last good one stays in force."""
    arena = new_arena(switches=False)
    worker = arena.worker()
    _switch(arena, 1)
    _switch(arena, 2, rules={"no.such.rule": {"x": 1}})
    with arena.fault("kill -9"):
        worker.kill()
        worker.start()
    arena.settle()
    arena.judge()
    assert arena.oracle.dead_reasons()["invalid_ruleset"] >= 1  # they may repeat


def test_a_rolling_change_between_two_versions(new_arena: NewArena) -> None:
    """Old and new workers share the partitions for a while; the journal says which code came when."""
    arena = new_arena()
    old = [arena.worker(), arena.worker()]
    for worker in old:
        arena.wait_ready(worker)
    for worker in old:
        with arena.fault("worker replaced by a newer one"):
            new = _patched(arena, "version")
            arena.wait_ready(new)
            assert worker.end() == 0, worker.output()[-4000:]
    arena.settle()
    arena.judge()
