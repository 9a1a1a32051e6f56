"""docs/rules.md is what the rules say, and its examples do what they say."""

import tomllib
from typing import Any

import pytest

from streams.custom.expression import compiled
from streams.custom.readings import READINGS
from streams.rules import RULES
from streams.ruleset import parse
from tests.streams.timeline import Story
from tools.rules_page import EXAMPLES, PAGE, page

TREE = tomllib.loads(EXAMPLES.read_text("utf-8"))


def story() -> Story:
    off = {rule.id: {"enabled": False} for rule in RULES}
    return Story({**TREE, "rules": off | TREE["rules"]})


def test_the_page_is_what_the_rules_say() -> None:
    assert PAGE.read_text("utf-8") == page(), "run python -m tools.rules_page"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.id))
def test_the_page_tells_of_every_rule_when_it_speaks_what_it_suggests_and_its_parameters(rule: Any) -> None:
    (section,) = (each for each in page().split("\n### ") if each.startswith(f"{rule.id}\n"))
    assert "**Speaks**" in section
    assert "**Ends with**" in section
    assert ("**Suggests**" in section) is bool(rule.suggests)
    assert all(f"`{rung.name}`" in section for rung in rule.rungs if rung.name)
    own = set(rule.Params.model_fields) - {"enabled", "mode", "cool_down", "expires_after", "mute", "sent_from"}
    assert all(f"| `{name}` |" in section for name in own)


@pytest.mark.parametrize("subject", READINGS)
def test_every_reading_on_the_page_can_be_read(subject: str) -> None:
    probes = {"int": "{} > 1", "double": "{} > 1.0", "bool": "{}", "string": "{} == 'x'"}
    for each in READINGS[subject].values():
        assert compiled(subject, probes[each.kind].format(each.name)).names == (each.name,)


def test_the_examples_load() -> None:
    assert [rule.id for rule in parse(TREE).custom.values()] == sorted(TREE["rules"])


def test_one_sided_opens_when_one_writes_and_the_other_does_not() -> None:
    told = story()
    told.tell("pair.changed", "0d")
    told.tell("activity.message_sent", "1d", participant_id="mentor")
    told.tell("activity.message_sent", "6d", participant_id="mentee")
    told.tell("activity.message_sent", "12d", participant_id="mentee")
    told.go("14d")
    assert told.told("custom.one_sided") == []
    told.go("18d")
    told.tell("activity.message_sent", "18d", participant_id="mentor")
    assert told.told("custom.one_sided") == [(15, "opened", None), (18, "resolved", "condition_cleared")]
    told.go("60d")
    assert len(told.told("custom.one_sided")) == 2, "both silent is not one-sided"


@pytest.mark.parametrize(("program", "day"), [("program", 21), ("scholars", 7)])
def test_a_waiting_mentee_is_told_of_sooner_where_a_program_says_so(program: str, day: int) -> None:
    told = story()
    joined = {"joined_at": "0d", "program_id": program}
    told.tell("participant.changed", "0d", participant_id="mentee", **joined)
    told.tell("participant.changed", "0d", participant_id="mentor", roles=["mentor"], **joined)
    told.go("30d")
    told.tell("pair.changed", "30d", program_id=program)
    assert told.told("custom.waiting_mentee") == [(day, "opened", None), (30, "resolved", "condition_cleared")]
    assert told.of("custom.waiting_mentee")[0][1].subject.id == "mentee"


@pytest.mark.parametrize(("met", "said"), [(4, [(33, "opened", None)]), (5, [])])
def test_a_run_that_fades_out_is_told_of_when_it_has_lasted(met: int, said: list[Any]) -> None:
    told = story()
    told.tell("program.changed", "0d", starts_at="0d", ends_at="60d")
    for number in range(10):
        told.tell("pair.changed", "1d", pair_id=f"pair-{number}", mentor_ids=[f"a{number}"], mentee_ids=[f"b{number}"])
    for number in range(met):
        told.tell("meeting.held", "20d", pair_id=f"pair-{number}", meeting_id=f"m{number}", starts_at="20d")
    told.go("40d")
    assert told.told("custom.fading_out") == said
