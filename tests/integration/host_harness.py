"""Breaking workers of the pair job on a real Kafka, and telling afterwards whether anything is wrong.

The oracle folds the journal single-threaded, with the same `step` the workers use but none of the host, and compares
state, position and the read_committed sequence of interventions.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from agents.host.clients import KafkaSettings
from agents.host.fold import HOST_KEY, POSITION_KEY
from agents.reading import Place, Reader, Stretch
from benchmarks.pair_job import PairState, step
from benchmarks.pair_worker import pair_topics
from deploy.kafka.broker import KafkaBroker

PARTITIONS = 4
_NO_LEADER_YET = (KafkaError._UNKNOWN_PARTITION, KafkaError.NOT_LEADER_FOR_PARTITION)
PAIRS = 300
SESSION_S = 2.0
ROOT = Path(__file__).resolve().parent.parent.parent
# As hostile as compaction gets: positions and rows must survive a cleaner that runs all the time.
HOSTILE = {
    "cleanup.policy": "compact",
    "segment.bytes": "1048576",
    "segment.ms": "2000",
    "min.cleanable.dirty.ratio": "0.001",
    "min.compaction.lag.ms": "0",
    "max.compaction.lag.ms": "1000",
    "delete.retention.ms": "100",
}


class Feeder(threading.Thread):
    """Writes ratings to the journal at a steady rate until stopped."""

    def __init__(self, brokers: str, topic: str, rate: int, seed: int) -> None:
        super().__init__(name="feeder", daemon=True)
        self.sent = 0
        self._producer = Producer(
            {"bootstrap.servers": brokers, "linger.ms": 5, "enable.idempotence": True, "log_level": 3}
        )
        self._topic = topic
        self._rate = rate
        self._dice = random.Random(seed)
        self._stop_asked = threading.Event()

    def run(self) -> None:
        began = time.monotonic()
        while not self._stop_asked.is_set():
            for _ in range(50):
                pair = self._dice.randrange(PAIRS)
                value = b'{"pair":"pair-%d","rating":%d,"at_ms":%d}' % (
                    pair,
                    self._dice.randint(1, 5),
                    1_700_000_000_000 + self.sent,
                )
                self._producer.produce(self._topic, key=b"p", value=value, partition=pair % PARTITIONS)
                self.sent += 1
            self._producer.poll(0)
            time.sleep(max(0.0, began + self.sent / self._rate - time.monotonic()))
        self._producer.flush(30)

    def stop(self) -> None:
        self._stop_asked.set()
        self.join(40)


class Worker:
    """A worker process that is started again whenever it ends while it is wanted."""

    def __init__(self, name: str, brokers: str, prefix: str, folder: Path, environment: dict[str, str]) -> None:
        self.starts = 0
        self.wanted = True
        self.log = folder / f"{name}.log"
        self._command = [sys.executable, "-m", "benchmarks.pair_worker", brokers, prefix, str(SESSION_S)]
        self._environment = os.environ | environment
        self.process = self.start()

    def start(self, failpoint: str = "") -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self._command,
                cwd=ROOT,
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

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, number: int = signal.SIGTERM, timeout_s: float = 20.0) -> int:
        """Stop for good; returns the exit code."""
        self.wanted = False
        self.send(number)
        return self.process.wait(timeout_s)


class Arena:
    """Topics, a feeder and workers, with a supervisor that restarts whoever dies."""

    def __init__(self, broker: KafkaBroker, prefix: str, folder: Path, *, rate: int = 2_000, seed: int = 1) -> None:
        self.topics = pair_topics(prefix)
        # Messages carry the time of their fact, here long ago: retention by time would remove them.
        keep = {"retention.ms": "-1"}
        broker.create_topic(self.topics.journal, PARTITIONS, keep)
        broker.create_topic(self.topics.state, PARTITIONS, HOSTILE)
        broker.create_topic(self.topics.interventions, PARTITIONS, keep)
        self._brokers = broker.bootstrap
        self._prefix = prefix
        self._folder = folder
        self.workers: list[Worker] = []
        self.proofs = 0
        self.feeder = Feeder(broker.bootstrap, self.topics.journal, rate, seed)
        self._done = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        self._reader = Reader(KafkaSettings(brokers=broker.bootstrap))
        self.feeder.start()
        self._supervisor.start()

    def worker(self, **environment: str) -> Worker:
        worker = Worker(f"worker-{len(self.workers)}", self._brokers, self._prefix, self._folder, environment)
        self.workers.append(worker)
        return worker

    def _supervise(self) -> None:
        while not self._done.wait(0.1):
            for worker in list(self.workers):
                if worker.wanted and worker.process.poll() is not None:
                    worker.start()

    def _stretches(self, topic: str, *, uncommitted: bool = False) -> dict[Place, Stretch]:
        places, deadline = [(topic, partition) for partition in range(PARTITIONS)], time.monotonic() + 10
        while True:
            try:
                return self._reader.stretches(places, uncommitted=uncommitted)
            except KafkaException as error:  # a topic just created may not have a leader yet
                if error.args[0].code() not in _NO_LEADER_YET or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _ends(self, topic: str) -> list[int]:
        return [stretch.end for stretch in self._stretches(topic).values()]

    def _state_end(self) -> int:
        return sum(self._ends(self.topics.state))

    def wait_progress(self, timeout_s: float = 30.0) -> None:
        """Wait until something new is committed in the state topic."""
        before, deadline = self._state_end(), time.monotonic() + timeout_s
        while self._state_end() <= before:
            if time.monotonic() > deadline:
                raise AssertionError(f"no progress within {timeout_s} s\n{self.logs()[-4000:]}")
            time.sleep(0.05)

    def wait_mid_work(self, timeout_s: float = 30.0) -> None:
        """Return in the midst of work: two commits seen just now while the feeder goes on. Counted in `proofs`."""
        self.wait_progress(timeout_s)
        self.wait_progress(timeout_s)
        assert self.feeder.is_alive()
        self.proofs += 1

    def settle(self, timeout_s: float = 60.0) -> None:
        """Stop feeding and wait until every partition's position is the end of its journal."""
        self.feeder.stop()
        ends = self._ends(self.topics.journal)
        deadline = time.monotonic() + timeout_s
        while (positions := self._positions()) != [end - 1 for end in ends]:
            if time.monotonic() > deadline:
                raise AssertionError(f"not settled: {positions} of {ends}\n{self.logs()[-4000:]}")
            time.sleep(0.3)

    def _positions(self) -> list[int]:
        state = self._read(self._stretches(self.topics.state))
        return [_position_of(_value(records[-1])) if records else -1 for records in state]

    def _read(self, stretches: Mapping[Place, Stretch]) -> list[list[Message]]:
        found: list[list[Message]] = [[] for _ in range(PARTITIONS)]
        for record in self._reader.read(stretches):
            found[record.partition()].append(record)
        return found

    def close(self) -> None:
        """End whatever is left, ours only."""
        self._done.set()
        self._supervisor.join(5)
        self.feeder.stop()
        for worker in self.workers:
            worker.wanted = False
            if worker.process.poll() is None:
                worker.send(signal.SIGCONT)
                worker.send(signal.SIGKILL)
                worker.process.wait(10)
        self._reader.__exit__()

    def logs(self) -> str:
        return "".join(worker.log.read_text() for worker in self.workers)

    def differences(self) -> list[str]:
        """Everything in which the topics differ from a single-threaded fold of the journal; empty when exact."""
        wrong: list[str] = []
        journal, state, published = (
            self._read(self._stretches(topic, uncommitted=True)) for topic in self.topics.all()
        )
        for partition in range(PARTITIONS):
            states: dict[str, PairState] = {}
            expected = []
            for record in journal[partition]:
                message = step(states, _value(record))[1]
                if message is not None:
                    expected.append((message.key, message.value, message.timestamp_ms, message.headers))
            newest = {record.key() or b"": _value(record) for record in state[partition]}
            position, last = _position_of(newest.pop(POSITION_KEY)), journal[partition][-1].offset()
            newest.pop(HOST_KEY)
            if state[partition][-1].key() != POSITION_KEY:
                wrong.append(f"{partition}: the state does not end with a position")
            if position != last:
                wrong.append(f"{partition}: position {position}, journal ends with {last}")
            found = {key.decode(): msgspec.msgpack.decode(value, type=PairState) for key, value in newest.items()}
            pairs = states.keys() | found.keys()
            wrong += [
                f"{partition}: {p} is {found.get(p)}, not {states.get(p)}"
                for p in pairs
                if found.get(p) != states.get(p)
            ]
            messages = [(r.key(), r.value(), r.timestamp()[1], r.headers()) for r in published[partition]]
            if messages != expected:
                first = next(
                    (i for i, pair in enumerate(zip(messages, expected, strict=False)) if pair[0] != pair[1]), "the end"
                )
                wrong.append(
                    f"{partition}: {len(messages)} interventions, not {len(expected)}, different from {first} on"
                )
        return wrong


def _value(record: Message) -> bytes:
    value = record.value()
    assert isinstance(value, bytes)
    return value


def _position_of(value: bytes) -> int:
    position: tuple[int, int] = msgspec.msgpack.decode(value, type=tuple[int, int])
    return position[0]
