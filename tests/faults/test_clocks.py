"""A worker whose clock is an hour off: facts are applied, but what it thinks the time is, it keeps to itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.conftest import NewArena

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(600)]

HOUR_S = 3_600


def faked(seconds: int) -> dict[str, str]:
    """Environment of a process whose clock is so many seconds off; skips where libfaketime is not installed."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        pytest.skip("a wrong clock needs libfaketime: apt-get install libfaketime")
    return {"LD_PRELOAD": str(found[0]), "FAKETIME": f"{seconds:+d}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


@pytest.mark.parametrize("off_s", [HOUR_S, -HOUR_S], ids=["ahead", "behind"])
def test_a_worker_clock_an_hour_off(new_arena: NewArena, off_s: int) -> None:
    arena = new_arena()
    worker = arena.worker(environment=faked(off_s))
    sentence = "the clock differs from the broker's by"
    arena.until(lambda: any(sentence in text for text in worker.report().get("reasons", [])), 90, "not red")
    before = arena.oracle.applied()
    arena.until(lambda: arena.oracle.applied() > before + 4_000, 90, "facts are not applied")
    assert worker.report()["ready"] is False
    assert arena.oracle.progress_entries() == 0
    with arena.fault(f"worker clock {off_s:+,d} s, then a worker that is right"):
        worker.kill()
        right = arena.worker()
    arena.wait_ready(right)
    arena.until(lambda: arena.oracle.progress_entries() > 0, 60, "no progress")
    arena.settle()
    arena.judge()
