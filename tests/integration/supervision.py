"""Worker processes for fault tests, and a supervisor that starts again whoever dies while wanted."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path


class SupervisedWorker:
    """A worker process that is started again whenever it ends while it is wanted.

    Args:
        command: what to run.
        environment: added to ours; `start` adds `EBB_FAILPOINT`.
        folder: where it runs and where `<name>.log` collects the output of all its lives.
    """

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self.starts = 0
        self.wanted = True
        self.log = folder / f"{name}.log"
        self._command = command
        self._folder = folder
        own = {key: text for key, text in os.environ.items() if not key.startswith("EBB_")}
        self._environment = {**own, **environment}
        self.process = self.start()

    def start(self, failpoint: str = "") -> subprocess.Popen[bytes]:
        """Start a new life; see `agents.host.failpoints` for what may be asked of it."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment | {"EBB_FAILPOINT": failpoint},
            )
        self.starts += 1
        self.wanted = True
        return self.process

    def state(self) -> str:
        """The process state as the kernel says it: T is stopped, X is gone."""
        if self.process.poll() is not None:
            return "X"
        return Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]

    def kill(self) -> None:
        """SIGKILL, and stay away until `start`."""
        self.wanted = False
        self.process.kill()
        self.process.wait(10)

    def end(self, timeout_s: float = 20.0) -> int:
        """SIGTERM, for good. Returns: the exit code."""
        self.wanted = False
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout_s)


class Supervisor:
    """Watches over workers from the moment it is made until `close`."""

    def __init__(self) -> None:
        self.workers: list[SupervisedWorker] = []
        self.restarts = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._done.wait(0.1):
            for worker in list(self.workers):
                if worker.wanted and worker.process.poll() is not None:
                    self.restarts += 1
                    worker.start()

    def close(self) -> None:
        """End whatever is left, ours only."""
        self._done.set()
        self._thread.join(5)
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.process.send_signal(signal.SIGCONT)
                worker.kill()

    def logs(self) -> str:
        return "".join(worker.log.read_text() for worker in self.workers)
