"""A real Kafka broker on loopback, for tests, benchmarks and `make kafka`: one KRaft node, plain Java, no container.

    with KafkaBroker() as broker:
        broker.create_topic("journal", 4)
        ...  # clients connect to broker.bootstrap

`KafkaBroker` also breaks itself on request: `kill`, `pause`, `restart`. Its address and data stay the same across them.
"""

import argparse
import atexit
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.kafka.jars import KafkaUnavailableError, class_path, java
from deploy.kafka.tls import make_certificates
from deploy.ports import HOST, free_port

_START_TIMEOUT_S = 180.0
_STOP_TIMEOUT_S = 30.0
_ADMIN_TIMEOUT_S = 60.0
_LOG_TAIL_LINES = 15
_NEVER_MS = str(365 * 24 * 3_600_000)
_NO_RETENTION = {"log.initial.task.delay.ms": _NEVER_MS, "log.retention.check.interval.ms": _NEVER_MS}


class KafkaBrokerError(RuntimeError):
    """The broker did not do what was asked; the message ends with the last lines of its log where that helps."""


@dataclass(frozen=True, slots=True)
class Access:
    """How a client reaches the SASL_SSL listener."""

    bootstrap: str
    username: str
    password: str = field(repr=False)
    ca_file: Path  # PEM, the authority that signed the broker's certificate
    mechanisms: tuple[str, ...] = ("PLAIN", "SCRAM-SHA-512")


def new_cluster_id() -> str:
    """An id as Kafka makes them."""
    return urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()


