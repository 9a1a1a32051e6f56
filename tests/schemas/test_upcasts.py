"""Old payloads are lifted step by step; a made-up version 0 shows how, because there is none yet."""

from typing import Any

from schemas.codec import Accepted, Rejected, decode_fact
from schemas.upcasts import CURRENT_VERSION, UPCASTS, Steps, lift
from tests.schemas.samples import ARRIVED_MS, MINIMAL, encoded


def _stars_to_rating(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name != "stars"} | {"rating": payload["stars"]}


def _grades_to_stars(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name != "grade"} | {"stars": 6 - payload["grade"]}


STEPS: Steps = {("rating.submitted", 0): _stars_to_rating, ("rating.submitted", -1): _grades_to_stars}
RATING = MINIMAL["rating.submitted"]
COMMON = {name: value for name, value in RATING.items() if name != "rating"}


def read(payload: dict[str, Any], steps: Steps = STEPS) -> Any:
    return decode_fact("ratings", None, encoded(payload), arrived_ms=ARRIVED_MS, steps=steps)


def test_an_old_payload_is_lifted_through_every_version() -> None:
    today = read(RATING)
    assert isinstance(today, Accepted)
    assert read({**COMMON, "schema_version": 0, "stars": 4}) == today
    assert read({**COMMON, "schema_version": -1, "grade": 2}) == today


def test_a_step_leaves_its_payload_alone() -> None:
    payload = {**COMMON, "schema_version": 0, "stars": 4}
    before = dict(payload)
    assert lift(payload, STEPS) == {**COMMON, "schema_version": CURRENT_VERSION, "rating": 4}
    assert payload == before


def test_a_version_without_a_step_is_unknown() -> None:
    for version in (-2, 2):
        outcome = read({**COMMON, "schema_version": version, "stars": 4})
        assert isinstance(outcome, Rejected)
        assert outcome.reason == "unknown_schema_version"
    assert lift({"type": "rating.submitted", "schema_version": -2}, STEPS) is None


def test_nothing_is_lifted_without_steps() -> None:
    assert UPCASTS == {}
    outcome = read({**COMMON, "schema_version": 0, "stars": 4}, UPCASTS)
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "unknown_schema_version"


def test_an_old_payload_that_breaks_its_own_promise_is_rejected() -> None:
    for payload, expected in (
        ({**COMMON, "schema_version": 0}, "wrong_type"),
        ({**COMMON, "schema_version": -1, "grade": "two"}, "wrong_type"),
        ({**COMMON, "schema_version": 0, "stars": 7}, "out_of_range"),
        ({**COMMON, "schema_version": 0, "stars": 4, "participant_id": "a b"}, "bad_id"),
    ):
        outcome = read(payload)
        assert isinstance(outcome, Rejected)
        assert outcome.reason == expected


def test_an_old_payload_is_read_as_strictly_as_a_new_one() -> None:
    value = encoded({**COMMON, "schema_version": 0, "stars": 4})[:-1] + b', "stars": 4}'
    outcome = decode_fact("ratings", None, value, arrived_ms=ARRIVED_MS, steps=STEPS)
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "duplicate_key"
