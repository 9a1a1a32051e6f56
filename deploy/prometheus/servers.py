"""A real Prometheus and a real Alertmanager on loopback, with the rules and routes that ship, for tests and a look.

    with Alertmanager(webhook) as alertmanager, Prometheus({"ebb": [worker]}, alertmanager.address) as prometheus:
        prometheus.query("up")

What ships is what runs; only addresses are put in. `hurry` shortens every wait (scrapes, evaluations and grouping take
a second, a minute of `for` a third of one), so that a test sees in seconds what takes minutes in earnest.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import yaml

from deploy.ports import free_port
from deploy.prometheus.programs import find

HERE = Path(__file__).resolve().parent
ROUTES = HERE.parent / "alertmanager" / "alertmanager.yml"
RULES = ("recording.yml", "alerts.yml")
_START_S = 30.0
_STOP_S = 10.0
_QUICK = "1s"


class ServerError(RuntimeError):
    """A server did not do what was asked; the message ends with the last lines of its log."""


class _Server:
    """One process with a folder of its own, from `with` until the end of it."""

    name = ""
    ready = "/-/ready"

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"ebb-{self.name}-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """What to run, after writing its configuration."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            command = self.command()
            with (self.folder / "log").open("wb") as output:
                self._process = subprocess.Popen(
                    [*_die_with_parent(), *command],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=self.folder,
                    start_new_session=True,  # Ctrl-C is for us: we stop it in order
                )
            self._wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process and remove its folder."""
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def get(self, path: str, **parameters: str) -> Any:
        """Ask its API. Returns: the decoded answer. Raises: ServerError with its reason."""
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        try:
            with urllib.request.urlopen(f"http://{self.address}{path}{query}", timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ServerError(f"{path}: {error.read().decode(errors='replace')}") from error

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + _START_S
        while True:
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = (self.folder / "log").read_text(errors="replace").splitlines()[-10:]
                raise ServerError(f"{self.name} did not get ready:\n" + "\n".join(tail))
            ready = f"http://{self.address}{self.ready}"
            with contextlib.suppress(OSError), urllib.request.urlopen(ready, timeout=2):
                return
            time.sleep(0.05)


class Prometheus(_Server):
    """Scrapes and evaluates.

    Args:
        targets: addresses by job.
        alertmanager: address of one, if there is one.
        hurry: see the module.
    """

    name = "prometheus"

    def __init__(
        self, targets: Mapping[str, Sequence[str]], alertmanager: str | None = None, *, hurry: bool = False
    ) -> None:
        super().__init__()
        self._targets = dict(targets)
        self._alertmanager = alertmanager
        self._hurry = hurry

    def command(self) -> list[str]:
        """See `_Server`."""
        settings = yaml.safe_load((HERE / "prometheus.yml").read_text("utf-8"))
        if self._hurry:
            settings["global"] = {"scrape_interval": _QUICK, "evaluation_interval": _QUICK}
        settings["scrape_configs"] = [
            {"job_name": job, "static_configs": [{"targets": list(places)}]} for job, places in self._targets.items()
        ]
        found = [] if self._alertmanager is None else [{"static_configs": [{"targets": [self._alertmanager]}]}]
        settings["alerting"] = {"alertmanagers": found}
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(settings, sort_keys=False))
        for name in RULES:
            rules = yaml.safe_load((HERE / name).read_text("utf-8"))
            for rule in (rule for group in rules["groups"] for rule in group["rules"]):
                if self._hurry and "for" in rule:
                    rule["for"] = _hurried(rule["for"])
            (self.folder / name).write_text(yaml.safe_dump(rules, sort_keys=False, allow_unicode=True))
        return [
            find("prometheus"),
            f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/data",
            f"--web.listen-address={self.address}",
            "--log.level=warn",
        ]

    def query(self, expression: str) -> dict[tuple[tuple[str, str], ...], float]:
        """Ask now. Returns: values by labels, the name of the metric left out. Raises: ServerError."""
        answer = self.get("/api/v1/query", query=expression)["data"]
        if answer["resultType"] == "scalar":
            return {(): float(answer["result"][1])}
        return {
            tuple(sorted((name, value) for name, value in each["metric"].items() if name != "__name__")): float(
                each["value"][1]
            )
            for each in answer["result"]
        }


class Alertmanager(_Server):
    """Groups alerts and sends them on.

    Args:
        webhook: where messages go, `http://…`; the name of the receiver is put behind it.
        hurry: see the module.
    """

    name = "alertmanager"

    def __init__(self, webhook: str, *, hurry: bool = False) -> None:
        super().__init__()
        self._webhook = webhook.rstrip("/")
        self._hurry = hurry

    def command(self) -> list[str]:
        """See `_Server`."""
        settings = yaml.safe_load(ROUTES.read_text("utf-8"))
        for receiver in settings["receivers"]:
            for hook in receiver["webhook_configs"]:
                hook["url"] = f"{self._webhook}/{receiver['name']}"
        if self._hurry:
            for route in (settings["route"], *settings["route"]["routes"]):
                route["group_wait"] = route["group_interval"] = _QUICK
        (self.folder / "alertmanager.yml").write_text(yaml.safe_dump(settings, sort_keys=False))
        return [
            find("prometheus-alertmanager"),
            f"--config.file={self.folder}/alertmanager.yml",
            f"--storage.path={self.folder}/data",
            f"--web.listen-address={self.address}",
            "--cluster.listen-address=",
            "--log.level=warn",
        ]

    def tell(self, alerts: Sequence[Mapping[str, str]], *, is_over: bool = False) -> None:
        """Send alerts by their labels, as Prometheus does; `is_over`: they are no more."""
        now = datetime.now(UTC)
        times = {"startsAt": now - timedelta(minutes=1), "endsAt": now + timedelta(minutes=-1 if is_over else 60)}
        body = [{"labels": labels} | {name: at.isoformat() for name, at in times.items()} for labels in alerts]
        request = urllib.request.Request(
            f"http://{self.address}/api/v2/alerts",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10):
            pass


def _hurried(duration: str) -> str:
    """A third of a second for each minute, at least one second."""
    minutes = float(duration[:-1]) * {"s": 1 / 60, "m": 1, "h": 60}[duration[-1]]
    return f"{max(1, round(minutes / 3))}s"


def _die_with_parent() -> list[str]:
    """Where the system offers it, let a server end when this process is killed."""
    setpriv = shutil.which("setpriv")
    if setpriv is None or os.name != "posix":
        return []
    return [setpriv, "--pdeathsig", signal.Signals.SIGTERM.name.removeprefix("SIG"), "--"]