class KafkaBroker:
    """One broker and its controller in one Java process, from `with` or `start` until `stop`."""

    def __init__(
        self,
        *,
        port: int | None = None,
        secure: bool = False,
        properties: Mapping[str, str] | None = None,
        heap: str = "512m",
        data: Path | None = None,
        environment: Mapping[str, str] | None = None,
        cluster_id: str | None = None,
        retention: bool = False,
    ) -> None:
        """Prepare, without starting.

        Args:
            port: loopback port of the plain listener; a free one when None.
            secure: open a SASL_SSL listener as well, see `access`.
            properties: broker settings that override ours, such as `{"log.cleaner.backoff.ms": "200"}`.
            heap: size of the Java heap, as in -Xmx.
            data: folder for logs and metadata, kept after `stop`; a temporary one, removed by `stop`, when None.
            cluster_id: of the cluster it is a node of; a new one when None.
            retention: remove records that are older than their topic keeps them. Tests and examples write records of
                past years, which would go in mid-run: 30 s after the start, then every 5 minutes.
            environment: variables added to ours for the broker's process; may be changed between `kill` and `restart`.
        """
        self.port = free_port() if port is None else port
        self._controller_port = free_port()
        self._secure_port = free_port() if secure else None
        self._properties = ({} if retention else _NO_RETENTION) | dict(properties or {})
        self._heap = heap
        self.environment = dict(environment or {})
        self._cluster_id = cluster_id or new_cluster_id()
        self._keep = data is not None
        self._folder = data
        self._process: subprocess.Popen[bytes] | None = None
        self._paused = False
        self._access: Access | None = None

    @property
    def bootstrap(self) -> str:
        """Address of the plain listener, `host:port`."""
        return f"{HOST}:{self.port}"

    @property
    def access(self) -> Access:
        """How to reach the SASL_SSL listener. Raises KafkaBrokerError for a broker that has none or never started."""
        if self._access is None:
            raise KafkaBrokerError("this broker has no SASL_SSL listener: make it with secure=True and start it")
        return self._access

    @property
    def log(self) -> Path:
        """File with everything the broker printed; gone after `stop` unless a data folder was given."""
        return self._place() / "broker.log"

    @property
    def pid(self) -> int:
        """Process id of the running broker. Raises KafkaBrokerError when it does not run."""
        return self._running().pid

    def is_alive(self) -> bool:
        """Whether the process runs; a paused one does."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start and wait until it answers (about 4 s the first time).

        Raises: KafkaUnavailableError when Java, Maven or openssl is missing; KafkaBrokerError when it does not come up.
        """
        self.launch()
        self.wait_ready()
        return self

    def launch(self) -> None:
        """Start without waiting, for nodes of a cluster that only answer together.

        Raises: as `start`.
        """
        if self._process is not None:
            raise KafkaBrokerError("this broker is running already")
        launcher, jars = java(), class_path()
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="ebb-kafka-"))
        atexit.register(self.stop)
        self._folder.mkdir(parents=True, exist_ok=True)
        properties = self._folder / "server.properties"
        if not (self._folder / "data" / "meta.properties").exists():
            self._format(launcher, jars, properties)
        options = [f"-Xmx{self._heap}", "-Xms128m", "-Djava.awt.headless=true"]
        options += ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true"]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [*die_with_parent(), launcher, *options, "-cp", jars, "kafka.Kafka", str(properties)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for us: we stop it in order
                env=os.environ | self.environment,
            )

    def stop(self) -> None:
        """Shut down in order, then remove the temporary folder. Does nothing when there is nothing to do.

        Raises: KafkaBrokerError when it had to be killed because it did not end by itself.
        """
        atexit.unregister(self.stop)
        process, self._process = self._process, None
        try:
            if process is not None and process.poll() is None:
                if self._paused:
                    process.send_signal(signal.SIGCONT)
                process.terminate()
                try:
                    process.wait(_STOP_TIMEOUT_S)
                except subprocess.TimeoutExpired as error:
                    process.kill()
                    process.wait()
                    raise KafkaBrokerError(f"the broker did not stop within {_STOP_TIMEOUT_S:.0f} s") from error
        finally:
            self._paused = False
            if not self._keep and self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL); data stays for `restart`."""
        process = self._running()
        process.kill()
        process.wait()
        self._process, self._paused = None, False

    def restart(self) -> None:
        """Start again on the same port and data: after `kill`, or in order when it still runs. Waits until ready."""
        if self._process is not None:
            keep, self._keep = self._keep, True
            try:
                self.stop()
            finally:
                self._keep = keep
        self.start()

    def pause(self) -> None:
        """Freeze the process (SIGSTOP): connections stay open and nobody answers, until `resume`."""
        self._running().send_signal(signal.SIGSTOP)
        self._paused = True

    def resume(self) -> None:
        """Let a paused process go on."""
        self._running().send_signal(signal.SIGCONT)
        self._paused = False

    def create_topic(
        self, name: str, partitions: int, config: Mapping[str, str] | None = None, replication: int = 1
    ) -> None:
        """Create a topic and wait until it exists.

        Args:
            name: Kafka topic name.
            partitions: at least 1.
            config: topic settings, such as `{"cleanup.policy": "compact"}`.
            replication: copies of each partition.

        Raises: KafkaBrokerError with the broker's reason, for example that it exists already.
        """
        topic = NewTopic(name, num_partitions=partitions, replication_factor=replication, config=dict(config or {}))
        admin = self._admin(_ADMIN_TIMEOUT_S)  # kept until the answer is here: a collected client cancels its requests
        pending = admin.create_topics([topic], operation_timeout=_ADMIN_TIMEOUT_S)
        try:
            pending[name].result(_ADMIN_TIMEOUT_S)
        except KafkaException as error:
            raise KafkaBrokerError(f"topic {name} was not created: {error.args[0].str()}") from error

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _admin(self, patience_s: float) -> AdminClient:
        # Its own log lines while the broker is not up yet would only repeat what we wait for.
        timeout_ms = int(patience_s * 1000)
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0, "socket.timeout.ms": timeout_ms})

    def _place(self) -> Path:
        if self._folder is None:
            raise KafkaBrokerError("this broker has no data folder: it is not running")
        return self._folder

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            raise KafkaBrokerError("the broker is not running")
        return self._process

    def _format(self, launcher: str, jars: str, properties: Path) -> None:
        """Write settings and the empty metadata log, with the user of the secure listener in it."""
        folder, extra = self._place(), []
        settings = self._settings()
        if self._secure_port is not None:
            authority, server = make_certificates(folder)
            self._access = Access(f"{HOST}:{self._secure_port}", "ebb", secrets.token_urlsafe(18), authority)
            settings |= self._secure_settings(server, self._access)
            extra = ["--add-scram", f"SCRAM-SHA-512=[name={self._access.username},password={self._access.password}]"]
        settings |= self._properties
        properties.touch(mode=0o600)
        properties.write_text("".join(f"{key}={value}\n" for key, value in settings.items()), encoding="utf-8")
        command = [launcher, "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", jars, "kafka.tools.StorageTool", "format"]
        command += [f"--cluster-id={self._cluster_id}", "-c", str(properties), *extra]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise KafkaBrokerError(f"Kafka could not format its storage: {(done.stdout + done.stderr).strip()}")

    def _settings(self) -> dict[str, str]:
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{HOST}:{self._controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{HOST}:{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL",
            "log.dirs": str(self._place() / "data"),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            # A killed broker may register again only when its former session has ended: 9 s by default.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            "log.cleaner.dedupe.buffer.size": str(32 * 1024 * 1024),
        }

    def _secure_settings(self, server: Path, access: Access) -> dict[str, str]:
        """What the SASL_SSL listener adds; certificates are PEM, which spares us a Java key store."""
        plain = "org.apache.kafka.common.security.plain.PlainLoginModule"
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule"
        listener = "listener.name.sasl_ssl"
        base = self._settings()
        return {
            "listeners": f"{base['listeners']},SASL_SSL://{access.bootstrap}",
            "advertised.listeners": f"{base['advertised.listeners']},SASL_SSL://{access.bootstrap}",
            "sasl.enabled.mechanisms": ",".join(access.mechanisms),
            f"{listener}.ssl.keystore.type": "PEM",
            f"{listener}.ssl.keystore.location": str(server),
            f"{listener}.plain.sasl.jaas.config": f'{plain} required user_{access.username}="{access.password}";',
            f"{listener}.scram-sha-512.sasl.jaas.config": f"{scram} required;",
        }

    def wait_ready(self) -> None:
        """Wait until it answers. Raises: KafkaBrokerError when it does not come up."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            if not self.is_alive():
                break
            with socket.socket() as probe:
                listening = probe.connect_ex((HOST, self.port)) == 0
            if listening and self._answers():
                return
            time.sleep(0.05)
        tail = "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_TAIL_LINES:])
        self.stop()
        raise KafkaBrokerError(
            f"the broker did not come up within {_START_TIMEOUT_S:.0f} s; its log ends with:\n{tail}"
        )

    def _answers(self) -> bool:
        """Whether it serves metadata and counts itself as alive."""
        try:
            return bool(self._admin(2.0).list_topics(timeout=1.0).brokers)
        except KafkaException:
            return False


