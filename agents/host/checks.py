"""What must be true before a lane may work, each with the sentence that says what to do when it is not.

The checks compare, they never repair: a worker that guesses here would skip facts or publish interventions twice,
    silently.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import RecordMetadata
from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from agents.host.clients import KafkaSettings
from agents.host.process import Refusal

log = logging.getLogger("ebb.host")

ROUTER = "murmur2"
MOST_SKEW_S = 60.0
_NO_CLOCK_MS = 1_234  # what librdkafka's mock cluster, our embedded broker, answers to every produce request


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneTopics:
    """Full names of the three topics of a lane, and the prefix its transactional ids share with them."""

    journal: str
    state: str
    interventions: str
    prefix: str = ""

    def all(self) -> tuple[str, str, str]:
        return (self.journal, self.state, self.interventions)

    def transactional_id(self, partition: int) -> str:
        """Who writes this partition, for the broker: the newest to say so."""
        return f"{self.prefix}ebb-engine-{partition}"


@dataclass(frozen=True, slots=True)
class Topology:
    """What the broker says about our topics. `topic_ids` is empty where the broker does not tell them."""

    partitions: int
    topic_ids: Mapping[str, str] = field(default_factory=dict)


class HostRow(msgspec.Struct, frozen=True):
    """The host's own row in each state partition: what the state was made from.

    `topic_ids` are by role (journal, interventions), because a prefix may change with a cluster. `begin` is where the
    state partition began: compaction never moves that, so a later beginning means that rows were cut off.
    """

    v: int
    partitions: int
    router: str
    topic_ids: dict[str, str]
    begin: int = 0


async def topology_of(kafka: KafkaSettings, topics: LaneTopics, patience_s: float = 3.0) -> Topology:
    """Ask the broker for partition counts and topic ids.

    Args:
        patience_s: how long to wait for a topic not there: brokers learn of a topic a moment after its creation.

    Raises: Refusal when a topic is missing or the counts differ.
    """
    counts = await partition_counts(kafka, topics.all())
    deadline = time.monotonic() + patience_s
    while len(counts) < len(topics.all()) and time.monotonic() < deadline:
        await asyncio.sleep(0.3)
        counts = await partition_counts(kafka, topics.all())
    for name in topics.all():
        if name not in counts:
            raise Refusal(f"Topic {name} does not exist. Create the topics first (ebb topics create).")
    if len(set(counts.values())) != 1:
        listed = ", ".join(f"{name} has {counts[name]}" for name in topics.all())
        raise Refusal(
            f"Journal, state and interventions need equal partition counts, but {listed}. Recreate them equal."
        )
    ids = await topic_ids(kafka, topics.all())
    roles = {"journal": topics.journal, "interventions": topics.interventions}
    return Topology(counts[topics.journal], {role: ids[name] for role, name in roles.items() if name in ids})


async def partition_counts(kafka: KafkaSettings, names: Sequence[str]) -> dict[str, int]:
    """Partition counts of those topics that exist; asking creates none."""
    admin = AIOKafkaAdminClient(**kafka.aiokafka())
    await admin.start()
    try:
        existing = set(await admin.list_topics()) & set(names)
        described = await admin.describe_topics(sorted(existing)) if existing else []
    finally:
        await admin.close()
    return {topic["topic"]: len(topic["partitions"]) for topic in described}


async def topic_ids(kafka: KafkaSettings, names: Sequence[str]) -> dict[str, str]:
    """Topic ids, which change when a topic is recreated under its old name; empty where the broker does not tell
    them."""

    def ask() -> dict[str, str]:
        admin = AdminClient(kafka.confluent() | {"log_level": 0})
        futures = admin.describe_topics(TopicCollection(list(names)), request_timeout=10)
        return {name: str(future.result(timeout=15).topic_id) for name, future in futures.items()}

    if kafka.embedded:
        return {}
    try:
        return await asyncio.to_thread(ask)
    except (KafkaException, TimeoutError, ValueError) as error:
        log.warning("the broker tells no topic ids, a recreated topic can only be seen by its offsets: %s", error)
        return {}


def host_row(topology: Topology, begin: int = 0) -> bytes:
    """The row to store beside the state, whose partition begins at offset `begin`."""
    return msgspec.json.encode(HostRow(1, topology.partitions, ROUTER, dict(topology.topic_ids), begin))


def check_host_row(row: bytes | None, topology: Topology, topics: LaneTopics, begin: int = 0) -> bool:
    """Compare what the state was made from with what is there now.

    Args:
        begin: offset at which the state partition begins now.

    Returns: True when the row has to be written (there was none, or ids have become known).
    Raises: Refusal when partition count, router or a topic differ, or when the state has lost its head.
    """
    known = HostRow(1, 0, ROUTER, {}) if row is None else msgspec.json.decode(row, type=HostRow)
    if begin > known.begin:
        raise Refusal(
            f"{topics.state} begins at {begin} and was made from {known.begin} on: compaction never does that, so its "
            "head was cut off and rows are missing. Restore the topic, or run `ebb state rebuild`."
        )
    if row is None:
        return True
    if known.v != 1:
        raise Refusal(f"{topics.state} was written by a newer version of Ebb. Run that version or a newer one.")
    if known.partitions != topology.partitions:
        raise Refusal(
            f"{topics.state} was made with {known.partitions} partitions, now there are {topology.partitions}. "
            "The count is frozen with the data: restore it, or choose a new topic prefix and fold the facts anew."
        )
    if known.router != ROUTER:
        raise Refusal(
            f"{topics.state} was made with router {known.router}, we use {ROUTER}. Choose a new topic prefix."
        )
    names = {"journal": topics.journal, "interventions": topics.interventions}
    for role, name in names.items():
        before, now = known.topic_ids.get(role), topology.topic_ids.get(role)
        if before is not None and now is not None and before != now:
            raise Refusal(
                f"Topic {name} was deleted and recreated since {topics.state} was written, so positions mean "
                "something else. Restore it, or choose a new topic prefix."
            )
    return any(role not in known.topic_ids for role in topology.topic_ids)


def check_journal(journal: str, partition: int, applied: int, begin: int, end: int) -> None:
    """Compare the position with what the journal still holds.

    Args:
        applied: offset of the last applied entry, -1 for none.
        begin, end: offset of the oldest entry, and after the newest.

    Raises: Refusal when retention has passed the position, or when the journal ends before it.
    """
    if begin > applied + 1:
        raise Refusal(
            f"{journal}/{partition} begins at {begin} but entry {applied + 1} is needed next: retention has removed "
            f"{begin - applied - 1} entries never applied. Restore them, or choose a new topic prefix and replay."
        )
    if end <= applied:
        raise Refusal(
            f"{journal}/{partition} ends at {end} but entry {applied} has been applied: it was recreated or cut. "
            "Restore it, or choose a new topic prefix."
        )


def lost_state(state: str, partition: int, evidence: str) -> Refusal:
    """The refusal for an empty state topic beside signs of earlier work."""
    return Refusal(
        f"{state}/{partition} is empty although {evidence}: the state was lost. Restore the topic, or run "
        "`ebb state rebuild`, which folds the journal from its beginning and publishes only what is not there yet."
    )


@dataclass(frozen=True, slots=True)
class Skew:
    """Broker's clock minus ours in seconds, and by how much the estimate may be wrong (half the round trip)."""

    seconds: float
    uncertainty_s: float

    def is_too_large(self, most_s: float = MOST_SKEW_S) -> bool:
        """Whether the clocks surely differ by more than `most_s`."""
        return abs(self.seconds) - self.uncertainty_s > most_s


