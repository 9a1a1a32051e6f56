"""The demo from beginning to end."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from agents.demo.feed import Feeder, Inbound, StalledError
from agents.demo.screen import Screen
from agents.demo.watch import InterventionWatch, JournalWatch
from agents.demo.worker import HALVES, Half, WorkerProcess, free_ports
from agents.embedded import EmbeddedBroker
from agents.host.clients import KafkaSettings
from schemas.outbound import Intervention
from schemas.topics import CATALOGUE, INBOUND

PARTITIONS: Final = 4
"""Of every topic but those of one: there are four programs, and each partition costs the worker commits of its own."""
INBOUND_PARTITIONS: Final = 1
"""Of every inbound topic: ingest asks for the news of all of them in every fetch."""
_START_S: Final = 60.0
_SETTLE_S: Final = 60.0


class DemoError(Exception):
    """The demo could not go on. The text is one sentence, or a few lines of the worker's log."""


@dataclass
class Look:
    """See agents.demo.screen.Look."""

    total: int = 0
    sent: int = 0
    at_ms: int = 0
    seconds: float = 0.0
    counts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    latest: list[Intervention] = field(default_factory=list)
    stage: str = "starting the broker"


@dataclass(frozen=True)
class Files:
    """Where the demo leaves what it made."""

    folder: Path

    @property
    def recording(self) -> Path:
        return self.folder / "journal.parquet"

    @property
    def interventions(self) -> Path:
        return self.folder / "interventions.jsonl"

    @property
    def log(self) -> Path:
        return self.folder / "worker.log"


@dataclass(frozen=True)
class Result:
    """What the demo did. `counts` are interventions by rule and change."""

    facts: int
    seconds: float
    entries: int
    counts: Mapping[tuple[str, str], int]


