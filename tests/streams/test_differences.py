"""Two rule sets in words."""

from typing import Any

import pytest

from streams.differences import differences
from streams.ruleset import parse

MISSING = "first_meeting.missing"
OWN = {"subject": "pair", "when": "has_met", "says": "they met"}


def texts(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [each.text for each in differences(parse(before), parse(after))]


def rules(rule: str = MISSING, **params: Any) -> dict[str, Any]:
    return {"rules": {rule: params}}


def of_program(program: str, rule: str = MISSING, **params: Any) -> dict[str, Any]:
    return {"programs": {program: {"rules": {rule: params}}}}


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (
            {},
            of_program("p1", not_scheduled_after="20d"),
            (
                "program p1: first_meeting.missing will wait 20 days instead "
                "of 10 before it says `not_scheduled` (nothing scheduled or held for this long)"
            ),
        ),
        (
            {},
            rules(overdue_after="36h"),
            (
                "first_meeting.missing will wait 36 hours instead of 14 days before it says "
                "`overdue` (no meeting held for this long)"
            ),
        ),
        (
            {},
            rules("pair.quiet", quiet_for="1d"),
            ("pair.quiet will wait 1 day instead of 30 days (quiet_for: no contact of the pair for this long)"),
        ),
        ({}, rules("rating.low", low=1), "rating.low uses low = 1 instead of 2 (ratings at or below this are low)"),
        ({}, rules(enabled=False), "first_meeting.missing is switched off; what it has open is resolved"),
        (rules(mode="shadow"), {}, "first_meeting.missing speaks from now on"),
        (
            {},
            rules(cool_down="7d"),
            "first_meeting.missing will stay silent for 7 days instead of 14 days after closing",
        ),
        (
            {},
            rules("relaunch.opt_out_open", remind_before=["10d", "3d"]),
            (
                "relaunch.opt_out_open uses remind_before = "
                "10 days, 3 days instead of 14 days, 3 days (so long before the end who has not answered "
                "is reminded, twice)"
            ),
        ),
        (
            {},
            {"neglect": {"warning_working_days": 5}},
            (
                "a neglected warning intervention is told to somebody else after "
                "5 working days instead of 3 working days"
            ),
        ),
        (
            {},
            {"neglect": {"ack_lapses_after": "9d"}},
            ("an acknowledgement without an outreach lapses after 9 days instead of 7 days"),
        ),
        (
            {"words": {"en": {"safety": ["a", "b"]}}},
            {"words": {"en": {"safety": ["b", "c"]}}},
            "the word list safety (en) has 1 more: c and lacks 1: a",
        ),
        ({}, rules("custom.met", **OWN), "custom.met is new: about each pair, notice, when has_met"),
        (rules("custom.met", **OWN), {}, "custom.met is removed; what it has open is resolved"),
        (
            rules("custom.met", **OWN),
            rules("custom.met", **OWN | {"when": "!has_met"}),
            "custom.met opens when !has_met, no longer when has_met",
        ),
    ],
)
def test_a_difference_is_said_in_one_sentence(before: dict[str, Any], after: dict[str, Any], text: str) -> None:
    assert texts(before, after) == [text]


def test_another_subject_under_the_same_id_is_another_rule() -> None:
    about_people = {"subject": "participant", "when": "active_pairs > 1", "says": "many"}
    found = texts(rules("custom.met", **OWN), rules("custom.met", **about_people))
    assert [text.split(" ")[2].strip(";:") for text in found] == ["removed", "new"]


def test_equal_rule_sets_have_no_differences() -> None:
    assert texts({}, rules(not_scheduled_after="10d")) == []


def test_a_program_that_keeps_its_own_value_is_named() -> None:
    own = of_program("p1", not_scheduled_after="12d")
    found = texts(own, own | rules(not_scheduled_after="15d"))
    assert found[1:] == [
        "program p1: first_meeting.missing keeps not_scheduled_after = 12 days, whatever changes for the others"
    ]


def test_a_program_that_changes_like_everybody_is_not_named() -> None:
    own = of_program("p1", overdue_after="12d")
    assert len(texts(own, own | rules(not_scheduled_after="15d"))) == 1


def test_parameters_of_a_rule_that_stays_off_make_no_difference() -> None:
    assert texts(rules(enabled=False), rules(enabled=False, overdue_after="15d")) == []
