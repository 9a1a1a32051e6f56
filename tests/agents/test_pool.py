"""Tasks of a backtest in several processes: what they tell, and how they end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.backtest.pool import run_all

Progress = Callable[[int], None]
DEADLINE_S = 60


def told(amount: int, progress: Progress) -> int:
    for _ in range(amount):
        progress(1)
    return amount


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_at_work(pid: str) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"  # ended, and perhaps nobody has asked how


def work_long(begun: str, done: str, _progress: Progress) -> None:
    Path(begun).write_text(str(os.getpid()), "utf-8")
    time.sleep(DEADLINE_S)
    Path(done).touch()


def fail_beside(begun: str, _progress: Progress) -> None:
    until(Path(begun).exists)
    raise ValueError("spoilt")


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_order_and_all_that_is_told_arrives(jobs: int) -> None:
    found: list[int] = []
    assert run_all([(told, (3,)), (told, (5,)), (told, (0,))], jobs, found.append) == [3, 5, 0]
    assert sum(found) == 8


def test_a_task_that_fails_ends_the_others(tmp_path: Path) -> None:
    begun, done = str(tmp_path / "begun"), str(tmp_path / "done")
    tasks: list[tuple[Callable[..., None], tuple[object, ...]]] = [
        (work_long, (begun, done)),
        (fail_beside, (begun,)),
    ]
    with pytest.raises(ValueError, match="spoilt"):
        run_all(tasks, 2, lambda _: None)
    assert not Path(done).exists()


def test_processes_end_with_the_one_that_began_them_even_if_it_is_killed(tmp_path: Path) -> None:
    begun = [tmp_path / "0", tmp_path / "1"]
    script = (
        "from tests.agents.test_pool import run_all, work_long\n"
        "if __name__ == '__main__':\n"
        f"    run_all([(work_long, (path, path + '-done')) for path in {[str(one) for one in begun]}], 2, print)\n"
    )
    (tmp_path / "begin.py").write_text(script, "utf-8")
    root = str(Path(__file__).resolve().parents[2])
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "begin.py")], env=os.environ | {"PYTHONPATH": root}, stderr=subprocess.DEVNULL
    ) as main:
        until(lambda: all(one.exists() and one.read_text("utf-8") for one in begun))
        main.send_signal(signal.SIGKILL)
    until(lambda: not any(is_at_work(one.read_text("utf-8")) for one in begun))
