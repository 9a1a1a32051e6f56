"""A notifier as a process on a real broker: its topics, its file of recipients, its death and its log."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Producer

from agents.host.clients import KafkaSettings
from agents.reading import Reader
from agents.topics import create
from schemas.outbound import Intervention, encode_intervention, moment
from schemas.topics import Topics
from streams.delivery.entries import Entry, entry_of
from tests.streams.delivery.harness import record, resolved

ROOT = Path(__file__).resolve().parents[3]
KEY_ONE = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY_TWO = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


def now_ms() -> int:
    return int(time.time() * 1_000)


class Cluster:
    """The topics of one test."""

    def __init__(self, bootstrap: str, prefix: str, partitions: int = 2) -> None:
        self.bootstrap, self.prefix = bootstrap, prefix
        self.kafka = KafkaSettings(brokers=bootstrap)
        self.topics = Topics(prefix)
        create(self.kafka, self.topics, partitions=partitions, replication=1)
        self._producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "linger.ms": 5})

    def publish(self, records: Iterable[Intervention]) -> None:
        """Write records to `interventions`."""
        for one in records:
            self._producer.produce(
                self.topics.real("interventions"), key=one.program_id.encode(), value=encode_intervention(one)
            )
        assert self._producer.flush(20) == 0

    def say(self, topic: str, key: str, tree: dict[str, Any]) -> None:
        """Write any record."""
        self._producer.produce(self.topics.real(topic), key=key.encode(), value=msgspec.json.encode(tree))
        assert self._producer.flush(20) == 0

    def program(self, program_id: str = "p", **changes: Any) -> None:
        """Say who looks after a program."""
        tree: dict[str, Any] = {
            "event_id": f"e-{program_id}-{now_ms()}",
            "type": "program.changed",
            "program_id": program_id,
            "occurred_at": moment(now_ms()),
            "kind": "always_on",
            "self_matching": False,
            "carry_over": False,
            "timezone": "UTC",
            "breaks": [],
            "coordinator_ids": ["anna"],
        }
        self.say("programs", program_id, tree | changes)

    def read(self, topic: str) -> list[Any]:
        """Everything on a topic now, committed."""
        real = self.topics.real(topic)
        with Reader(self.kafka) as reader:
            places = [(real, number) for number in range(reader.partitions()[real])]
            return list(reader.read(reader.stretches(places)))

    def deliveries(self) -> dict[str, Entry]:
        """The newest row of each key."""
        return {message.key().decode(): entry_of(message.value()) for message in self.read("deliveries")}

    def history(self) -> list[Entry]:
        """Every row, in the order of each partition."""
        return [entry_of(message.value()) for message in self.read("deliveries")]


class NotifierProcess:
    """`ebb notifier`, started as an operator would."""

    def __init__(self, cluster: Cluster, folder: Path, config: str, **environment: str) -> None:
        self.log = folder / f"notifier-{time.monotonic_ns()}.log"
        self.folder = folder
        file = folder / "recipients.toml"
        file.write_text(config, "utf-8")
        self._environment = os.environ | {
            "EBB_BROKERS": cluster.bootstrap,
            "EBB_TOPIC_PREFIX": cluster.prefix,
            "EBB_PORT": "0",
            "EBB_RECIPIENTS_FILE": str(file),
            "EBB_SESSION_TIMEOUT_S": "6",
            "EBB_DATA_DIR": str(folder / "data"),
            "EBB_LOG_FORMAT": "json",
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, failpoint: str = "") -> NotifierProcess:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "agents.cli", "notifier"],
                cwd=ROOT,
                env=self._environment | {"EBB_FAILPOINT": failpoint},
                stdout=out,
                stderr=out,
            )
        return self

    async def ended(self, timeout_s: float = 60.0) -> int:
        """Wait until it ends by itself; returns the exit code."""
        await until(lambda: self.running.poll() is not None, timeout_s, self.tail)
        code = self.running.returncode
        self.process = None
        return code

    async def stop(self) -> int:
        self.running.terminate()
        return await self.ended(20)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    @property
    def running(self) -> subprocess.Popen[bytes]:
        assert self.process is not None
        return self.process

    def tail(self) -> str:
        return self.log.read_text("utf-8", "replace")[-3_000:] if self.log.exists() else ""

    def memory_mb(self) -> float:
        status = Path(f"/proc/{self.running.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


async def until(condition: Callable[[], Any], timeout_s: float = 30.0, why: Callable[[], str] = lambda: "") -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not happen within {timeout_s:.0f} s\n{why()}")
        await asyncio.sleep(0.1)


QUICK = """
[policy]
group_wait_s = 0.2
[retry]
attempts = 2
wait_initial_s = 0.1
wait_max_s = 0.3
failures = 3
rest_s = 0.5
rest_max_s = 1.0
"""


def hook_table(name: str, url: str, secret: Path, programs: str = "*", audiences: str = '"coordinator"') -> str:
    """A machine that gets every record of an audience."""
    return f"""
[[recipients]]
id = "{name}"
programs = ["{programs}"]
audiences = [{audiences}]
[recipients.webhook]
url = "{url}"
secrets = [{{ file = "{secret}" }}]
"""


def mail_table(port: int, *people: str) -> str:
    """A mail server on this machine, and coordinators who are never quiet and have no budget."""
    smtp = f"""
[smtp]
host = "127.0.0.1"
port = {port}
security = "none"
sender = "Ebb <ebb@example.org>"
unsubscribe = "mailto:help@example.org"
"""
    return smtp + "".join(
        f"""
[[recipients]]
id = "{name}"
quiet = []
email = {{ address = "{name}@example.org" }}
per_day = 1000
per_week = 1000
"""
        for name in people
    )


def webhooks_table(ca: Path, *hosts: str, timeout_s: float = 2.0) -> str:
    """Where webhooks may go in tests: to this machine."""
    allowed = ", ".join(f'"{host}"' for host in hosts)
    return f"""
[webhooks]
allowed_hosts = [{allowed}]
trusted_networks = ["127.0.0.0/8"]
ca_file = "{ca}"
timeout_s = {timeout_s}
"""


__all__ = ["KEY_ONE", "KEY_TWO", "QUICK", "Cluster", "NotifierProcess", "record", "resolved", "until"]
