"""Where a scenario takes place: topics, load, workers, the oracle, and the proof that faults fell into work."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource

from agents import topics as clusters
from deploy.kafka.broker import KafkaBroker
from deploy.kafka.cluster import KafkaCluster
from deploy.ports import free_port
from schemas.topics import CATALOGUE, Topics
from tests.faults.load import Load, Mischief
from tests.faults.oracle import Figures, Oracle, Standing, canaries_in
from tests.faults.report import RESULTS, Fault, Result, keep, seed
from tests.faults.supervision import SupervisedWorker, Supervisor

PARTITIONS = 4
SESSION_S = 10.0
SHORT_LIVED = {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
"""Environment of a broker that does not live long enough for its best compiler to pay."""
RATE = 250
ROOT = Path(__file__).resolve().parents[2]


class Arena:
    """Topics, load, workers and the oracle of one scenario.

    Args:
        bootstrap: what workers connect to; the broker itself unless a proxy stands between.
        settings: topic settings of ours, by catalogue name.
        replication: copies of every partition.
        load: whether the load runs from the beginning.
    """

    def __init__(
        self,
        broker: KafkaBroker | KafkaCluster,
        name: str,
        folder: Path,
        *,
        clock: str = "wall",
        rate: int = RATE,
        bootstrap: str | None = None,
        settings: Mapping[str, Mapping[str, str]] | None = None,
        replication: int = 1,
        mischief: Mischief | None = None,
        switches: bool = True,
        load: bool = True,
        session_s: float = SESSION_S,
        partitions: int = PARTITIONS,
    ) -> None:
        self.topics = Topics(f"{name}.")
        self.folder = folder
        self.result = Result(name, seed())
        self.dice = Random(f"{seed()} {name}")
        self.partitions = partitions
        self.metrics: list[str] = []
        self.unheard = ""
        print(f"{name}: FAULTS_SEED={seed()}")  # noqa: T201  (shown when it fails)
        self._began = time.monotonic()
        self.bootstrap = broker.bootstrap
        # Facts carry the time of their arrival, weeks ago: retention by time would remove them.
        for topic in CATALOGUE:
            count = clusters.partitions_of(topic, partitions)
            ours = {**topic.settings(), "retention.ms": "-1", **(settings or {}).get(topic.name, {})}
            broker.create_topic(self.topics.real(topic.name), count, ours, replication)
        self.supervisor = Supervisor()
        self._environment = {
            "PYTHONPATH": str(ROOT),
            "EBB_BROKERS": bootstrap or broker.bootstrap,
            "EBB_TOPIC_PREFIX": self.topics.prefix,
            "EBB_CLOCK": clock,
            "EBB_SESSION_TIMEOUT_S": str(session_s),
            "EBB_LOG_FORMAT": "text",
        }
        self.load = Load(
            broker.bootstrap,
            self.topics,
            rate=rate,
            seed=seed(),
            now_ms=int(time.time() * 1_000),
            mischief=mischief,
            switches=switches,
        )
        self.oracle = Oracle(broker.bootstrap, self.topics, partitions)
        if load:
            self.load.start()

    def close(self) -> None:
        self.supervisor.close()
        self.load.stop()
        self.oracle.close()

    # workers

    def worker(
        self,
        *arguments: str,
        wanted: bool = True,
        module: str = "agents.cli",
        environment: Mapping[str, str] | None = None,
    ) -> SupervisedWorker:
        """Start another worker, supervised unless it is not `wanted`."""
        workers = self.supervisor.workers
        command = [sys.executable, "-m", module, "worker", *arguments]
        worker = SupervisedWorker(
            f"worker-{len(workers)}", command, {**self._environment, **(environment or {})}, self.folder, free_port()
        )
        worker.wanted = wanted
        workers.append(worker)
        return worker

    def command(self, *arguments: str) -> list[str]:
        """A command of ours as `subprocess` takes it; run it with `environment`."""
        return [sys.executable, "-m", "agents.cli", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """Settings that commands need to work on these topics."""
        return dict(self._environment)

    def wait_ready(self, worker: SupervisedWorker, timeout_s: float = 180.0) -> float:
        """Wait until a worker says it is ready. Returns: after how many seconds."""
        began = time.monotonic()
        self._until(lambda: worker.report().get("ready") is True, timeout_s, "not ready")
        return time.monotonic() - began

    def configure(self, topic: str, **settings: str) -> None:
        """Change settings of a topic of ours; underscores stand for dots."""
        changes = [
            ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
            for name, value in settings.items()
        ]
        asked = [ConfigResource(ConfigResource.Type.TOPIC, self.topics.real(topic), incremental_configs=changes)]
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        for done in admin.incremental_alter_configs(asked).values():
            done.result(20)

    # proofs

    def standing(self) -> Standing | None:
        """Where the workers stand; None while the broker does not answer."""
        try:
            return self.oracle.standing()
        except KafkaException as error:
            # librdkafka keeps asking the leader it once heard of, or none, long after a broker that was fenced is back.
            self.unheard = repr(error)
            self.oracle.renew()
            return None

    def wait_mid_work(self, timeout_s: float = 240.0) -> Standing:
        """Return in the midst of work: positions moved twice just now, and something waits."""
        for _ in range(2):
            before = self.oracle.applied()
            self._until(lambda: self.oracle.applied() > before, timeout_s, "no progress", every_s=0.02)  # noqa: B023
        found: list[Standing] = []

        def is_behind() -> bool:
            now = self.standing()
            found[:] = [now] if now is not None else []
            return now is not None and now.behind > 0

        self._until(is_behind, timeout_s, "nothing waits", every_s=0.0)
        return found[0]

    @contextmanager
    def fault(self, kind: str, timeout_s: float = 240.0, *, waits: bool = True) -> Iterator[None]:
        """Inject a fault inside the block: proves that it fell into work, and measures until all partitions move again.

        Args:
            waits: False: do not wait for recovery, because another fault follows while nothing can recover.
        """
        before = self.wait_mid_work(timeout_s)
        yield
        began = time.monotonic()
        positions = self.oracle.positions()
        behind: list[int] = []

        def still_behind() -> bool:
            now = self.standing()
            behind[:] = [now.behind] if now is not None else []
            return now is not None and now.behind > 0

        self._until(still_behind, timeout_s, f"{kind} met no work", every_s=0.02)
        if waits:
            self._until(lambda: self._moved(positions), timeout_s, f"no recovery from {kind}", every_s=0.05)
        self.result.faults.append(Fault(kind, before.behind, behind[0], time.monotonic() - began))

    def _moved(self, since: Mapping[int, int]) -> bool:
        now = self.oracle.positions()
        return all(now[partition] > position for partition, position in since.items())

    # the end

    def settle(self, timeout_s: float = 400.0) -> None:
        """O4: stop the load; everything is taken and applied without help. Then end all workers, and apply what ingest
        wrote in parting.
        """
        self.load.stop()
        began = time.monotonic()
        self.wait_settled(timeout_s)
        self.result.settled_s = time.monotonic() - began
        self.metrics += [worker.ask("/metrics") for worker in self.supervisor.workers]
        for worker in self.supervisor.workers:
            if worker.process.poll() is None:
                self.wait_ready(worker)  # before that it may not even heed SIGTERM
                assert worker.end() == 0, worker.output()[-4000:]
        last = self.worker("--only", "engine")
        self._until(lambda: last.output().count(" open at entry ") >= self.partitions, timeout_s, "not open")
        self.wait_settled(timeout_s, with_ingest=False)
        assert last.end() == 0, last.output()[-4000:]

    def wait_settled(self, timeout_s: float = 400.0, *, with_ingest: bool = True) -> None:
        """Wait until nothing waits any more."""

        def is_settled() -> bool:
            now = self.standing()
            return now is not None and (now.is_settled if with_ingest else now.lag == 0)

        self._until(is_settled, timeout_s, "not settled", every_s=0.2)

    def judge(self, lost: Collection[tuple[str, int, int]] = ()) -> Figures:
        """O1, O2, O3 and O5. Asserts that nothing differs."""
        self.oracle.renew()
        found = self.oracle.judge(lost)
        texts = {"logs": self.supervisor.logs(), "metrics": "\n".join(self.metrics)}
        for where, text in texts.items():
            found.differences.extend(f"O5: {canary!r} stands in {where}" for canary in canaries_in([text.encode()]))
        result = self.result
        result.facts, result.repeats, result.dead_letters = found.facts, found.repeats, found.dead_letters
        result.interventions, result.differences = found.interventions, [text[:300] for text in found.differences]
        self.finish()
        assert not found.differences, "\n".join(found.differences)
        assert min(found.facts, found.interventions, found.dead_letters) > 0
        now = self.oracle.standing()
        assert self.load.failed == 0, "the broker refused some of the load"
        if (sent := sum(self.load.sent.values())) != now.inbound:  # a producer and a dying broker may disagree
            result.note += f" the load sent {sent}, the broker holds {now.inbound}"
        return found

    def finish(self) -> None:
        """Enter what is known into the report."""
        self.result.seconds = time.monotonic() - self._began
        if self.result not in RESULTS:
            RESULTS.append(self.result)
        keep(self.result)

    def _until(self, true: Callable[[], bool], timeout_s: float, otherwise: str, every_s: float = 0.1) -> None:
        deadline = time.monotonic() + timeout_s
        while not true():
            if time.monotonic() > deadline:
                where = self.standing()
                raise AssertionError(f"{otherwise} at {where or self.unheard}\n{self.supervisor.logs()[-6000:]}")
            time.sleep(every_s)

    until = _until
