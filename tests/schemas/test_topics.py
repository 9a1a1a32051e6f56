import re
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.base import DAY_MS, MAX_VALUE_BYTES
from schemas.calendars import time_zones
from schemas.topics import BY_NAME, CATALOGUE, DEFAULT_PARTITIONS, FACT_TOPICS, INBOUND, REFERENCE_TOPICS, Topics


def test_the_catalogue_has_every_topic_of_the_contract_once() -> None:
    inbound = {"participant-activity", "meetings", "ratings", "sentiment", "coordinator-actions", "rulesets"}
    assert set(INBOUND) == inbound | {"programs", "pairs", "participants"}
    assert set(BY_NAME) - set(INBOUND) >= {"journal", "state", "interventions", "dead-letters", "deliveries"}
    assert len(BY_NAME) == len(CATALOGUE)
    assert set(FACT_TOPICS) == inbound - {"rulesets"}
    assert set(REFERENCE_TOPICS) == {"programs", "pairs", "participants"}


def test_retention_is_what_the_contract_says() -> None:
    days = {topic.name: topic.retention_ms / DAY_MS for topic in CATALOGUE if topic.retention_ms >= 0}
    assert days == dict.fromkeys(FACT_TOPICS, 30) | {"journal": 400, "interventions": 400, "dead-letters": 14}


def test_what_is_compacted_has_a_key_and_what_is_not_does_not_forget_by_it() -> None:
    compacted = {topic.name for topic in CATALOGUE if topic.clean_up == "compact"}
    assert compacted >= {"programs", "pairs", "participants", "state", "deliveries"}
    assert not compacted & {*FACT_TOPICS, "journal", "interventions", "dead-letters", "rulesets"}
    assert all(BY_NAME[name].key for name in compacted)
    for name in REFERENCE_TOPICS:
        assert BY_NAME[name].key_is_checked
        assert int(BY_NAME[name].settings()["delete.retention.ms"]) >= 30 * DAY_MS


def test_topics_of_one_lane_share_their_partitions() -> None:
    shared = {topic.name for topic in CATALOGUE if topic.shares_partitions}
    assert shared == {"journal", "state", "interventions"}
    assert {BY_NAME[name].partitions for name in shared} == {DEFAULT_PARTITIONS}
    assert BY_NAME["rulesets"].partitions == 1


def test_a_dead_letter_has_room_for_the_largest_inbound_record_and_its_headers() -> None:
    largest = max(int(BY_NAME[name].settings()["max.message.bytes"]) for name in INBOUND)
    assert MAX_VALUE_BYTES < largest < int(BY_NAME["dead-letters"].settings()["max.message.bytes"])


def test_settings_are_texts_by_kafkas_names() -> None:
    for topic in CATALOGUE:
        settings = topic.settings()
        assert {"cleanup.policy", "retention.ms", "message.timestamp.type", "max.message.bytes"} <= set(settings)
        assert all(re.fullmatch(r"[a-z.]+", name) and isinstance(value, str) for name, value in settings.items())


@given(st.from_regex(r"\A[A-Za-z0-9._-]{0,60}\Z"))
def test_a_prefix_goes_before_every_name_and_comes_off_again(prefix: str) -> None:
    topics = Topics(prefix)
    for name in BY_NAME:
        assert topics.real(name) == prefix + name
        assert topics.catalogue(prefix + name) == name
    assert topics.inbound() == tuple(prefix + name for name in INBOUND)
    assert topics.catalogue(f"{prefix}unheard-of") is None


def test_a_name_without_the_prefix_is_somebody_elses() -> None:
    assert Topics("blue.").catalogue("ratings") is None
    with pytest.raises(KeyError):
        Topics("blue.").real("unheard-of")


@pytest.mark.parametrize("prefix", ["a b", "a/b", "ä", "x" * 240, "x\n"])
def test_a_prefix_kafka_would_not_take_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        Topics(prefix)


def test_every_time_zone_we_accept_can_be_loaded() -> None:
    assert {"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"} <= time_zones()
    for name in sorted(time_zones())[::10]:
        assert ZoneInfo(name).key == name