def die_with_parent() -> list[str]:
    """A prefix that ends the broker with us even if we are killed, where the system has one (Linux, util-linux).

    The kernel ties it to the thread that starts the process, so only the main thread may use it.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None or threading.current_thread() is not threading.main_thread():
        return []
    return [setpriv, "--pdeathsig", "KILL", "--"]


def main(arguments: list[str] | None = None) -> int:
    """Run a broker until Ctrl-C or SIGTERM; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make kafka", description="A real Kafka broker on loopback, until Ctrl-C.")
    parser.add_argument("--port", type=int, help="loopback port (default: a free one)")
    parser.add_argument("--data", type=Path, help="folder to keep the data in (default: temporary)")
    parser.add_argument("--heap", default="512m", help="Java heap, as in -Xmx (default: %(default)s)")
    options = parser.parse_args(arguments)
    asked_to_stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked_to_stop.set())
    broker = KafkaBroker(port=options.port, data=options.data, heap=options.heap, retention=True)
    try:
        print("Starting Kafka (the first time on a machine, its jars are downloaded) ...", flush=True)
        with broker:
            print(f"Kafka listens on {broker.bootstrap}. Ctrl-C stops it.", flush=True)
            while not asked_to_stop.wait(0.5):
                if not broker.is_alive():
                    print("Kafka ended by itself.", file=sys.stderr)
                    return 1
            print("Stopping Kafka ...", flush=True)
    except (KafkaUnavailableError, KafkaBrokerError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
