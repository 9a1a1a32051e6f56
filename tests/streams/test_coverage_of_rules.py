"""Every rule of the catalogue opens, just does not, meets its exact edge, closes and hears of things late.

Scenarios are `tests/scenarios/<rule id with _ for .>_<kind>[_what].toml`, such as `rating_low_edge_window.toml`; the
kind is one of `KINDS`, and the key `rule` inside names the rule. One that shows more than its name says adds
`covers = ["closes"]`. The suite prints the table, so that a rule without all five cannot hide.
"""

import sys
from collections import Counter
from typing import Any

import pytest

from streams.rules import RULES
from tests.scenarios.runner import load, scenario_files

KINDS = ("opens", "not", "edge", "closes", "late")


def covered(stem: str, scenario: dict[str, Any]) -> set[str]:
    """The kinds a scenario shows: by its name, and by what it adds."""
    rule = scenario["rule"].replace(".", "_")
    assert stem.startswith(f"{rule}_"), f"{stem} is about {scenario['rule']}"
    kind = stem.removeprefix(f"{rule}_").partition("_")[0]
    assert kind in KINDS, f"{stem}: the name must go on with one of {KINDS}"
    return {kind, *scenario.get("covers", ())}


def table() -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {rule.id: Counter() for rule in RULES}
    for path in scenario_files():
        scenario = load(path)
        counts[scenario["rule"]].update(covered(path.stem, scenario))
    return counts


def test_every_rule_has_a_scenario_of_each_kind(capsys: pytest.CaptureFixture[str]) -> None:
    counts = table()
    width = max(map(len, counts))
    lines = [f"{'scenarios of':<{width}}" + "".join(f"{kind:>8}" for kind in KINDS)]
    lines += [f"{rule:<{width}}" + "".join(f"{each[kind]:>8}" for kind in KINDS) for rule, each in counts.items()]
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
    missing = [f"{rule}: {kind}" for rule, each in counts.items() for kind in KINDS if not each[kind]]
    assert not missing


def test_a_scenario_covers_only_kinds_that_exist() -> None:
    unknown = {kind for path in scenario_files() for kind in load(path).get("covers", ())} - set(KINDS)
    assert not unknown