class Demo:
    """A running demo: `start`, `feed`, then `stop` whatever happens.

    Args:
        port: of the engine's health and metrics; 0: any free one.
    """

    def __init__(self, files: Files, screen: Screen, port: int = 0) -> None:
        self._files = files
        self._screen = screen
        self._look = Look()
        self._began = time.monotonic()
        self._broker = EmbeddedBroker()
        ports = free_ports(len(HALVES))
        self._ports = dict(zip(HALVES, ports, strict=True)) | ({"engine": port} if port else {})
        self._workers: dict[Half, WorkerProcess] = {}
        self._journal: JournalWatch | None = None
        self._interventions: InterventionWatch | None = None
        self._feeder: Feeder | None = None
        self._asked_to_stop = threading.Event()

    @property
    def addresses(self) -> dict[Half, str]:
        """Where each half of the worker shows its health and metrics, `host:port`."""
        return {half: f"127.0.0.1:{port}" for half, port in self._ports.items()}

    @property
    def brokers(self) -> str:
        """Address of the embedded broker."""
        return self._broker.bootstrap

    def ask_to_stop(self) -> None:
        """End early; may be called from a signal handler."""
        self._asked_to_stop.set()

    def start(self) -> None:
        """Start broker, worker and watchers. Raises: DemoError."""
        try:
            self._files.folder.mkdir(parents=True, exist_ok=True)
            self._files.log.write_bytes(b"")
        except OSError as error:
            raise DemoError(
                f"cannot write into {self._files.folder} ({error.strerror}): set EBB_DATA_DIR to another folder."
            ) from error
        self._broker.start()
        for topic in CATALOGUE:
            partitions = INBOUND_PARTITIONS if topic.name in INBOUND else PARTITIONS
            self._broker.create_topic(topic.name, min(topic.partitions, partitions))
        for half, port in self._ports.items():
            self._workers[half] = WorkerProcess(half, self.brokers, port, self._files.log)
        kafka = KafkaSettings(brokers=self.brokers, embedded=True)
        self._journal = JournalWatch(kafka, PARTITIONS, self._files.recording)
        self._interventions = InterventionWatch(kafka, PARTITIONS)
        self._journal.follower.start()
        self._interventions.follower.start()

    def feed(self, records: Sequence[Inbound]) -> Result:
        """Feed a year, wait until everything is applied, and write down what came out. Raises: DemoError."""
        assert self._journal is not None
        assert self._interventions is not None
        self._look.total = len(records)
        self._until(self._ready, _START_S, "the worker did not get ready")
        self._look.stage = "feeding a year, a day at a time"
        self._feeder = Feeder(
            KafkaSettings(brokers=self.brokers, embedded=True),
            records,
            INBOUND_PARTITIONS,
            journalled=lambda: self._journal.facts if self._journal is not None else 0,
            bytes_ahead=self._bytes_ahead,
        )
        feeder = self._feeder
        feeder.start()
        self._until(lambda: not feeder.is_alive(), None, "")
        self._check()
        self._look.stage = "waiting for the engine"
        self._until(lambda: self._is_applied(len(records)), _SETTLE_S, "not everything was applied")
        seconds = time.monotonic() - self._began
        self._look.stage = "writing the recording"
        self._show()
        entries = self._journal.finish()
        self._interventions.follower.stop()
        self._interventions.write(self._files.interventions)
        return Result(
            self._workers["engine"].total("ebb_facts_total"), seconds, entries, dict(self._interventions.counts)
        )

    def wait(self) -> None:
        """Leave it running until asked to stop. Raises: DemoError when the worker ends."""
        while not self._asked_to_stop.wait(0.2):
            self._check_workers()

    def stop(self) -> None:
        """End everything that was started."""
        if self._feeder is not None:
            self._feeder.stop()
        if self._journal is not None:
            self._journal.discard()
        if self._interventions is not None:
            self._interventions.follower.stop()
        for worker in self._workers.values():
            worker.ask_to_stop()
        for worker in self._workers.values():
            worker.stop()
        self._broker.stop()

    # the worker

    def _ready(self) -> bool:
        reports = [worker.report() for worker in self._workers.values()]
        reason = next((reason for report in reports for reason in report.get("reasons", [])), "")
        self._look.stage = "starting the worker" + (f": {reason}" if reason else "")
        return all(report.get("ready") is True for report in reports)

    def _positions(self) -> dict[int, int]:
        report = self._workers["engine"].report()
        return {int(number): position for number, position in report.get("positions", {}).items()}

    def _bytes_ahead(self) -> int:
        assert self._journal is not None
        positions = self._positions()
        return max(self._journal.bytes_ahead(number, positions.get(number, 0)) for number in range(PARTITIONS))

    def _is_applied(self, facts: int) -> bool:
        """Whether every fact stands in the journal and is applied, and every intervention has been read back."""
        assert self._journal is not None
        assert self._interventions is not None
        positions = self._positions()
        if self._journal.facts < facts or [positions.get(n, 0) for n in range(PARTITIONS)] != self._journal.ends:
            return False
        return self._workers["engine"].total("ebb_interventions_total") == self._interventions.total

    # watching

    def _until(self, is_done: Any, patience_s: float | None, why: str) -> None:
        began = time.monotonic()
        while not is_done():
            self._check()
            if patience_s is not None and time.monotonic() - began > patience_s:
                raise DemoError(f"{why} within {patience_s:.0f} s; {self._files.log} may say why.")
            self._show()
            time.sleep(0.05)

    def _check(self) -> None:
        if self._asked_to_stop.is_set():
            raise DemoError("stopped before the end.")
        self._check_workers()
        followers = [watch.follower for watch in (self._journal, self._interventions) if watch is not None]
        for thread in (self._feeder, *followers):
            if thread is not None and thread.failure is not None:
                if isinstance(thread.failure, StalledError):
                    raise DemoError(f"{thread.failure} {self._files.log} may say why.") from thread.failure
                raise thread.failure

    def _check_workers(self) -> None:
        for half, worker in self._workers.items():
            if (code := worker.exit_code()) is not None:
                tail = "\n".join(self._files.log.read_text("utf-8", errors="replace").splitlines()[-5:])
                raise DemoError(f"the {half} worker ended with exit code {code}:\n{tail}")

    def _show(self) -> None:
        look = self._look
        look.seconds = time.monotonic() - self._began
        if self._feeder is not None:
            look.sent, look.at_ms = self._feeder.sent, self._feeder.at_ms
        if self._interventions is not None:
            look.counts = dict(self._interventions.counts)
            look.latest = list(self._interventions.latest)
        self._screen.show(look)
