"""Payloads of every type that this and every later version must read."""

import json
from typing import Any, get_args

import pytest
from msgspec import Struct

from schemas import outbound
from schemas.codec import Accepted, decode_fact
from schemas.compact import encode_fact
from schemas.dead_letters import read_headers
from schemas.deliveries import DeliveryRecorded
from schemas.facts import INBOUND_TOPIC_OF, TYPES
from schemas.ids import delivery_key
from schemas.interventions import Change, CloudEventHeaders, Intervention
from schemas.journal import ENTRY_KINDS, FactEntry, decode_entry, encode_entry
from schemas.topics import BY_NAME
from tests.schemas.samples import ARRIVED_MS, encoded, golden

INBOUND = golden("inbound/v1")
JOURNAL = golden("journal/v1")
INTERVENTIONS = golden("interventions/v1")
DELIVERIES = golden("deliveries/v1")


def _absent_when_default(model: Any, *, without: set[str] | None = None) -> Any:
    return json.loads(model.model_dump_json(by_alias=True, exclude_defaults=True, exclude=without))


def test_every_type_has_golden_payloads() -> None:
    expected = set(TYPES) | {f"{kind}.minimal" for kind in INBOUND_TOPIC_OF}
    assert set(INBOUND) == expected
    kinds = {str(kind.__struct_config__.tag) for kind in ENTRY_KINDS} - {"fact"}
    journalled = {f"fact.{kind}" for kind in TYPES if kind != "ruleset.activated"}
    assert kinds | journalled <= set(JOURNAL)
    assert set(get_args(Change)) <= set(INTERVENTIONS)


@pytest.mark.parametrize("name", INBOUND)
def test_a_golden_inbound_record_still_reads_the_same(name: str) -> None:
    record = json.loads(INBOUND[name])
    value = None if record["value"] is None else encoded(record["value"])
    outcome = decode_fact(record["topic"], record["key"].encode(), value, arrived_ms=ARRIVED_MS)
    assert isinstance(outcome, Accepted)
    assert json.loads(outcome.encoded) == record["read_as"]
    assert json.loads(encode_fact(outcome.fact)) == record["read_as"]
    assert outcome.comment == record["comment"]


@pytest.mark.parametrize("name", [name for name in INBOUND if json.loads(INBOUND[name])["value"] is not None])
def test_a_golden_inbound_record_reads_the_same_at_the_edge(name: str) -> None:
    record = json.loads(INBOUND[name])
    models = {m.model_fields["type"].annotation.__args__[0]: m for m in BY_NAME[record["topic"]].models}  # type: ignore[union-attr]
    model = models[record["value"]["type"]].model_validate_json(encoded(record["value"]))
    read_as = {**record["read_as"]}
    assert _absent_when_default(model, without={"comment"}) | {"type": record["value"]["type"]} == read_as
    assert getattr(model, "comment", None) == record["comment"]


@pytest.mark.parametrize("name", JOURNAL)
def test_a_golden_journal_entry_still_reads_and_writes_the_same_bytes(name: str) -> None:
    value = JOURNAL[name].rstrip(b"\n")
    entry = decode_entry(value)
    assert encode_entry(entry) == value
    assert entry.__struct_config__.tag == name.split(".")[0]
    if isinstance(entry, FactEntry):
        assert entry.fact.__struct_config__.tag == name.removeprefix("fact.")
        assert getattr(entry.fact, "comment", None) is None


@pytest.mark.parametrize("name", INTERVENTIONS)
def test_a_golden_intervention_still_reads_the_same(name: str) -> None:
    record = json.loads(INTERVENTIONS[name])
    twin = outbound.decode_intervention(encoded(record["value"]))
    assert list(json.loads(outbound.encode_intervention(twin)).items()) == list(record["value"].items())
    model = Intervention.model_validate_json(encoded(record["value"]))
    assert _absent_when_default(model) == record["value"]
    headers = CloudEventHeaders.model_validate(dict(record["headers"]))
    assert headers.ce_id == f"{model.intervention_id}.{model.sequence}"
    source, trace = headers.ce_source, headers.traceparent
    assert outbound.ce_headers(twin, source, trace) == [(key, text.encode()) for key, text in record["headers"]]


@pytest.mark.parametrize("name", DELIVERIES)
def test_a_golden_delivery_still_reads_the_same(name: str) -> None:
    record = json.loads(DELIVERIES[name])
    model = DeliveryRecorded.model_validate_json(encoded(record["value"]))
    assert _absent_when_default(model) == record["value"]
    assert delivery_key(model.intervention_id, model.sequence, model.channel, model.recipient) == record["key"]


def test_the_golden_headers_of_a_dead_letter_still_read_the_same() -> None:
    headers = json.loads(golden("dead_letters/v1")["headers"])["headers"]
    read = read_headers((name, text.encode()) for name, text in headers)
    assert read is not None
    assert (read.topic, read.partition, read.offset, read.attempt) == ("test-ratings", 3, 12345, 2)
    assert (read.exception, read.message) == ("missing_field", "`rating` is missing.")


def test_every_struct_of_the_journal_and_the_output_is_frozen() -> None:
    structs: list[type[Struct]] = [*ENTRY_KINDS, *TYPES.values(), outbound.Intervention, outbound.Evidence]
    assert all(struct.__struct_config__.frozen for struct in structs)
