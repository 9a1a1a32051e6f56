"""Processes under measurement: on a CPU of their own, with what they and their children used."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from deploy.kafka.broker import die_with_parent

ROOT: Final = Path(__file__).resolve().parents[2]
_ALL: Final = sorted(os.sched_getaffinity(0))
MEASURED: Final = frozenset(_ALL[-1:])
"""The CPU of the system under test."""
REST: Final = frozenset(_ALL[:-1] or _ALL)
"""The CPUs of broker, load and whoever watches."""
BOTH: Final = frozenset(_ALL)
_TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")
_STOP_S: Final = 20.0


def stand_aside() -> None:
    """Leave the measured CPU to the system under test: this process, and what it starts from now on."""
    os.sched_setaffinity(0, REST)


@contextmanager
def pinned(
    command: Sequence[str],
    output: BinaryIO,
    environment: Mapping[str, str] | None = None,
    cpus: frozenset[int] = MEASURED,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process on given CPUs; whatever is left of it and its children at the end is killed.

    Args:
        environment: variables added to ours.
    """
    process = subprocess.Popen(
        [*die_with_parent(), *command],
        cwd=ROOT,
        env=os.environ | (environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    os.sched_setaffinity(process.pid, cpus)  # threads started later inherit it
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def stop(process: subprocess.Popen[bytes], patience_s: float = _STOP_S) -> int | None:
    """Ask a process to end. Returns: its exit code; None when it did not end in time."""
    process.terminate()
    try:
        return process.wait(patience_s)
    except subprocess.TimeoutExpired:
        return None


def tree(pid: int) -> list[int]:
    """A process and its descendants that are alive."""
    found = [pid]
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text("ascii").split():
                found += tree(int(child))
    return found


def cpu_s(pid: int) -> float:
    """CPU seconds of a process, its living descendants and its children that ended, in steps of 10 ms."""
    used = 0.0
    for one in tree(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text("utf-8").rsplit(")", 1)[1].split()
            used += sum(map(int, fields[11:15])) * _TICK_S
    return used


def peak_mb(pid: int) -> float:
    """The most memory a process and its living descendants had resident, in MB."""
    most = 0.0
    for one in tree(pid):
        with suppress(OSError):
            for line in Path(f"/proc/{one}/status").read_text("utf-8").splitlines():
                if line.startswith("VmHWM:"):
                    most += int(line.split()[1]) / 1024
    return most


def busy_s() -> float:
    """CPU seconds that all CPUs together were busy since the machine started."""
    fields = Path("/proc/stat").read_text("ascii").splitlines()[0].split()
    return sum(map(int, fields[1:4])) * _TICK_S
