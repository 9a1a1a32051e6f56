"""What the engine writes is what the contract promises."""

import json
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from pydantic import BaseModel, ValidationError

from schemas import interventions, outbound
from schemas.deliveries import DeliveryRecorded
from schemas.interventions import Change, CloudEventHeaders, Intervention
from tests.schemas.samples import encoded, golden

OPENED: dict[str, Any] = json.loads(golden("interventions/v1")["opened"])["value"]
DELIVERY: dict[str, Any] = json.loads(golden("deliveries/v1")["withheld"])["value"]

TWINS: list[tuple[type[BaseModel], type[msgspec.Struct]]] = [
    (interventions.Intervention, outbound.Intervention),
    (interventions.RuleReference, outbound.RuleReference),
    (interventions.Subject, outbound.Subject),
    (interventions.Cause, outbound.Cause),
    (interventions.Evidence, outbound.Evidence),
    (interventions.SuggestedAction, outbound.SuggestedAction),
    (interventions.Resolution, outbound.Resolution),
]


@pytest.mark.parametrize(("model", "twin"), TWINS)
def test_model_and_twin_have_the_same_fields_in_the_same_order(
    model: type[BaseModel], twin: type[msgspec.Struct]
) -> None:
    on_the_wire = [info.alias or name for name, info in model.model_fields.items()]
    assert on_the_wire == list(twin.__struct_encode_fields__)
    required = {info.alias or name for name, info in model.model_fields.items() if info.is_required()}
    assert required == {info.encode_name for info in msgspec.structs.fields(twin) if info.required}


def test_every_word_of_the_model_is_a_word_of_the_twin() -> None:
    model, twin = get_type_hints(interventions.Intervention), get_type_hints(outbound.Intervention)
    for name in ("change", "state", "rule_class", "severity", "delivery", "audience"):
        assert get_args(model[name]) == get_args(twin[name])


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("intervention_id", "a b"),
        ("sequence", -1),
        ("sequence", 0.0),
        ("change", "reopened"),
        ("class", "other"),
        ("stage", 4),
        ("subject", {"type": "pair", "id": "a b"}),
        ("subject", {"type": "coach", "id": "a"}),
        ("cause", {"label": "trouble", "confidence": 1.5}),
        ("evidence", [{"text": "x"}]),
        ("evidence", [OPENED["evidence"][0]] * 21),
        ("delivery_reason", "because"),
        ("delivery_reason", "inhibited:"),
        ("opened_at", "2026-01-05T10:00:00"),
        ("resolution", {"reason": "tired"}),
        ("rule", {"id": "rating_low", "version": 1, "ruleset": "x"}),
        ("actions", [{"code": "call", "order": 1, "needs_approval": False, "unlocked": True}]),
    ],
)
def test_an_intervention_outside_the_contract_is_refused(name: str, wrong: object) -> None:
    Intervention.model_validate_json(encoded(OPENED))
    with pytest.raises(ValidationError):
        Intervention.model_validate_json(encoded({**OPENED, name: wrong}))


def test_what_may_be_null_is_still_there_and_what_is_optional_is_left_out() -> None:
    record = outbound.decode_intervention(encoded(OPENED))
    bare = msgspec.structs.replace(record, cause=None, due_at=None, expires_at=None, delivery_reason=None, stage=None)
    stated = json.loads(outbound.encode_intervention(bare))
    assert (stated["cause"], stated["stage"], stated["delivery_reason"]) == (None, None, None)
    assert not {"due_at", "expires_at", "resolution"} & set(stated)
    Intervention.model_validate_json(outbound.encode_intervention(bare))


@pytest.mark.parametrize("change", get_args(Change))
def test_headers_are_cloud_events_of_the_change(change: Change) -> None:
    record = msgspec.structs.replace(outbound.decode_intervention(encoded(OPENED)), change=change, sequence=3)
    headers = dict(outbound.ce_headers(record, outbound.ce_source("blue.")))
    assert headers["ce_type"] == f"ebb.intervention.{change}.v1".encode()
    assert headers["ce_id"] == f"{record.intervention_id}.3".encode()
    assert headers["ce_source"] == b"/ebb/blue."
    assert "traceparent" not in headers
    CloudEventHeaders.model_validate({name: text.decode() for name, text in headers.items()})


def test_without_a_prefix_the_source_is_the_default_one() -> None:
    assert outbound.ce_source("") == "/ebb/default"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("state", "lost"),
        ("channel", "pigeon"),
        ("recipient", "a@b c"),
        ("reason", "SMTP said: no such user"),
        ("attempts", -1),
    ],
)
def test_a_delivery_outside_the_contract_is_refused(name: str, wrong: object) -> None:
    DeliveryRecorded.model_validate_json(encoded(DELIVERY))
    with pytest.raises(ValidationError):
        DeliveryRecorded.model_validate_json(encoded({**DELIVERY, name: wrong}))


def test_moments_have_milliseconds() -> None:
    assert outbound.moment(1_767_693_600_000) == "2026-01-06T10:00:00.000Z"
    assert outbound.moment(-1) == "1969-12-31T23:59:59.999Z"
