"""Every scenario file gives exactly the decisions it expects."""

from pathlib import Path
from typing import Any

import pytest

from schemas import outbound
from schemas.base import to_ms
from streams.rules import RULES_BY_ID
from tests.scenarios.runner import START, load, offset_ms, run, scenario_files


def shown(at_ms: int, record: outbound.Intervention, expected: dict[str, Any], start_ms: int) -> dict[str, Any]:
    """A decision in the words of the scenario: only the fields it mentions."""
    values: dict[str, Any] = {
        "at": at_ms - start_ms,
        "subject": record.subject.id,
        "change": record.change,
        "stage": record.stage,
        "severity": record.severity,
        "delivery": record.delivery,
        "cause": record.cause.label if record.cause else None,
        "reason": record.resolution.reason if record.resolution else None,
        "summary": record.summary,
        "evidence": len(record.evidence),
        "actions": [action.code for action in record.actions],
        "audience": record.audience,
        "state": record.state,
        "pairs": record.pair_ids,
        "people": record.participant_ids,
        "unlocked": [action.code for action in record.actions if action.unlocked],
    }
    return {name: values[name] for name in expected}


@pytest.mark.parametrize("path", scenario_files(), ids=lambda path: path.stem)
def test_scenario_gives_exactly_the_decisions_it_expects(path: Path) -> None:
    scenario = load(path)
    start_ms = offset_ms(scenario["start"], 0) if "start" in scenario else to_ms(START)
    decisions = [(at, record) for at, record in run(scenario) if record.rule.id == scenario["rule"]]
    expected = [{**line, "at": offset_ms(line["at"], 0)} for line in scenario.get("expect", [])]
    got = [shown(at, record, line, start_ms) for (at, record), line in zip(decisions, expected, strict=False)]
    assert got == expected
    extra = [(record.change, record.stage, (at - start_ms) / 86_400_000) for at, record in decisions[len(expected) :]]
    assert not extra, "decisions that the scenario does not expect"
    rule = RULES_BY_ID[scenario["rule"]]
    suggested = [[action.code for action in record.actions] for _, record in decisions]
    assert all(code in rule.suggests for codes in suggested for code in codes), "actions that the rule does not name"
