"""A worker whose clock is an hour off: facts are applied, but what it thinks the time is, it keeps to itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.faults.conftest import NewArena

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(1800)]

HOUR_S = 3_600


def faked(seconds: int, folder: Path) -> dict[str, str]:
    """Environment of a process whose clock is so many seconds off; skips where there is no C compiler.

    Not libfaketime: under its 0.9.10 `time.sleep` of Python 3.11 fails (clock_nanosleep says EINVAL), and without its
    option to leave durations alone `threading.Event.wait` never returns.
    """
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("a wrong clock needs a C compiler: apt-get install gcc libc6-dev")
    library = folder / "clock.so"
    source = Path(__file__).with_name("clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(source), "-ldl"], check=True)
    return {"LD_PRELOAD": str(library), "CLOCK_OFF_S": str(seconds)}


@pytest.mark.parametrize("off_s", [HOUR_S, -HOUR_S], ids=["ahead", "behind"])
def test_a_worker_clock_an_hour_off(new_arena: NewArena, tmp_path: Path, off_s: int) -> None:
    arena = new_arena()
    worker = arena.worker(environment=faked(off_s, tmp_path))
    sentence = "the clock differs from the broker's by"
    arena.until(lambda: any(sentence in text for text in worker.report().get("reasons", [])), 180, "not red")
    before = arena.oracle.applied()
    arena.until(lambda: arena.oracle.applied() > before + 4_000, 240, "facts are not applied")
    assert worker.report()["ready"] is False
    assert arena.oracle.progress_entries() == 0
    with arena.fault(f"worker clock {off_s:+,d} s, then a worker that is right"):
        worker.kill()
        right = arena.worker()
    arena.wait_ready(right)
    arena.until(lambda: arena.oracle.progress_entries() > 0, 180, "no progress")
    arena.settle()
    arena.judge()
