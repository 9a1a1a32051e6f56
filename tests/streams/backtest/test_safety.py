"""A comment in a recording of raw facts raises a concern as it does live, and goes nowhere."""

import json
from typing import Any

import pytest

from schemas.outbound import encode_intervention
from streams.backtest.lines import read_arrival
from streams.backtest.replay import FactReplay
from streams.clock import DAY_MS
from tests.streams.backtest.lines import line, pair

WORDS = "He threatened me at the café."


def _told(*facts: bytes) -> list[dict[str, Any]]:
    player, out = FactReplay(), []
    for each in facts:
        arrival = read_arrival(each)
        assert player.feed(arrival) is None  # type: ignore[arg-type]
    for _, decisions in player.decisions():
        out += [json.loads(encode_intervention(decision.record)) for decision in decisions]
    assert not any("threatened" in json.dumps(each) for each in out)
    return [each for each in out if each["rule"]["id"] == "safety.concern"]


def _by(**fields: Any) -> dict[str, Any]:
    return {"event_id": "e1", "program_id": "p", "pair_id": "pair", "participant_id": "mentee-of-pair", **fields}


@pytest.mark.parametrize(
    "fact",
    [
        line("ratings", DAY_MS, **_by(type="rating.submitted", kind="mqs", rating=5, comment=WORDS)),
        line("sentiment", DAY_MS, **_by(type="sentiment.submitted", about="match", polarity="neutral", comment=WORDS)),
    ],
    ids=["rating", "sentiment"],
)
def test_a_comment_is_scanned_and_told_to_whoever_is_there(fact: bytes) -> None:
    (found,) = _told(pair(), fact)
    assert (found["severity"], found["delivery"], found["audience"]) == ("critical", "now", "coordinator")
    assert found["subject"] == {"type": "participant", "id": "mentee-of-pair"}


def test_a_harmless_comment_raises_nothing() -> None:
    fact = line("ratings", DAY_MS, **_by(type="rating.submitted", kind="mqs", rating=1, comment="Too short."))
    assert _told(pair(), fact) == []
