"""A rule sees only what had arrived: the future changes nothing, and what arrives a day later is known a day later."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from tests.streams.backtest.lines import random_lines
from tests.streams.backtest.lines import replay as replay_lines

DAY = timedelta(hours=24)
Told = list[dict[str, object]]


def arrived(line: bytes) -> datetime:
    return datetime.fromisoformat(json.loads(line)["arrived_at"])


def told(lines: list[bytes]) -> Told:
    return replay_lines(lines, every=True)[0]


def before(interventions: Told, instant: datetime) -> Told:
    return [one for one in interventions if datetime.fromisoformat(str(one["decided_at"])) < instant]


@pytest.mark.parametrize("seed", range(8))
def test_a_random_future_changes_nothing_that_was_said_before_it(seed: int) -> None:
    past = random_lines(seed, 150, days=60)
    last = arrived(past[-1])
    shift = last - arrived(past[0]) + timedelta(hours=1)
    names = json.dumps(sorted({json.loads(line).get("program_id", "") for line in past}))
    future = [_moved(line, shift, f"later-{seed}-") for line in random_lines(seed + 1_000, 150, days=60)]
    same_programs = [_moved(line, shift, f"again-{seed}-") for line in past]
    alone = before(told(past), last)
    assert alone, names
    everything = sorted([*past, *future, *same_programs], key=arrived)
    assert before(told(everything), last) == alone


@pytest.mark.parametrize("seed", range(4))
def test_what_a_backtest_says_by_a_day_needs_only_lines_arrived_by_then(seed: int) -> None:
    lines = random_lines(seed, 200)
    whole = told(lines)
    assert whole
    for part in (0.3, 0.6, 0.9):
        cut = lines[: int(len(lines) * part)]
        limit = arrived(cut[-1])
        assert before(told(cut), limit) == before(whole, limit)


@pytest.mark.parametrize("seed", range(8))
def test_facts_that_arrive_a_day_later_speak_a_day_later_and_never_earlier(seed: int) -> None:
    """All arrivals shifted by 24 h, the facts themselves untouched: what is said cannot come sooner."""
    lines = [line for line in random_lines(seed, 150) if b'"rulesets"' not in line]
    first = _first_by_fact(told(lines))
    shifted = _first_by_fact(told([_arriving(line, DAY) for line in lines]))
    assert first
    both = first.keys() & shifted.keys()
    assert both
    for key in both:
        assert shifted[key] - first[key] == DAY, key


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("late", [timedelta(0), DAY])
def test_no_rule_speaks_of_a_fact_before_it_has_arrived(seed: int, late: timedelta) -> None:
    lines = [_arriving(line, late) for line in random_lines(seed, 150) if b'"rulesets"' not in line]
    arrivals: dict[str, datetime] = {}
    for line in lines:
        arrivals.setdefault(json.loads(line).get("event_id", ""), arrived(line))
    named: set[str] = set()
    for one in told(lines):
        evidence, rule = one["evidence"], one["rule"]
        assert isinstance(evidence, list)
        assert isinstance(rule, dict)
        for item in evidence:
            if "event_id" in item:
                assert arrivals[item["event_id"]] <= datetime.fromisoformat(str(one["decided_at"])), one
                named.add(rule["id"])
    assert len(named) > 3


def _moved(line: bytes, by: timedelta, prefix: str) -> bytes:
    """A line with all of it later, under event ids of its own."""
    tree = json.loads(line)
    for name in ("arrived_at", "occurred_at", "matched_at", "starts_at", "paused_until"):
        if name in tree:
            tree[name] = (datetime.fromisoformat(tree[name]) + by).isoformat()
    if "event_id" in tree:
        tree["event_id"] = prefix + tree["event_id"]
    return json.dumps(tree).encode()


def _arriving(line: bytes, by: timedelta) -> bytes:
    tree = json.loads(line)
    tree["arrived_at"] = (arrived(line) + by).isoformat()
    return json.dumps(tree).encode()


def _first_by_fact(interventions: Told) -> dict[tuple[str, str], datetime]:
    """When a rating was first spoken of, by rule and the fact that opened it: these rules answer at arrival."""
    found: dict[tuple[str, str], datetime] = {}
    for one in interventions:
        rule = one["rule"]
        assert isinstance(rule, dict)
        if rule["id"] == "rating.low" and one["change"] == "opened":
            evidence = one["evidence"]
            assert isinstance(evidence, list)
            key = rule["id"], str(evidence[-1]["event_id"])
            found.setdefault(key, datetime.fromisoformat(str(one["decided_at"])))
    return found
