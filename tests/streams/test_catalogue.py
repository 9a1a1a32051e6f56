"""What is said of rules is read from the rules."""

import pytest

from streams.catalogue import action_words, documented, parameters
from streams.custom import CustomParams
from streams.rule import Rule
from streams.rules import RULES, RULES_BY_ID


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.id))
def test_every_rule_says_what_it_sees_what_ends_it_and_where_its_numbers_come_from(rule: Rule) -> None:
    headline, body, source = documented(rule)
    assert headline.endswith(".")
    assert len(" ".join(body)) > 150
    assert len(source) > 20
    assert rule.closes
    assert not rule.closes.endswith(".")
    assert all(action_words(code) for code in rule.suggests)
    named = [part for part in rule.closes.split("`")[1::2] if part != "review_done"]
    assert set(named) <= set(rule.Params.model_fields)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.id))
def test_every_parameter_has_words_a_unit_and_a_default(rule: Rule) -> None:
    for each in parameters(rule.Params):
        assert each.words, each
        assert each.unit != "value", each
        assert each.default, each


def test_bounds_are_written_as_in_a_rule_file() -> None:
    found = {each.name: each for each in parameters(RULES_BY_ID["program.rating_below_target"].Params)}
    assert (found["window"].unit, found["window"].bounds, found["window"].default) == (
        "duration", "at least 7d, at most 120d", '"60d"',
    )  # fmt: skip
    assert found["target"].bounds == "above 1, at most 5"
    assert found["cool_down"].bounds == ""
    assert [each.name for each in parameters(RULES_BY_ID["rating.low"].Params)][:2] == ["low", "window"]


def test_what_has_no_default_shows_none() -> None:
    assert [each.name for each in parameters(CustomParams) if not each.default] == ["subject", "when", "says"]
