"""Worker processes for fault scenarios, and a supervisor that starts again whoever dies while wanted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class SupervisedWorker:
    """A worker process that is started again whenever it ends while it is wanted.

    Args:
        command: what to run.
        environment: added to ours; `start` adds `EBB_FAILPOINT` and whatever else one life needs.
        folder: where it runs and where `<name>.log` collects the output of all its lives.
        port: where it tells how it is.
    """

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path, port: int = 0
    ) -> None:
        self.name = name
        self.starts = 0
        self.wanted = True
        self.log = folder / f"{name}.log"
        self.data = folder / f"{name}.data"
        self._command = command
        self._folder = folder
        self._port = port
        own = {key: text for key, text in os.environ.items() if not key.startswith("EBB_")}
        self._environment = {**own, **environment, "EBB_PORT": str(port), "EBB_DATA_DIR": str(self.data)}
        self.process = self.start()

    def start(self, failpoint: str = "", **environment: str) -> subprocess.Popen[bytes]:
        """Start a new life; see `agents.host.failpoints` for what may be asked of it."""
        self.data.mkdir(exist_ok=True)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment | {"EBB_FAILPOINT": failpoint} | environment,
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
        self.process.wait(60)

    def pause(self) -> None:
        """SIGSTOP: it keeps its sockets and knows nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self.process.send_signal(signal.SIGCONT)

    def end(self, timeout_s: float = 60.0) -> int:
        """SIGTERM, for good. Returns: the exit code."""
        self.wanted = False
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout_s)

    def forget(self) -> None:
        """Remove its local data."""
        shutil.rmtree(self.data, ignore_errors=True)

    def output(self) -> str:
        """Everything it has printed, in all its lives."""
        return self.log.read_text(errors="replace")

    def ask(self, path: str) -> str:
        """The body of an answer, whatever its status; empty while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=2) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return error.read().decode()
        except OSError:
            return ""

    def report(self) -> dict[str, Any]:
        """What `/readyz` says; empty while nobody answers."""
        found: dict[str, Any] = json.loads(self.ask("/readyz") or "{}")
        return found

    def wait_refusal(self, timeout_s: float = 180.0) -> str:
        """Wait until it has ended by itself, with exit code 1. Returns: everything it printed in this life."""
        self.wanted = False
        assert self.process.wait(timeout_s) == 1, self.output()[-4000:]
        return self.output()

    def wait_state(self, state: str, timeout_s: float = 240.0) -> None:
        """Wait for a process state, `T` after a failpoint that stops."""
        deadline = time.monotonic() + timeout_s
        while self.state() != state:
            assert time.monotonic() < deadline, f"{self.name} is {self.state()}, not {state}\n{self.output()[-4000:]}"
            time.sleep(0.05)


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
                worker.resume()
                worker.kill()

    def logs(self) -> str:
        return "".join(worker.output() for worker in self.workers)
