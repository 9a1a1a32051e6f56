"""Topics on a cluster against the catalogue."""

import os
from collections.abc import Mapping

import pytest
from confluent_kafka.admin import AdminClient

from agents import topics as clusters
from agents.host.clients import KafkaSettings
from agents.topics import OnCluster
from deploy.kafka.broker import KafkaBroker
from schemas.topics import BY_NAME, CATALOGUE, Topics

TOPICS = Topics("p.")


def _as_it_should_be() -> dict[str, OnCluster]:
    return {topic.name: OnCluster(topic.partitions, topic.settings()) for topic in CATALOGUE}


def _problem(name: str, change: Mapping[str, str]) -> str:
    """The one complaint about a topic whose settings were changed."""
    found = _as_it_should_be()
    found[name] = OnCluster(found[name].partitions, {**BY_NAME[name].settings(), **change})
    (problem,) = clusters.check(TOPICS, found)
    assert f"p.{name}" in problem.mend
    return problem.problem


def test_topics_as_the_catalogue_wants_them_are_fine() -> None:
    assert clusters.check(TOPICS, _as_it_should_be()) == []


def test_missing_topics_are_named_in_one_sentence() -> None:
    found = _as_it_should_be()
    del found["state"], found["pairs"]
    (problem,) = clusters.check(TOPICS, found)
    assert problem == ("Topics are missing: p.pairs, p.state.", "Create them: ebb topics create.")


def test_journal_state_and_interventions_need_equal_counts_and_others_do_not() -> None:
    found = _as_it_should_be()
    found["meetings"] = _with(found["meetings"], 3)
    assert clusters.check(TOPICS, found) == []
    found["state"] = _with(found["state"], 3)
    (problem,) = clusters.check(TOPICS, found)
    assert problem.problem.startswith("p.state has 3 partitions, not 8")


def test_a_count_asked_for_is_compared_with_the_journal_too() -> None:
    assert len(clusters.check(TOPICS, _as_it_should_be(), 12)) == sum(topic.shares_partitions for topic in CATALOGUE)


def test_topics_of_one_order_have_one_partition() -> None:
    found = _as_it_should_be()
    found["rulesets"] = _with(found["rulesets"], 2)
    (problem,) = clusters.check(TOPICS, found)
    assert "must have 1" in problem.problem


def _with(topic: OnCluster, partitions: int) -> OnCluster:
    return topic._replace(partitions=partitions)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("state", {"cleanup.policy": "delete"}, "forgotten"),
        ("meetings", {"cleanup.policy": "compact"}, "vanish by key"),
        ("ingest-control", {"message.timestamp.type": "CreateTime"}, "comparison of clocks"),
        ("ratings", {"message.timestamp.type": "LogAppendTime"}, "not what the producer said"),
        ("journal", {"max.message.bytes": "1000"}, "would be refused"),
        ("participants", {"delete.retention.ms": "1000"}, "miss an erasure"),
    ],
)
def test_a_setting_that_would_do_harm_is_named_with_its_harm(name: str, change: dict[str, str], words: str) -> None:
    assert words in _problem(name, change)


def test_longer_retention_is_nobodys_business() -> None:
    found = _as_it_should_be()
    longer = {**BY_NAME["ratings"].settings(), "retention.ms": "-1"}
    found["ratings"] = OnCluster(8, longer)
    assert clusters.check(TOPICS, found) == []


def test_a_broker_that_tells_no_settings_is_checked_for_partitions_only() -> None:
    found = {name: topic._replace(settings=None) for name, topic in _as_it_should_be().items()}
    assert clusters.check(TOPICS, found) == []


@pytest.mark.integration
def test_what_is_created_on_a_real_broker_passes_the_check_and_is_not_created_again(kafka: KafkaBroker) -> None:
    settings, topics = KafkaSettings(brokers=kafka.bootstrap), Topics(f"c{os.getpid()}.")
    created, there = clusters.create(settings, topics, 3)
    assert (len(created), there) == (len(CATALOGUE), [])
    assert clusters.check(topics, clusters.look(settings, topics), 3) == []
    assert clusters.create(settings, topics, 3)[0] == []
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    described = admin.list_topics(timeout=10).topics
    assert len(described[topics.real("journal")].partitions) == 3
    assert len(described[topics.real("rulesets")].partitions) == 1
