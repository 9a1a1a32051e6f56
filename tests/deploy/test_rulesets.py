"""The commented rule file says what ships, all of it."""

import re
import tomllib
from pathlib import Path

import pytest

from streams import ruleset
from streams.rule import Rule
from streams.rules import RULES

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
TEXT = (DEPLOY / "rulesets" / "default.toml").read_text("utf-8")
TREE = tomllib.loads(TEXT)


def test_the_commented_file_means_the_same_as_an_empty_one() -> None:
    assert ruleset.parse(TREE).hash == ruleset.shipped().hash


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.id))
def test_every_parameter_of_a_rule_stands_in_the_file(
    rule: Rule,
) -> None:
    assert TREE["rules"][rule.id].keys() == rule.Params.model_fields.keys()


def test_every_neglect_parameter_stands_in_the_file() -> None:
    assert TREE["neglect"].keys() == ruleset.Neglect.model_fields.keys()


def test_every_parameter_has_a_comment() -> None:
    bare = [line for line in TEXT.splitlines() if re.match(r"\w+ = [^\[]", line) and " # " not in line]
    assert bare == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.id))
def test_every_rule_has_a_runbook_that_says_what_it_means_what_to_do_and_when_to_ignore_it(rule: Rule) -> None:
    page = (DEPLOY / "runbooks" / f"{rule.id.replace('.', '_')}.md").read_text("utf-8")
    assert page.startswith(f"# {rule.id}: ")
    assert all(heading in page for heading in ("## What it means", "## What to do first", "## When to ignore it"))
    parts = {each.partition("\n")[0]: each.partition("\n")[2].strip() for each in page.split("\n## ")[1:]}
    assert len(parts["What it means"]) > 100
    assert re.search(r"^(1\.|-) ", parts["What to do first"], re.MULTILINE)
    assert len(parts["When to ignore it"]) > 15
    for severity in {rung.severity.name.lower() for rung in rule.rungs}:
        assert severity in page.lower()
    for stage in (rung.name for rung in rule.rungs if rung.name is not None):
        assert f"`{stage}`" in page


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.id))
def test_a_runbook_names_no_parameter_with_another_default_than_the_shipped_one(rule: Rule) -> None:
    page = (DEPLOY / "runbooks" / f"{rule.id.replace('.', '_')}.md").read_text("utf-8")
    known = set(rule.Params.model_fields)
    said = re.findall(r"(\d+) days\s+\(`(\w+)`\)", page)
    shipped = rule.Params().model_dump(mode="json")
    assert [(days, name) for days, name in said if name in known and shipped[name] not in (f"{days}d", int(days))] == []
