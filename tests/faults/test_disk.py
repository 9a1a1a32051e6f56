"""The disk under the broker is full: the broker ends, and what it had accepted is there when it has room again."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.kafka.broker import KafkaBroker
from tests.conftest import start_kafka
from tests.faults.arena import SHORT_LIVED
from tests.faults.conftest import NewArena

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(1800)]

SIZE = "600m"
TIMES = 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("a small disk needs `mount`, which is not here")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here (it needs root): {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _fill(ballast: Path) -> None:
    def grow(size: int) -> None:
        while True:
            file.write(b"\0" * size)

    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
                grow(size)


def test_the_disk_under_the_broker_is_full(new_arena: NewArena, small_disk: Path) -> None:
    broker = start_kafka(KafkaBroker(data=small_disk / "kafka", environment=SHORT_LIVED))
    try:
        arena = new_arena(on=broker)
        arena.worker()
        ballast = small_disk / "ballast"
        for _ in range(TIMES):
            with arena.fault("disk full under the broker", 240):
                _fill(ballast)
                arena.until(lambda: not broker.is_alive(), 180, "the broker works on a full disk")
                ballast.unlink()
                broker.restart()
        arena.settle()
        arena.judge()
    finally:
        broker.stop()
