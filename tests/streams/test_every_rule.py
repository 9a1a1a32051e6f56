"""What must hold for every rule, shown on its own scenario: a restart changes nothing, a cut future changes no past.

The scenario is the first in which the rule closes, so that opening and closing are both in it.
"""

from collections.abc import Iterable
from pathlib import Path

import pytest
from msgspec.structs import replace

from schemas.outbound import Intervention
from streams import readers
from streams.engine import Engine
from streams.rule import Rule
from streams.rules import RULES
from tests.scenarios.runner import Timeline, load, run, scenario_files
from tests.streams.logs import stored


def scenario_of(rule_id: str) -> Path:
    name = rule_id.replace(".", "_")
    found = [path for path in scenario_files() if path.stem.startswith(f"{name}_closes")]
    return found[0] if found else next(path for path in scenario_files() if path.stem.startswith(f"{name}_opens"))


@pytest.mark.parametrize("rule_id", [rule.id for rule in RULES])
def test_stop_store_load_resume_after_every_fact_equals_running_through(rule_id: str) -> None:
    scenario = load(scenario_of(rule_id))
    rows: dict[bytes, bytes] = {}

    def restart(timeline: Timeline) -> None:
        stored(timeline.engine, rows)
        timeline.engine = Engine()
        timeline.engine.restore(rows.items())

    whole = list(run(scenario))
    assert any(record.rule.id == rule_id for _, record in whole)
    assert list(run(scenario, between=restart)) == whole


@pytest.mark.parametrize("rule_id", [rule.id for rule in RULES])
def test_a_future_cut_off_never_changes_the_past(rule_id: str) -> None:
    scenario = load(scenario_of(rule_id))
    whole, counts = list(run(scenario)), list[int]()
    list(run(scenario, between=lambda timeline: counts.append(len(timeline.decisions))))
    for kept in {1, len(counts) // 3, 2 * len(counts) // 3, len(counts) - 1} - {0}:
        assert list(run(scenario, first=kept)) == whole[: counts[kept - 1]]


@pytest.mark.parametrize("rule_id", [rule.id for rule in RULES])
def test_whom_a_guard_keeps_from_being_asked_had_nothing_to_say(rule_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = load(scenario_of(rule_id))
    guarded = _without_ids(run(scenario))
    everybody = {kind: tuple(each._replace(guard=None) for each in asked) for kind, asked in readers._READERS.items()}
    monkeypatch.setattr(readers, "_READERS", everybody)
    for rule in RULES:
        monkeypatch.setattr(type(rule), "is_idle", Rule.is_idle)
    assert _without_ids(run(scenario)) == guarded


def _without_ids(decisions: Iterable[tuple[int, Intervention]]) -> list[tuple[int, Intervention]]:
    """An id counts the episodes of a record that are forgotten, which depends on when it was last asked about."""
    return [(at_ms, replace(record, intervention_id="")) for at_ms, record in decisions]
