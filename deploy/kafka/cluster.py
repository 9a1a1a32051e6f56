"""Three real Kafka nodes on loopback, each broker and controller: replication 3, at least 2 in sync."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from deploy.kafka.broker import KafkaBroker, new_cluster_id
from deploy.ports import HOST, free_port

NODES: Final = 3


class KafkaCluster:
    """`NODES` brokers, from `with` or `start` until `stop`; `nodes` can be killed, paused and restarted one by one."""

    def __init__(
        self,
        properties: Mapping[str, str] | None = None,
        heap: str = "384m",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare, without starting.

        Args:
            properties: settings of every node that override ours.
            heap: size of each Java heap.
            environment: variables added to ours for the process of each node.
        """
        ports = [free_port() for _ in range(NODES)]
        controllers = [free_port() for _ in range(NODES)]
        voters = ",".join(f"{number + 1}@{HOST}:{port}" for number, port in enumerate(controllers))
        cluster = new_cluster_id()
        copies = {
            name: str(NODES)
            for name in (
                "default.replication.factor",
                "offsets.topic.replication.factor",
                "transaction.state.log.replication.factor",
                "share.coordinator.state.topic.replication.factor",
            )
        }
        shared = {
            **copies,
            "min.insync.replicas": "2",
            "transaction.state.log.min.isr": "2",
            "share.coordinator.state.topic.min.isr": "2",
            "controller.quorum.voters": voters,
            "replica.lag.time.max.ms": "3000",
            **(properties or {}),
        }
        self.nodes = [
            KafkaBroker(
                port=port,
                heap=heap,
                cluster_id=cluster,
                environment=environment,
                properties=shared
                | {
                    "node.id": str(number + 1),
                    "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controllers[number]}",
                },
            )
            for number, port in enumerate(ports)
        ]

    @property
    def bootstrap(self) -> str:
        """Addresses of all nodes."""
        return ",".join(node.bootstrap for node in self.nodes)

    def start(self) -> Self:
        """Start all nodes and wait until each answers. Raises: as `KafkaBroker.start`."""
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.wait_ready()
        return self

    def stop(self) -> None:
        """Kill all nodes: in order they would wait for one another."""
        for node in self.nodes:
            if node.is_alive():
                node.kill()
            node.stop()

    def create_topic(
        self, name: str, partitions: int, config: Mapping[str, str] | None = None, replication: int = NODES
    ) -> None:
        """As `KafkaBroker.create_topic`, with a copy on each node."""
        self.nodes[0].create_topic(name, partitions, config, replication)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
