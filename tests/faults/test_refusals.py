"""What a worker must refuse, with the sentence that says what to do, and what an operator does about it.

Guessing here would skip facts or publish interventions twice, silently.
"""

from __future__ import annotations

import shutil
import subprocess
import time

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from agents.ingest.agent import group_of
from deploy.kafka.broker import KafkaBroker
from schemas.topics import INTERVENTIONS, JOURNAL, STATE
from tests.faults.arena import PARTITIONS, SESSION_S, Arena
from tests.faults.conftest import NewArena
from tests.faults.load import signed_in

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(1500)]


class Operator:
    """What an operator, good or bad, does to a cluster."""

    def __init__(self, arena: Arena, broker: KafkaBroker) -> None:
        self.arena = arena
        self.broker = broker
        self.admin = AdminClient({"bootstrap.servers": arena.bootstrap, "log_level": 0})

    def worked(self) -> None:
        """A worker has done its work and has ended."""
        arena = self.arena
        worker = arena.worker()
        arena.wait_mid_work()
        arena.load.stop()
        arena.wait_settled()
        assert worker.end() == 0, worker.output()[-4000:]

    def cut(self, topic: str, offset: int, partitions: range = range(PARTITIONS)) -> None:
        """Delete records before an offset, as retention does."""
        real = self.arena.topics.real(topic)
        # Of a topic that is only compacted nobody may delete records.
        self.arena.configure(topic, cleanup_policy="compact,delete" if topic == STATE else "delete")
        for future in self.admin.delete_records([TopicPartition(real, p, offset) for p in partitions]).values():
            future.result(60)

    def delete(self, topic: str) -> None:
        """Delete a topic and make it again, empty."""
        arena, real = self.arena, self.arena.topics.real(topic)
        for future in self.admin.delete_topics([real]).values():
            future.result(60)
        arena.until(lambda: real not in self.admin.list_topics(timeout=10).topics, 240, "not deleted")
        policy = "compact" if topic == STATE else "delete"
        self.broker.create_topic(real, PARTITIONS, {"cleanup.policy": policy, "retention.ms": "-1"})

    def grow(self, topic: str) -> None:
        """Give a topic one more partition."""
        real = self.arena.topics.real(topic)
        for future in self.admin.create_partitions([NewPartitions(real, PARTITIONS + 1)]).values():
            future.result(60)

    def expire(self, topic: str) -> None:
        """Let retention remove everything a topic holds."""
        arena = self.arena
        arena.configure(topic, retention_ms="1")

        def is_empty() -> bool:
            return all(begin == end for begin, end in arena.oracle.bounds(topic))

        arena.until(is_empty, 240, "retention removed nothing")

    def forget_group(self) -> None:
        """Let the broker forget what the group of ingest had committed."""
        group = group_of(self.arena.topics.prefix)
        self.admin.delete_consumer_groups([group], request_timeout=60)[group].result(60)

    def refused(self, *sentences: str) -> None:
        """A new worker refuses, and says why."""
        arena = self.arena
        worker = arena.worker(wanted=False)
        said = worker.wait_refusal()
        for sentence in sentences:
            assert sentence in said, said[-3000:]
        arena.result.refusals += 1

    def run(self, *arguments: str, fails: bool = False) -> str:
        """Run a command of ours. A worker that refused says no goodbye: the group counts it until its session ends."""
        deadline = time.monotonic() + 15 * SESSION_S
        while "A worker is running" in (done := self._run(arguments)).stderr and time.monotonic() < deadline:
            time.sleep(1)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def _run(self, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        arena = self.arena
        return subprocess.run(
            arena.command(*arguments),
            env=arena.environment,
            cwd=arena.folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def go_on(self) -> None:
        """Workers work again, and everything is right."""
        self.arena.worker()
        self.arena.wait_settled()
        self.arena.settle()


@pytest.fixture
def operator(new_arena: NewArena, broker: KafkaBroker) -> Operator:
    return Operator(new_arena(rate=800), broker)


def test_retention_has_passed_the_position_in_the_journal(operator: Operator) -> None:
    """Nothing can be rebuilt either: the command says so."""
    arena = operator.arena
    worker = arena.worker("--only", "ingest")
    arena.until(lambda: (now := arena.standing()) is not None and now.journal > 2_000, 240, "no journal")
    arena.load.stop()
    assert worker.end() == 0
    operator.cut(JOURNAL, 100)
    operator.refused("begins at 100 but entry 0 is needed next", "retention has removed 100 entries")
    assert "its head is gone" in operator.run("state", "rebuild", "--yes", fails=True)


def test_state_topic_deleted(operator: Operator) -> None:
    """The rebuild makes the very same state, and publishes nothing twice."""
    operator.worked()
    operator.delete(STATE)
    operator.refused("the state was lost", "`ebb state rebuild`")
    # Entries that ingest wrote in parting may still wait; that nothing is there twice is for the oracle to say.
    operator.run("state", "rebuild", "--yes")
    operator.arena.result.note = "state topic deleted, rebuilt"
    operator.go_on()
    operator.arena.judge()


def test_state_topic_cut(operator: Operator) -> None:
    operator.worked()
    operator.cut(STATE, 50)
    operator.refused("its head was cut off and rows are missing", "`ebb state rebuild`")
    operator.run("state", "rebuild", "--yes")
    operator.arena.result.note = "head of the state topic cut, rebuilt"
    operator.go_on()
    operator.arena.judge()


def test_rebuild_publishes_what_was_never_published(operator: Operator) -> None:
    """State lost while entries waited: interventions of those are published once."""
    arena = operator.arena
    worker = arena.worker()
    arena.wait_mid_work()
    arena.until(lambda: min(arena.oracle.ends(INTERVENTIONS).values()) > 0, 240, "no interventions")
    worker.kill()
    ingest = arena.worker("--only", "ingest")
    arena.until(lambda: (now := arena.standing()) is not None and now.lag > 8_000, 240, "too little waits")
    arena.load.stop()
    arena.until(lambda: (now := arena.standing()) is not None and now.taken == now.inbound, 240, "not taken")
    assert ingest.end() == 0
    operator.delete(STATE)
    operator.refused("the state was lost")
    said = operator.run("state", "rebuild", "--yes")
    assert said.count(" 0 published") < PARTITIONS, said
    arena.result.note = "state lost with entries waiting, rebuilt"
    operator.go_on()
    arena.judge()


def test_journal_with_another_partition_count(operator: Operator) -> None:
    operator.worked()
    for topic in (JOURNAL, STATE, INTERVENTIONS):
        operator.grow(topic)
    operator.refused("was made with 4 partitions, now there are 5")


def test_journal_recreated(operator: Operator) -> None:
    operator.worked()
    operator.delete(JOURNAL)
    operator.refused("was deleted and recreated")


def test_inbound_topic_cut_beyond_the_position(operator: Operator) -> None:
    """Records were removed before they were read; how many is said, and an operator accepts it."""
    arena = operator.arena
    operator.worked()
    before = arena.oracle.ends("ratings")
    arena.load.burst("ratings", [b"{}"] * 30, 0)
    arena.load.flush()
    operator.cut("ratings", before[0] + 20, range(1))
    operator.refused("20 records were removed before they were read", "`ebb ingest accept-gap ratings/0`")
    assert "20 records" in operator.run("ingest", "accept-gap", "ratings/0", "--yes")
    arena.result.note = "inbound topic cut by 20 records, gap accepted"
    operator.go_on()
    arena.judge(lost={("ratings", 0, before[0] + number) for number in range(20)})


def test_inbound_topic_recreated(operator: Operator) -> None:
    operator.worked()
    operator.delete("sentiment")
    operator.refused("was deleted and recreated", "`ebb ingest accept-gap sentiment/0`")
    operator.run("ingest", "accept-gap", "sentiment/0", "--yes")
    worker = operator.arena.worker()
    operator.arena.wait_ready(worker)
    assert worker.end() == 0


@pytest.mark.parametrize("forgets", [False, True], ids=["", "and-the-group-is-forgotten"])
def test_inbound_topic_nobody_read_for_longer_than_its_retention(operator: Operator, forgets: bool) -> None:
    """What was read may expire, and the source may stay silent; what was not read is counted, and an operator accepts
    its loss. After a week without members a broker also forgets what the group had committed.
    """
    arena = operator.arena
    operator.worked()
    operator.expire("ratings")
    worker = arena.worker()
    arena.wait_ready(worker)
    assert worker.end() == 0, worker.output()[-4000:]
    before = arena.oracle.ends("ratings")
    arena.load.burst("ratings", [b"{}"] * 30, 0)
    arena.load.flush()
    operator.expire("ratings")
    if forgets:
        operator.forget_group()
    operator.refused("30 records were removed before they were read", "`ebb ingest accept-gap ratings/0`")
    assert "30 records" in operator.run("ingest", "accept-gap", "ratings/0", "--yes")
    arena.result.note = f"30 records expired unread{', positions forgotten' * forgets}, gap accepted"
    operator.go_on()
    arena.judge(lost={("ratings", 0, before[0] + number) for number in range(30)})


def test_journal_ends_before_the_position(operator: Operator) -> None:
    """A broker restored from an older copy of its disk: the same topic, and entries of it are missing."""
    arena, broker = operator.arena, operator.broker
    operator.worked()
    before = arena.oracle.ends(JOURNAL)
    place = broker.log.parent / "data" / f"{arena.topics.real(JOURNAL)}-0"
    older = arena.folder / "older"
    broker.kill()
    shutil.copytree(place, older)
    broker.restart()
    worker = arena.worker()
    arena.wait_ready(worker)
    for number in range(50):
        arena.load.burst("participant-activity", [signed_in(number, number)], 0)
    arena.load.flush()
    arena.wait_settled()
    assert worker.end() == 0, worker.output()[-4000:]
    assert arena.oracle.ends(JOURNAL)[0] > before[0]
    broker.kill()
    shutil.rmtree(place)
    shutil.copytree(older, place)
    broker.restart()
    operator.refused(f"ends at {before[0]} but entry ", "has been applied: it was recreated or cut")
