"""The presets: each loads, says what it is for, and turns every screw the same way."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from streams import ruleset
from streams.differences import differences
from streams.engine import Engine
from streams.rule import parse_duration
from tests.streams.logs import entries, random_lines

RULESETS = Path(__file__).resolve().parents[2] / "deploy" / "rulesets"
PRESETS = ("cautious", "eager")
#: Parameters that make a rule speak later or more seldom when they are greater. Others, where they are smaller.
QUIETER_ABOVE = re.compile(
    r"(_after|_for|booked_within|past_due|after|after_sent|count|misses|min_n|drop|gap|high|warning_working_days)$"
)
QUIETER_BELOW = re.compile(r"(far_per_.*|window)$")


def text_of(name: str) -> str:
    return (RULESETS / f"{name}.toml").read_text("utf-8")


def tree_of(name: str) -> dict[str, Any]:
    return tomllib.loads(text_of(name))


def test_every_file_beside_the_defaults_is_a_preset() -> None:
    assert {path.stem for path in RULESETS.glob("*.toml")} == {"default", *PRESETS}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_loads_and_says_for_whom_it_is(name: str) -> None:
    text = text_of(name)
    assert ruleset.parse(tree_of(name)).hash != ruleset.shipped().hash
    assert text.startswith(f"# {name.title()}: ")
    assert "# For programs" in text or "# For small programs" in text
    bare = [line for line in text.splitlines() if re.match(r"\w+ = ", line) and " # " not in line]
    assert bare == []


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_names_only_what_it_changes(name: str) -> None:
    tree = tree_of(name)
    named = {(rule, parameter) for rule, table in tree["rules"].items() for parameter in table}
    named |= {("", f"neglect.{parameter}") for parameter in tree.get("neglect", {})}
    changed = {(each.rule, each.name) for each in differences(ruleset.shipped(), ruleset.parse(tree))}
    assert named == changed


@pytest.mark.parametrize(("name", "quieter"), [("cautious", True), ("eager", False)])
def test_every_screw_of_a_preset_is_turned_the_same_way(name: str, quieter: bool) -> None:
    for each in differences(ruleset.shipped(), ruleset.parse(tree_of(name))):
        if isinstance(each.before, bool) or each.name == "sent_from":
            assert quieter, each  # what waits for the review is not sent
            continue
        before, after = (parse_duration(v) if isinstance(v, str) else v for v in (each.before, each.after))
        above, below = QUIETER_ABOVE.search(each.name), QUIETER_BELOW.search(each.name)
        assert (above is None) != (below is None), f"say which way {each.name} goes"
        assert ((after > before) if above else (after < before)) is quieter, each


def test_a_cautious_program_gets_fewer_messages_than_an_eager_one() -> None:
    def sent(rules: ruleset.RuleSet) -> int:
        count = 0
        for seed in range(3):
            engine = Engine(fixed=rules)
            for offset, entry in enumerate(entries(random_lines(seed, 80))):
                while not engine.apply(offset, entry):
                    pass
                count += sum(each.record.delivery != "none" for each in engine.decisions())
        return count

    cautious, eager = (sent(ruleset.parse(tree_of(name))) for name in PRESETS)
    assert cautious < sent(ruleset.shipped()) < eager
