"""One run of one system over a topic that is full already, watched from outside."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from benchmarks.harness.loading import Positions, remove
from benchmarks.harness.processes import cpu_s, peak_mb, pinned, stop
from benchmarks.harness.session import Session
from benchmarks.peers.data import PARTITIONS, Expected
from benchmarks.peers.systems import System

_SETTLE_S: Final = 12.0
_STOP_S: Final = 8.0


class Seen(NamedTuple):
    """After a batch of outputs: the moment, how many outputs so far, CPU seconds of the system so far."""

    moment: float
    outputs: int
    cpu: float


class WrongAnswerError(RuntimeError):
    """A system gave other outputs than the rule asks for."""


class UnfinishedError(RuntimeError):
    """A system ended, or took too long."""


class Watcher:
    """Reads an output topic, committed records only, and adds up what it reads."""

    def __init__(self, brokers: str, topic: str) -> None:
        self._consumer = Consumer({
            "bootstrap.servers": brokers, "group.id": f"watch-{topic}", "enable.auto.commit": False,
            "isolation.level": "read_committed", "fetch.wait.max.ms": 20, "log_level": 0,
        })  # fmt: skip
        self._consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
        self.outputs = self.checksum = 0

    def look(self, timeout_s: float) -> int:
        """Read what is there. Returns: how many outputs came."""
        came = 0
        for message in self._consumer.consume(5_000, timeout_s):
            if message.error() is None:
                found = json.loads(message.value() or b"{}")
                came += 1
                self.checksum += 31 * int(found["count"]) + int(found["sum"])
        self.outputs += came
        return came

    def close(self) -> None:
        self._consumer.close()


@contextmanager
def topics_of(session: Session, name: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Output and changelog topics and a state folder for one run, removed afterwards with all the system made.

    Yields: the name of the output topic, and the environment of the run.
    """
    out, changelog = f"{name}-out", f"{name}-changelog"
    session.broker.create_topic(out, PARTITIONS)
    session.broker.create_topic(changelog, PARTITIONS, {"cleanup.policy": "compact"})
    with TemporaryDirectory(dir=session.folder) as folder:
        yield (
            out,
            {
                "BROKERS": session.brokers, "OUT_TOPIC": out, "CHANGELOG": changelog, "RUN_ID": name,
                "STATE_DIR": folder, "PARTITIONS": str(PARTITIONS),
            },
        )  # fmt: skip
    made = AdminClient({"bootstrap.servers": session.brokers, "log_level": 0}).list_topics(timeout=15).topics
    remove(session.brokers, [topic for topic in made if topic.startswith(name)])


def drain(
    session: Session, system: System, name: str, topic: str, records: int, expected: Expected, timeout_s: float
) -> dict[str, float]:
    """Run a system until it has put out everything and committed its positions.

    Returns: CPU seconds of its whole life until positions are committed (or 12 s after the last output, for systems
        that keep them elsewhere), seconds from its start to the last output, and CPU a record between the middle
        output and the last one, which is the warm part, unless outputs come in bursts.
    Raises: WrongAnswerError, UnfinishedError.
    """
    log = session.folder / f"{name}.log"
    with topics_of(session, name) as (out, environment):
        watcher = Watcher(session.brokers, out)
        environment |= {"IN_TOPIC": topic} | dict(system.environment)
        # Ours names its group after the app, as the others do.
        positions = Positions(session.brokers, name, {topic: PARTITIONS})
        began = time.monotonic()
        with log.open("wb") as output, pinned(system.command(), output, environment) as process:
            seen: list[Seen] = []
            deadline = began + timeout_s
            while watcher.outputs < expected.outputs:
                if watcher.look(0.02):
                    seen.append(Seen(time.monotonic(), watcher.outputs, cpu_s(process.pid)))
                if time.monotonic() > deadline or process.poll() is not None:
                    raise UnfinishedError(f"{name} stopped at {watcher.outputs} outputs:\n{_tail(log)}")
            settled = time.monotonic() + _SETTLE_S
            while time.monotonic() < settled and positions.committed() < records:
                time.sleep(0.2)
            watcher.look(0.2)
            used, memory = cpu_s(process.pid), peak_mb(process.pid)
            stop(process, _STOP_S)
        watcher.close()
        positions.close()
    if (watcher.outputs, watcher.checksum) != expected:
        raise WrongAnswerError(f"{name}: {watcher.outputs}, {watcher.checksum} instead of {expected}")
    last, half = seen[-1], next(one for one in seen if one.outputs >= expected.outputs / 2)
    found = {"cpu_s": used, "wall_s": last.moment - began, "records": float(records), "peak_mb": memory}
    if last.moment > half.moment and not system.in_bursts:
        warm = (last.outputs - half.outputs) * records / expected.outputs
        found["warm_cpu_us"] = (last.cpu - half.cpu) / warm * 1e6
    return found


def beyond(base: dict[str, float], found: dict[str, float]) -> dict[str, float]:
    """What the records of a run cost beyond those of a tiny one, so that starting up counts for nobody.

    Without a rate where starting up took longer than the whole of the larger run, as it may beside busy neighbours.
    """
    records, seconds = found["records"] - base["records"], found["wall_s"] - base["wall_s"]
    costs = {
        "cpu_us": (found["cpu_s"] - base["cpu_s"]) / records * 1e6,
        "start_cpu_s": base["cpu_s"],
        "start_s": base["wall_s"],
    }
    return costs | ({"rate": records / seconds} if seconds > 0 else {})


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2_000:] if log.exists() else ""
