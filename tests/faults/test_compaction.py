"""The state topic is compacted as hard as a broker can, while workers die and recover through it."""

from __future__ import annotations

import time

import pytest

from schemas.topics import STATE
from tests.faults.conftest import NewArena

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(1800)]

KILLS = 8
HOSTILE = {
    "segment.bytes": "1048576",
    "segment.ms": "2000",
    "min.cleanable.dirty.ratio": "0.01",
    "min.compaction.lag.ms": "0",
    "max.compaction.lag.ms": "1000",
    "delete.retention.ms": "100",
}


def test_compaction_running_hard(new_arena: NewArena) -> None:
    arena = new_arena(settings={STATE: HOSTILE})
    workers = [arena.worker(), arena.worker()]
    for number in range(KILLS):
        with arena.fault("kill -9 under compaction"):
            time.sleep(arena.dice.random() * 2)
            workers[number % 2].kill()
            workers[number % 2].start()
    offsets, rows = arena.oracle.compacted()
    arena.result.note = f"{offsets:,} offsets compacted to {rows:,} records"
    assert rows < offsets / 2, arena.result.note
    arena.settle()
    arena.judge()
