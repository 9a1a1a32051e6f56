"""State, position and interventions of the real worker are those of a single-threaded fold, whatever happens to it.

Ingest and engine run as anybody runs them, fed with reference data, facts, bad records, erasures and switches of the
rule set; processes are killed, paused past their session and joined by others. The short form runs with every test run.
`EBB_FAULTS=full` runs the long one, on both clocks: 21 times kill -9 (7 of them at a step of the protocol), a second
worker coming and going 5 times, 3 pauses.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents import topics as clusters
from deploy.kafka.broker import KafkaBroker
from schemas.topics import CATALOGUE, Topics
from tests.conftest import start_kafka
from tests.integration.supervision import SupervisedWorker, Supervisor
from tests.integration.worker_load import Load
from tests.integration.worker_oracle import Figures, Oracle, Standing

FULL = os.environ.get("EBB_FAULTS") == "full"
ROUNDS, VISITS, PAUSES = (14, 5, 3) if FULL else (2, 1, 1)
CLOCKS = ("records", "wall") if FULL else ("wall",)
PARTITIONS = 4
SESSION_S = 6.0
RATE = 800
SEED = 7
PLACES = (
    "ingest_after_journal_ack",
    "before_commit",
    "between_batches",
    "ingest_before_offset_commit",
    "after_commit",
    "mid_recovery",
    "ingest_after_dead_letter",
)
ROOT = Path(__file__).resolve().parent.parent.parent

# Ingest stood still once after a pause and a rebalance (docs/weaknesses.md); until that is mended this is asked for.
pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(900 if FULL else 240),
    pytest.mark.skipif("EBB_FAULTS" not in os.environ, reason="set EBB_FAULTS=slice or EBB_FAULTS=full"),
]


class Arena:
    """Topics, load, workers and the oracle of one test."""

    def __init__(self, broker: KafkaBroker, prefix: str, folder: Path, clock: str) -> None:
        self.topics = Topics(prefix)
        # Facts carry the time of their arrival, weeks ago: retention by time would remove them.
        for topic in CATALOGUE:
            count = clusters.partitions_of(topic, PARTITIONS)
            broker.create_topic(self.topics.real(topic.name), count, topic.settings() | {"retention.ms": "-1"})
        self.supervisor = Supervisor()
        self.proofs: list[tuple[str, Standing]] = []
        self._folder = folder
        self._environment = {
            "PYTHONPATH": str(ROOT),
            "EBB_BROKERS": broker.bootstrap,
            "EBB_TOPIC_PREFIX": prefix,
            "EBB_PORT": "0",
            "EBB_CLOCK": clock,
            "EBB_SESSION_TIMEOUT_S": str(SESSION_S),
            "EBB_LOG_FORMAT": "text",
        }
        self.load = Load(broker.bootstrap, self.topics, rate=RATE, seed=SEED, now_ms=int(time.time() * 1_000))
        self.oracle = Oracle(broker.bootstrap, self.topics, PARTITIONS)
        self.load.start()

    def close(self) -> None:
        self.supervisor.close()
        self.load.stop()
        self.oracle.close()

    def worker(self, *arguments: str) -> SupervisedWorker:
        workers = self.supervisor.workers
        command = [sys.executable, "-m", "agents.cli", "worker", *arguments]
        workers.append(SupervisedWorker(f"worker-{len(workers)}", command, self._environment, self._folder))
        return workers[-1]

    def wait_mid_work(self, what: str, timeout_s: float = 60.0) -> None:
        """Return in the midst of work: positions moved twice just now, entries wait, and the load goes on."""
        deadline = time.monotonic() + timeout_s
        for _ in range(2):
            before = self.oracle.applied()
            while self.oracle.applied() == before:
                assert time.monotonic() < deadline, f"no progress\n{self.supervisor.logs()[-6000:]}"
                time.sleep(0.02)
        while (now := self.oracle.standing()).lag <= 0:
            assert time.monotonic() < deadline, f"no lag at {now}"
        assert self.load.is_alive()
        self.proofs.append((what, now))

    def settle(self, timeout_s: float = 120.0) -> None:
        """Stop the load, let everything be taken and applied, end all workers, apply what ingest wrote in parting."""
        self.load.stop()
        self._wait_settled(timeout_s, with_ingest=True)
        for worker in self.supervisor.workers:
            if worker.process.poll() is None:
                assert worker.end() == 0, worker.log.read_text()[-4000:]
        last = self.worker("--only", "engine")
        deadline = time.monotonic() + timeout_s
        while last.log.read_text().count(" open at entry ") < PARTITIONS:  # before that it may not even heed SIGTERM
            assert time.monotonic() < deadline, last.log.read_text()[-4000:]
            time.sleep(0.1)
        self._wait_settled(timeout_s, with_ingest=False)
        assert last.end() == 0, last.log.read_text()[-4000:]

    def _wait_settled(self, timeout_s: float, *, with_ingest: bool) -> None:
        deadline = time.monotonic() + timeout_s
        while not ((now := self.oracle.standing()).is_settled if with_ingest else self.oracle.standing().lag == 0):
            assert time.monotonic() < deadline, f"not settled: {now}\n{self.supervisor.logs()[-6000:]}"
            time.sleep(0.2)

    def recoveries(self) -> int:
        return self.supervisor.logs().count(" open at entry ")


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaBroker]:
    running = start_kafka(KafkaBroker(properties={"log.cleaner.backoff.ms": "200"}))
    yield running
    running.stop()


@pytest.fixture(params=CLOCKS)
def arena(broker: KafkaBroker, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Arena]:
    clock: str = request.param
    arena = Arena(broker, f"exact-{clock}.", tmp_path, clock)
    yield arena
    arena.close()


def test_whatever_happens_to_workers_the_outcome_is_the_fold_of_the_journal(arena: Arena) -> None:
    began, dice = time.monotonic(), random.Random(SEED)
    worker = arena.worker()
    kills = _kill(arena, worker, dice)
    second = _come_and_go(arena, worker)
    _pause(arena, (worker, second), dice)
    arena.wait_mid_work("at the end")
    faults = {kind: sum(what == kind for what, _ in arena.proofs) for kind in ("kill", "visit", "pause")}
    assert faults == {"kill": ROUNDS, "visit": VISITS, "pause": PAUSES}
    applied = [standing.applied for _, standing in arena.proofs]
    assert applied == sorted(set(applied)), "it did not move on between two faults"
    arena.settle()
    found = arena.oracle.judge()
    _report(arena, found, kills=kills, seconds=time.monotonic() - began)
    assert found.differences == []
    assert min(found.facts, found.interventions, found.dead_letters) > 0
    assert sum(arena.load.sent.values()) == arena.oracle.standing().inbound


def _kill(arena: Arena, worker: SupervisedWorker, dice: random.Random) -> int:
    """kill -9 at random moments, and at steps of the protocol every other time. Returns: how many."""
    kills = 0
    for number in range(ROUNDS):
        arena.wait_mid_work("kill")
        time.sleep(dice.random() * 0.5)
        worker.kill()
        kills += 1
        if number % 2 == 0:
            worker.start()
            continue
        place = PLACES[number // 2 % len(PLACES)]
        process = worker.start(failpoint=f"{place}:{2 if 'recovery' in place else 2 + number}:kill")
        worker.wanted = False
        assert process.wait(60) == -signal.SIGKILL, f"{place}\n{worker.log.read_text()[-4000:]}"
        kills += 1
        worker.start()
    return kills


def _come_and_go(arena: Arena, first: SupervisedWorker) -> SupervisedWorker:
    """A second worker starts, works, and stops. Returns: that worker, running again."""
    second: SupervisedWorker | None = None
    for _ in range(VISITS):
        if second is None:
            second = arena.worker()
        else:
            second.start()
        _wait_open(arena, second)
        arena.wait_mid_work("visit")
        assert second.end() == 0, second.log.read_text()[-4000:]
    assert second is not None
    second.start()
    _wait_open(arena, second)
    assert first.process.poll() is None
    return second


def _wait_open(arena: Arena, worker: SupervisedWorker, timeout_s: float = 60.0) -> None:
    """Wait until this life of a worker has opened a lane and committed in it."""
    deadline = time.monotonic() + timeout_s
    opened = len(re.findall(" open at entry ", worker.log.read_text()))
    while len(re.findall(" open at entry ", worker.log.read_text())) == opened:
        assert time.monotonic() < deadline, f"it got nothing to do\n{arena.supervisor.logs()[-6000:]}"
        time.sleep(0.1)


def _pause(arena: Arena, workers: tuple[SupervisedWorker, SupervisedWorker], dice: random.Random) -> None:
    """SIGSTOP past the session's end: the other takes over, the sleeper wakes and must not write. The first time it is
    stopped exactly between the fold and the first write."""
    for number in range(PAUSES):
        sleeper = workers[number % 2]
        if number == 0:
            sleeper.kill()
            sleeper.start(failpoint="after_begin:25:stop")
            deadline = time.monotonic() + 60
            while sleeper.state() != "T":
                assert time.monotonic() < deadline, f"the failpoint was not reached\n{sleeper.log.read_text()[-4000:]}"
                time.sleep(0.05)
        else:
            arena.wait_mid_work("before")
            time.sleep(dice.random() * 0.5)
            sleeper.process.send_signal(signal.SIGSTOP)
        time.sleep(SESSION_S + 2)
        arena.wait_mid_work("pause")
        sleeper.process.send_signal(signal.SIGCONT)
        time.sleep(2)


def _report(arena: Arena, found: Figures, *, kills: int, seconds: float) -> None:
    figures = found._asdict() | {
        "changes": dict(found.changes),
        "inbound": dict(arena.load.sent),
        "kills": kills,
        "visits": VISITS,
        "pauses": PAUSES,
        "recoveries": arena.recoveries(),
        "lag at each fault": [standing.lag for _, standing in arena.proofs],
        "seconds": round(seconds, 1),
    }
    print(json.dumps(figures, indent=1))  # noqa: T201  (shown with -s: the figures of a long run)
