"""One notifier works at a time: the member of the group that came first has every partition, the others stand by.

A digest, a budget and quiet hours are a person's, and a person's programs lie in several partitions. Sharing partitions
would make two digests. When the owner dies, the next takes over after the group's session timeout.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata


class FirstComeAssignor(AbstractPartitionAssignor):  # type: ignore[misc]
    """Gives everything to whoever started first, by its own clock; the name of the member breaks a tie."""

    name = "ebb-first-come"
    version = 0
    started = b"%020d" % time.time_ns()

    @classmethod
    def assign(
        cls, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        first = min(members, key=lambda member: (bytes(members[member].user_data or b""), member))
        topics = sorted({topic for one in members.values() for topic in one.subscription})
        all_of = [(topic, sorted(cluster.partitions_for_topic(topic) or ())) for topic in topics]
        return {
            member: ConsumerProtocolMemberAssignment(cls.version, all_of if member == first else [], b"")
            for member in members
        }

    @classmethod
    def metadata(cls, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        return ConsumerProtocolMemberMetadata(cls.version, list(topics), cls.started)

    @classmethod
    def on_assignment(cls, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Nothing is kept."""
