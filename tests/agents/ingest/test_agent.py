"""Ingest on a broker: what goes in comes out in order, once more at most, and nothing is lost."""

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from agents.host.clients import KafkaSettings
from agents.host.process import Refusal
from agents.ingest.merge import Source
from agents.ingest.repair import accept_gap, parse_source, resume, stopped_sources
from deploy.kafka.broker import KafkaBroker
from schemas.dead_letters import original_headers, read_headers
from schemas.topics import Topics
from tests.agents.ingest.harness import (
    ALL,
    T0,
    create_all,
    facts,
    journal,
    options,
    participant,
    produce,
    rating,
    read_all,
    sentiment,
    until,
    until_idle,
    worker,
)

_serial = itertools.count()


@pytest.fixture
def prefix(broker: Any) -> str:
    """The prefix of a whole catalogue of new topics."""
    name = f"ingest{next(_serial)}-"
    create_all(broker, name)
    return name


def ids(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["fact"]["event_id"] for entry in facts(entries)]


def everything(parts: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [entry for part in parts for entry in part]


BAD: dict[str, bytes | None] = {
    "not_json": b"{no",
    "not_an_object": b"[1]",
    "empty_value": b"",
    "null_value": None,
    "bad_utf8": b'{"event_id":"\xff"}',
    "not_finite": b'{"type":"rating.submitted","rating":NaN}',
    "duplicate_key": rating("x")[:-1] + b',"rating":4}',
    "lone_surrogate": rating("x", extra="q").replace(b'"q"', b'"\\ud800"'),
    "too_deep": rating("x")[:-1] + b',"extra":' + b"[" * 60 + b"]" * 60 + b"}",
    "too_large": rating("x", extra="x" * 70_000),
    "unknown_type": rating("x").replace(b"rating.submitted", b"rating.thought"),
    "wrong_topic": sentiment("x"),
    "wrong_type": rating("x").replace(b'"rating": 4', b'"rating": 4.0'),
    "out_of_range": rating("x").replace(b'"rating": 4', b'"rating": ' + b"9" * 400),
    "unknown_value": rating("x", kind="guess"),
    "naive_time": rating("x", at="2026-01-05T10:00:00"),
    "bad_time": rating("x", at="yesterday"),
    "future_time": rating("x", at="2026-01-07T10:00:00Z"),
    "bad_id": rating("x", program="no spaces"),
    "missing_field": rating("x").replace(b"participant_id", b"participant"),
    "unknown_schema_version": rating("x", schema_version=99),
}


async def test_each_kind_of_bad_record_becomes_a_dead_letter_with_its_bytes_and_its_neighbours_pass(
    broker: Any, prefix: str, tmp_path: Path
) -> None:
    rows: list[tuple[Any, ...]] = []
    for number, value in enumerate(BAD.values()):
        headers = [("trace", b"\x00\xff"), ("n", str(number).encode())]
        rows.append((f"{prefix}ratings", 0, None, rating(f"good{number}"), T0 + number))
        rows.append((f"{prefix}ratings", 0, None if number % 2 else b"\xfe", value, T0 + number, headers))
    produce(broker.bootstrap, rows)
    async with worker(broker.bootstrap, options(prefix, tmp_path)) as running:
        await until_idle(running)
    letters = {
        dict(letter.headers)["n"]: letter
        for letter in read_all(broker.bootstrap, f"{prefix}dead-letters", ALL["dead-letters"])
    }
    assert len(BAD) == len(letters) == 21
    for number, (reason, value) in enumerate(BAD.items()):
        letter = letters[str(number).encode()]
        assert letter.value == value
        assert letter.key == (None if number % 2 else b"\xfe")
        assert original_headers(letter.headers) == [("trace", b"\x00\xff"), ("n", str(number).encode())]
        found = read_headers(letter.headers)
        assert found is not None
        assert (found.exception, found.topic, found.partition, found.offset, found.attempt) == (
            reason, f"{prefix}ratings", 0, 2 * number + 1, 1,
        )  # fmt: skip
    assert sorted(ids(everything(journal(broker.bootstrap, prefix)))) == sorted(f"good{n}" for n in range(21))
    assert running.counts.bad == {("ratings", reason): 1 for reason in BAD}


def history(prefix: str) -> list[tuple[Any, ...]]:
    """Facts of three topics interleaved in time, one program, and people who are newer than all of them."""
    rows: list[tuple[Any, ...]] = []
    for number in range(300):
        topic, make = ("ratings", rating) if number % 3 else ("sentiment", sentiment)
        rows.append((prefix + topic, number % 4, None, make(f"f{number:03d}", f"p{number % 5}"), T0 + 60_000 * number))
    rows += [
        (f"{prefix}participants", n % 4, b"p1/u%d" % n, participant(f"u{n:03d}", f"u{n}"), T0 + 10**8 + n)
        for n in range(40)
    ]
    return rows


async def test_reference_goes_first_then_facts_by_age_and_every_partition_begins_with_what_explains_it(
    broker: Any, prefix: str, tmp_path: Path
) -> None:
    produce(broker.bootstrap, history(prefix))
    async with worker(broker.bootstrap, options(prefix, tmp_path)) as running:
        await until_idle(running)
        await asyncio.sleep(1)
    entries = journal(broker.bootstrap, prefix)
    assert not running.refused
    for part in entries:
        assert [entry["kind"] for entry in part[:3]] == ["engine", "ruleset", "sources"]
        assert part[2]["expected"][0] == "participant-activity/0"
        assert set(part[2]["since"].values()) == {None}
        order = ids(part)
        people = [one for one in order if one.startswith("u")]
        assert order == sorted(people) + sorted(order[len(people) :])
        assert set().union(*(entry["sources"] for entry in part if entry["kind"] == "progress")) == set(
            part[2]["expected"]
        )
    assert len(ids(everything(entries))) == 340


async def test_progress_is_never_written_before_its_facts(broker: Any, prefix: str, tmp_path: Path) -> None:
    produce(broker.bootstrap, history(prefix))
    settings = options(prefix, tmp_path, unit_records=7)
    async with worker(broker.bootstrap, settings) as running:
        await until_idle(running)
        await asyncio.sleep(1)
    told = 0
    for part in journal(broker.bootstrap, prefix):
        marks: dict[str, str] = {}
        for entry in part:
            if entry["kind"] == "progress":
                told += 1
                for source, at in entry["sources"].items():
                    assert marks.get(source, "") < at
                marks.update(entry["sources"])
            if entry["kind"] == "fact":
                source = f"{entry['source']['topic']}/{entry['source']['partition']}"
                assert marks.get(source, "") < entry["arrived_at"]
    assert told > 8


async def test_with_the_records_clock_the_same_topics_give_the_same_bytes(broker: Any, tmp_path: Path) -> None:
    seen: list[list[Any]] = []
    for unit in (4_000, 13):
        name = f"ingest{next(_serial)}-"
        create_all(broker, name)
        produce(broker.bootstrap, history(name))
        async with worker(broker.bootstrap, options(name, tmp_path, clock="records", unit_records=unit)) as running:
            await until_idle(running)
            await asyncio.sleep(0.3)
        rows = read_all(broker.bootstrap, f"{name}journal", 4)
        seen.append(
            [(row.partition, row.key, row.value) for row in rows if b'"kind":"sources"' not in (row.value or b"")]
        )
    assert seen[0] == seen[1]
    kinds = [json.loads(value)["kind"] for partition, _, value in seen[0] if partition == 0]
    assert kinds.count("progress") == 6  # five hours of facts, and a day later people
    assert kinds[-1] == "progress"


async def test_a_worker_started_again_goes_on_where_it_was(broker: Any, prefix: str, tmp_path: Path) -> None:
    rows = history(prefix)
    produce(broker.bootstrap, rows[:100])
    async with worker(broker.bootstrap, options(prefix, tmp_path)) as running:
        await until_idle(running)
    produce(broker.bootstrap, rows[100:])
    async with worker(broker.bootstrap, options(prefix, tmp_path, version="2")) as running:
        await until_idle(running)
        assert running.counts.records == {"ratings": 134, "sentiment": 66, "participants": 40}
    for part in journal(broker.bootstrap, prefix):
        kinds = [entry["kind"] for entry in part if entry["kind"] not in ("fact", "progress")]
        assert kinds == ["engine", "ruleset", "sources", "engine"]
    assert len(ids(everything(journal(broker.bootstrap, prefix)))) == 340


async def test_a_source_that_drains_into_dead_letters_stops_stays_stopped_and_is_resumed(
    broker: Any, prefix: str, tmp_path: Path
) -> None:
    bad = [(f"{prefix}ratings", 2, None, b"{", T0 + n) for n in range(150)]
    good = [(f"{prefix}ratings", 1, None, rating(f"e{n}"), T0 + n) for n in range(5)]
    produce(broker.bootstrap, bad + good)
    kafka, topics, source = KafkaSettings(brokers=broker.bootstrap), Topics(prefix), Source("ratings", 2)
    async with worker(broker.bootstrap, options(prefix, tmp_path)) as running:
        await until(lambda: bool(running.counts.reds) and running.counts.records.get("ratings") == 5)
        assert running.counts.bad == {("ratings", "not_json"): 100}
        assert running.ingest.problems() == [f"{prefix}ratings/2 stopped: 100 bad records in a row"]
    async with worker(broker.bootstrap, options(prefix, tmp_path)) as running:
        await until(lambda: len(running.ingest.problems()) == 1 and "stopped" in running.ingest.problems()[0])
        await asyncio.sleep(0.5)
        assert running.counts.bad == {}
        assert [(one, stop.offset) for one, stop in (await stopped_sources(kafka, topics)).items()] == [(source, 100)]
        assert (await resume(kafka, topics, source)).reason == "100 bad records in a row"
        produce(broker.bootstrap, [(f"{prefix}ratings", 2, None, rating("after"), T0 + 999)])
        await until(lambda: running.counts.records.get("ratings") == 1)
        await until_idle(running)
        assert running.counts.bad == {("ratings", "not_json"): 50}
    assert "after" in ids(everything(journal(broker.bootstrap, prefix)))
    with pytest.raises(Refusal, match="not stopped"):
        await resume(kafka, topics, source)


async def test_a_rule_set_reaches_every_partition_and_its_words_survive_a_restart(
    broker: Any, prefix: str, tmp_path: Path
) -> None:
    tree = {"rules": {}, "words": {"en": {"safety": ["pineapple"]}}}
    payload = {
        "event_id": "r1",
        "type": "ruleset.activated",
        "occurred_at": "2026-01-05T10:00:00Z",
        "ruleset": tree,
        "scope": "*",
        "backfill": "none",
    }
    broken = {**payload, "event_id": "r2", "ruleset": {"broken": True}}
    produce(
        broker.bootstrap, [(f"{prefix}rulesets", 0, b"*", json.dumps(one).encode(), T0) for one in (payload, broken)]
    )
    async with worker(broker.bootstrap, options(prefix, tmp_path)) as running:
        await until_idle(running)
        assert running.counts.bad == {("rulesets", "invalid_ruleset"): 1}
    produce(broker.bootstrap, [(f"{prefix}ratings", 0, None, rating("e1", comment="pineapple or unsafe"), T0)])
    async with worker(broker.bootstrap, options(prefix, tmp_path)) as running:
        await until_idle(running)
    entries = journal(broker.bootstrap, prefix)
    for part in entries:
        [_, activated] = [entry for entry in part if entry["kind"] == "ruleset"]
        assert (activated["ruleset"], activated["backfill"]) == (tree, "none")
        assert activated["source"] == {"topic": "rulesets", "partition": 0, "offset": 0}
    [fact] = facts(everything(entries))
    assert fact["comment"]["flags"] == ["safety"]
    assert "pineapple" not in json.dumps(facts(everything(entries)))


def forget(broker: KafkaBroker, topic: str, partition: int, before: int) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    for done in admin.delete_records([TopicPartition(topic, partition, before)]).values():
        done.result(20)


@pytest.mark.integration
async def test_lost_records_are_refused_with_their_number_until_the_gap_is_accepted(
    kafka: KafkaBroker, tmp_path: Path
) -> None:
    prefix = f"ingest{next(_serial)}-"
    create_all(kafka, prefix)
    here = f"{prefix}ratings"
    produce(kafka.bootstrap, [(here, 0, None, rating(f"a{n}"), T0 + n) for n in range(10)])
    async with worker(kafka.bootstrap, options(prefix, tmp_path)) as running:
        await until_idle(running)
        await asyncio.sleep(1)
    produce(kafka.bootstrap, [(here, 0, None, rating(f"b{n}"), T0 + 10**6 + n) for n in range(20)])
    forget(kafka, here, 0, 17)
    async with worker(kafka.bootstrap, options(prefix, tmp_path)) as running:
        await until(lambda: bool(running.refused))
    [sentence] = running.refused
    assert "7 records" in sentence
    assert "ebb ingest accept-gap ratings/0" in sentence
    clients, topics = KafkaSettings(brokers=kafka.bootstrap), Topics(prefix)
    [gap] = await accept_gap(clients, topics, parse_source("ratings/0"))
    assert (gap.lost, gap.position) == (7, 17)
    async with worker(kafka.bootstrap, options(prefix, tmp_path)) as running:
        await until_idle(running)
        assert running.counts.records == {"ratings": 13}
    for part in journal(kafka.bootstrap, prefix):
        [entry] = [entry for entry in part if entry["kind"] == "gap"]
        assert entry["source"] == "ratings/0"
        assert entry["from"] <= entry["to"]
    with pytest.raises(Refusal, match="Nothing is missing"):
        await accept_gap(clients, topics, Source("ratings", 0))


async def test_a_missing_topic_is_refused_by_name(embedded: Any, tmp_path: Path) -> None:
    async with worker(embedded.bootstrap, options("nowhere-", tmp_path)) as running:
        await until(lambda: bool(running.refused))
    assert "nowhere-journal" in running.refused[0]
    assert "ebb topics create" in running.refused[0]


@pytest.mark.parametrize("text", ["ratings", "ratings/x", "journal/0", "/0"])
def test_what_is_no_source_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="ratings/0"):
        parse_source(text)