def skew_of(answer: RecordMetadata, sent_ms: float, answered_ms: float) -> Skew | None:
    """What the answer to a produce request says about the broker's clock; None unless the topic is LogAppendTime.

    Only such a topic makes the broker put its own time into the answer; times are wall-clock milliseconds of ours.
    """
    if answer.timestamp_type != 1 or answer.timestamp is None or answer.timestamp in (-1, _NO_CLOCK_MS):
        return None
    middle = (sent_ms + answered_ms) / 2
    return Skew((answer.timestamp - middle) / 1000, (answered_ms - sent_ms) / 2000)


async def broker_skew(kafka: KafkaSettings, probe_topic: str) -> Skew | None:
    """Write one small record to a topic of ours with `message.timestamp.type=LogAppendTime` and read the broker's clock
    off the answer.

    Returns: None when the broker keeps the producer's timestamp (topic not configured so, or a broker that ignores the
        setting).
    """
    producer = AIOKafkaProducer(**kafka.aiokafka(), acks="all", request_timeout_ms=10_000)
    await producer.start()
    try:
        await producer.send_and_wait(probe_topic, b"", key=b"clock", partition=0)  # connects; the second measures
        sent_ms = time.time() * 1000
        answer = await producer.send_and_wait(probe_topic, b"", key=b"clock", partition=0)
        return skew_of(answer, sent_ms, time.time() * 1000)
    finally:
        await producer.stop()
