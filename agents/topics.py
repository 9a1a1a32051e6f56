"""The topics on a cluster against the catalogue: create what is missing, say what is wrong, change nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.cimpl import NewTopic

from agents.host.clients import KafkaSettings
from schemas.base import DAY_MS
from schemas.topics import CATALOGUE, DEFAULT_PARTITIONS, JOURNAL, Topic, Topics

ANSWER_S: Final = 15.0
_LEAST_TOMBSTONES_MS: Final = 30 * DAY_MS


class Problem(NamedTuple):
    """Something wrong, and how to mend it; a sentence each."""

    problem: str
    mend: str


class OnCluster(NamedTuple):
    """A topic as it is; `settings` is None where the broker does not tell them (the embedded one)."""

    partitions: int
    settings: Mapping[str, str] | None


def partitions_of(topic: Topic, partitions: int) -> int:
    """How many partitions a topic gets where `partitions` are asked for: one where the catalogue says one."""
    return 1 if topic.partitions == 1 else partitions


def create(
    kafka: KafkaSettings, topics: Topics, partitions: int = DEFAULT_PARTITIONS, replication: int = -1
) -> tuple[list[str], list[str]]:
    """Create every topic of the catalogue that does not exist.

    Args:
        partitions: of every topic that is not bound to one.
        replication: copies of each partition; -1: the broker's default.

    Returns: names created, and names that were there.
    Raises: KafkaException with the broker's reason.
    """
    admin = AdminClient(kafka.confluent() | {"log_level": 0})
    there = set(admin.list_topics(timeout=ANSWER_S).topics)
    missing = [topic for topic in CATALOGUE if topics.real(topic.name) not in there]
    new = [
        NewTopic(
            topics.real(topic.name),
            num_partitions=partitions_of(topic, partitions),
            replication_factor=replication,
            config=topic.settings(),
        )
        for topic in missing
    ]
    if new:
        for future in admin.create_topics(new, operation_timeout=ANSWER_S).values():
            future.result(ANSWER_S + 5)
    created = [topics.real(topic.name) for topic in missing]
    return created, [topics.real(topic.name) for topic in CATALOGUE if topics.real(topic.name) not in created]


def look(kafka: KafkaSettings, topics: Topics) -> dict[str, OnCluster]:
    """Describe the topics of the catalogue that exist, by catalogue name.

    Raises: KafkaException when no broker answers, or it denies us a look.
    """
    admin = AdminClient(kafka.confluent() | {"log_level": 0})
    described = admin.list_topics(timeout=ANSWER_S).topics
    found = {
        topic.name: len(described[topics.real(topic.name)].partitions)
        for topic in CATALOGUE
        if topics.real(topic.name) in described and described[topics.real(topic.name)].error is None
    }
    settings: dict[str, Mapping[str, str]] = {}
    if found and not kafka.embedded:
        asked = [ConfigResource(ConfigResource.Type.TOPIC, topics.real(name)) for name in found]
        for resource, future in admin.describe_configs(asked, request_timeout=ANSWER_S).items():
            entries = future.result(ANSWER_S + 5)
            name = topics.catalogue(resource.name) or resource.name
            settings[name] = {key: str(entry.value) for key, entry in entries.items()}
    return {name: OnCluster(count, settings.get(name)) for name, count in found.items()}


def check(topics: Topics, found: Mapping[str, OnCluster], partitions: int | None = None) -> list[Problem]:
    """Compare what is there with the catalogue.

    Args:
        partitions: how many partitions are expected; None: whatever the journal has.
    """
    problems = []
    missing = [topics.real(topic.name) for topic in CATALOGUE if topic.name not in found]
    if missing:
        problems.append(Problem(f"Topics are missing: {', '.join(missing)}.", "Create them: ebb topics create."))
    wanted = partitions or (found[JOURNAL].partitions if JOURNAL in found else None)
    for topic in CATALOGUE:
        if topic.name in found:
            problems += _check_partitions(topics.real(topic.name), topic, found[topic.name].partitions, wanted)
            settings = found[topic.name].settings
            if settings is not None:
                problems += _check_settings(topics.real(topic.name), topic, settings)
    return problems


def _check_partitions(name: str, topic: Topic, count: int, wanted: int | None) -> list[Problem]:
    if topic.partitions == 1 and count != 1:
        return [
            Problem(
                f"{name} has {count} partitions and must have 1, or its records have no order.",
                f"Delete {name} and run ebb topics create, before any worker has read it.",
            )
        ]
    if topic.shares_partitions and wanted is not None and count != wanted:
        return [
            Problem(
                f"{name} has {count} partitions, not {wanted}: journal, state and interventions need equally many.",
                f"Choose a new EBB_TOPIC_PREFIX and run ebb topics create --partitions {wanted}.",
            )
        ]
    return []


def _check_settings(name: str, topic: Topic, settings: Mapping[str, str]) -> list[Problem]:
    problems = []

    def wrong(setting: str, is_now: str, should: str, why: str) -> None:
        problems.append(
            Problem(
                f"{name} has {setting}={is_now} instead of {should}: {why}.",
                f"kafka-configs.sh --alter --entity-type topics --entity-name {name} --add-config {setting}={should}",
            )
        )

    ours = topic.settings()
    policy = settings.get("cleanup.policy", "")
    if policy != topic.clean_up:
        why = "old values would pile up" if topic.clean_up == "compact" else "records would vanish by key"
        if policy == "delete":
            why = "what has not changed for a while would be forgotten"
        wrong("cleanup.policy", policy, topic.clean_up, why)
    stamp = "message.timestamp.type"
    if stamp in ours and settings.get(stamp, ours[stamp]) != ours[stamp]:
        why = "retention and the comparison of clocks go by the broker's time" if "Log" in ours[stamp] else (
            "arrival would be when the broker wrote, not what the producer said"
        )  # fmt: skip
        wrong(stamp, settings[stamp], ours[stamp], why)
    size = "max.message.bytes"
    if int(settings.get(size, ours[size])) < int(ours[size]):
        wrong(size, settings[size], ours[size], "records that Ebb accepts would be refused")
    tombstones = "delete.retention.ms"
    if topic.kind == "reference" and int(settings.get(tombstones, ours[tombstones])) < _LEAST_TOMBSTONES_MS:
        wrong(tombstones, settings[tombstones], ours[tombstones], "a worker away for long would miss an erasure")
    return problems


def reason(error: KafkaException) -> str:
    """What a broker or client library says is wrong."""
    return str(error.args[0].str())
