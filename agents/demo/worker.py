"""The demo's worker: ingest and engine, a process each, so that a year has two cores to pass on."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from prometheus_client.parser import text_string_to_metric_families

import agents

Half = Literal["ingest", "engine"]
HALVES: Final[tuple[Half, ...]] = ("ingest", "engine")
_ROOT: Final = Path(agents.__file__).resolve().parent.parent
_STOP_S: Final = 20.0


class WorkerProcess:
    """`ebb worker --only` one half, spoken to through its port.

    Args:
        log: what it says is added there.
        port: of its health and metrics.
    """

    def __init__(self, only: Half, brokers: str, port: int, log: Path) -> None:
        self.address: Final = f"127.0.0.1:{port}"
        own = {name: value for name, value in os.environ.items() if not name.startswith("EBB_")}
        own |= {
            "PYTHONPATH": os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH")))),
            "EBB_BROKERS": brokers,
            "EBB_KAFKA_EMBEDDED": "true",
            "EBB_KAFKA_FETCH_WAIT_MS": "10",
            "EBB_CLOCK": "records",
            "EBB_LINGER_MS": "1000",  # a year passes in less than a minute: larger commits, nobody waits for one
            "EBB_PORT": str(port),
            "EBB_LOG_FORMAT": "text",
        }
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*_die_with_us(), sys.executable, "-m", "agents.cli", "worker", "--only", only],
                cwd=log.parent,  # not where an ebb.toml meant for something else may stand
                env=own,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us: we stop it in order
            )

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def report(self) -> dict[str, Any]:
        """What `/readyz` says (agents.health.Report); empty while nobody answers."""
        answer = self._ask("/readyz")
        return {} if answer is None else msgspec.json.decode(answer)

    def total(self, metric: str) -> int:
        """The sum of all series of a counter."""
        text = (self._ask("/metrics") or b"").decode()
        families = text_string_to_metric_families(text)
        return int(sum(sample.value for family in families for sample in family.samples if sample.name == metric))

    def ask_to_stop(self) -> None:
        """Let it end in order; `stop` waits for that."""
        if self._process.poll() is None:
            self._process.terminate()

    def stop(self) -> None:
        """End it, in order where it does so in time."""
        self.ask_to_stop()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, path: str) -> bytes | None:
        connection = http.client.HTTPConnection(self.address, timeout=5)
        with contextlib.closing(connection):
            try:
                connection.request("GET", path)
                return connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                return None  # not up yet, or busy: whoever asks has a time limit


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody has, each another."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def _die_with_us() -> list[str]:
    """Where the system offers it, let the worker end when this process is killed."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", signal.Signals.SIGTERM.name.removeprefix("SIG"), "--"] if setpriv else []
