"""Three brokers, three copies of everything, at least two of them in step: one dies, then two at once."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.kafka.cluster import NODES, KafkaCluster
from schemas.topics import DEAD_LETTERS
from tests.conftest import start_kafka
from tests.faults.arena import PARTITIONS, SHORT_LIVED, Arena
from tests.faults.conftest import NewArena

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(2400)]

ONES, TWOS, AWAY = 4, 2, 1


@pytest.fixture(scope="module")
def cluster() -> Iterator[KafkaCluster]:
    running = KafkaCluster(environment=SHORT_LIVED)
    try:
        yield start_kafka(running)
    finally:
        running.stop()


def _wait_in_step(arena: Arena, cluster: KafkaCluster, but: str = "") -> None:
    """Until every partition has all its copies again, so that the next death is one too few and not two."""

    def is_whole() -> bool:
        try:
            found = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0}).list_topics(timeout=10)
        except KafkaException:
            return False
        partitions = [one for name, topic in found.topics.items() if name != but for one in topic.partitions.values()]
        return len(found.brokers) == NODES and all(len(one.isrs) == NODES for one in partitions)

    arena.until(is_whole, 300, "not all copies are in step")


def test_one_of_three_brokers_is_killed(new_arena: NewArena, cluster: KafkaCluster) -> None:
    """Two copies are left, which is enough: work goes on while it is away."""
    arena = new_arena(on=cluster, replication=NODES)
    arena.worker()
    arena.worker()
    for number in range(ONES):
        node = cluster.nodes[number % NODES]
        with arena.fault("one of three brokers killed, and away", 300):
            time.sleep(arena.dice.random())
            node.kill()
        node.restart()
        _wait_in_step(arena, cluster)
    arena.settle()
    arena.judge()


def test_two_of_three_brokers_are_killed(new_arena: NewArena, cluster: KafkaCluster) -> None:
    """One copy is left, which is too little: nothing is accepted until another one is back, and nothing is lost."""
    arena = new_arena(on=cluster, replication=NODES)
    arena.worker()
    arena.worker()
    for number in range(TWOS):
        nodes = [cluster.nodes[(number + step) % NODES] for step in (0, 1)]
        with arena.fault("two of three brokers killed", 300):
            time.sleep(arena.dice.random())
            for node in nodes:
                node.kill()
            time.sleep(5)
            for node in nodes:
                node.restart()
        _wait_in_step(arena, cluster)
    arena.settle()
    arena.judge()


def test_dead_letters_that_cannot_be_written_stop_ingest_and_lose_nothing(
    new_arena: NewArena, cluster: KafkaCluster
) -> None:
    """Of this one topic the only copy is on a broker that dies; everything else has two copies left."""
    arena = new_arena(on=cluster, replication=NODES, load=False)
    _keep_on_one(arena, DEAD_LETTERS, node=NODES)
    arena.load.start()
    worker = arena.worker()

    def has_dead_letters() -> bool:
        try:
            return sum(arena.oracle.ends(DEAD_LETTERS).values()) > 0
        except KafkaException:  # a new topic is not known everywhere at once
            return False

    def is_red() -> bool:
        return any("dead-letters has not acknowledged" in text for text in worker.report().get("reasons", []))

    arena.until(has_dead_letters, 240, "no dead letters")
    for _ in range(AWAY):
        with arena.fault("dead-letters not writable", 400):
            cluster.nodes[NODES - 1].kill()
            arena.until(is_red, 240, "not red")
            taken = arena.oracle.standing().taken
            time.sleep(3)
            assert arena.oracle.standing().taken == taken, "records were passed over"
            cluster.nodes[NODES - 1].restart()
        _wait_in_step(arena, cluster, but=arena.topics.real(DEAD_LETTERS))
    arena.settle()
    arena.judge()


def _keep_on_one(arena: Arena, name: str, node: int) -> None:
    """Make a topic anew with its only copy on one node."""
    topic = arena.topics.real(name)
    admin = AdminClient({"bootstrap.servers": arena.bootstrap, "log_level": 0})
    admin.delete_topics([topic], operation_timeout=30)[topic].result(60)
    new = NewTopic(topic, PARTITIONS, replica_assignment=[[node]] * PARTITIONS, config={"retention.ms": "-1"})

    def is_made() -> bool:
        try:
            admin.create_topics([new], operation_timeout=30)[topic].result(60)
        except KafkaException:  # a deleted topic is not gone at once
            return False
        return True

    arena.until(is_made, 120, "not made")
