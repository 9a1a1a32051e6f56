"""Rule sets: expanding, hashing, and saying what is wrong in words."""

import json

import pytest

from streams import ruleset
from streams.clock import DAY_MS, HOUR_MS
from streams.rule import format_duration, parse_duration
from streams.rules import RULES, RULES_BY_ID
from streams.ruleset import RulesetError, parse


def test_an_empty_file_is_the_shipped_defaults() -> None:
    assert parse({}).hash == ruleset.shipped().hash


def test_expanding_an_expanded_tree_changes_nothing() -> None:
    tree = {
        "rules": {"rating.low": {"low": 1}},
        "programs": {"p1": {"rules": {"first_meeting.missing": {"cool_down": "7d"}}}},
    }
    rules = parse(tree)
    again = parse(rules.tree)
    assert (again.tree, again.hash) == (rules.tree, rules.hash)
    assert ruleset.load(rules.encoded()).hash == rules.hash


def test_every_parameter_of_every_rule_is_written_out() -> None:
    expanded = ruleset.shipped().tree["rules"]
    assert {rule_id: set(values) for rule_id, values in expanded.items()} == {
        rule.id: set(rule.Params.model_fields) for rule in RULES
    }


def test_a_program_override_keeps_the_other_parameters_of_the_base() -> None:
    rules = parse({
        "rules": {"first_meeting.missing": {"overdue_after": "15d"}},
        "programs": {"p1": {"rules": {"first_meeting.missing": {"not_scheduled_after": "12d"}}}},
    })  # fmt: skip
    rule = RULES_BY_ID["first_meeting.missing"]
    own = rules.params(rule, "p1").model_dump()
    assert (own["not_scheduled_after"], own["overdue_after"]) == ("12d", "15d")
    assert rules.params(rule, "p2").model_dump()["not_scheduled_after"] == "10d"
    assert rules.tree["programs"]["p1"]["rules"].keys() == {"first_meeting.missing"}


@pytest.mark.parametrize(
    ("tree", "place", "hint"),
    [
        ({"rules": {"rating.lo": {}}}, 'rules."rating.lo"', "did you mean rating.low?"),
        ({"rules": {"rating.low": {"lo": 1}}}, 'rules."rating.low".lo', "did you mean low?"),
        ({"rules": {"rating.low": {"low": "2"}}}, 'rules."rating.low".low', "valid integer"),
        ({"rules": {"rating.low": {"window": "two months"}}}, 'rules."rating.low".window', '"<n>d"'),
        ({"rules": {"rating.low": {"window": 60}}}, 'rules."rating.low".window', '"<n>d"'),
        ({"rules": {"rating.low": {"mode": "loud"}}}, 'rules."rating.low".mode', "'live' or 'shadow'"),
        ({"rule": {}}, "rule", "did you mean rules?"),
        ({"programs": {"p1": {"rule": {}}}}, "programs.p1.rule", "did you mean rules?"),
        ({"neglect": {"hihg": "1d"}}, "neglect.hihg", "did you mean high?"),
        ({"words": {"en": {"safety": "help"}}}, "words.en.safety", "not a list"),
        ({"rules": []}, "rules", "not a table"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_a_hint(tree: dict[str, object], place: str, hint: str) -> None:
    with pytest.raises(RulesetError) as caught:
        parse(tree)
    (problem,) = caught.value.problems
    assert problem.startswith(place)
    assert hint in problem


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(RulesetError) as caught:
        parse({"rules": {"rating.low": {"low": 9}, "nothing.like_it": {}}, "wrds": {}})
    assert len(caught.value.problems) == 3


def test_the_hash_covers_the_defaults() -> None:
    spelled_out = json.loads(json.dumps(ruleset.shipped().tree))
    assert parse(spelled_out).hash == ruleset.shipped().hash
    spelled_out["rules"]["rating.low"]["low"] = 1
    assert parse(spelled_out).hash != ruleset.shipped().hash


@pytest.mark.parametrize(
    ("text", "duration"), [("10d", 10 * DAY_MS), ("36h", 36 * HOUR_MS), ("0d", 0), ("90m", 90 * 60_000)]
)
def test_durations_are_written_as_they_are_read(text: str, duration: int) -> None:
    assert parse_duration(text) == duration
    assert format_duration(duration) == text


@pytest.mark.parametrize("text", ["", "d", "1.5d", "-1d", "1w", "1 d", "１d", 5, None, "10"])
def test_anything_else_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match='"<n>d"'):
        parse_duration(text)
