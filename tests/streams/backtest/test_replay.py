"""Replays: raw facts at the edges of time, and the same entries as facts and as a journal."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.journal import CommentInfo, EngineEntry, SourcesEntry, encode_entry, encode_fact_entry
from streams import ruleset
from streams.backtest import tally as tally_module
from streams.backtest.lines import read_record
from streams.backtest.replay import FactReplay, JournalReplay, ReplayError
from streams.clock import DAY_MS
from streams.state import table
from tests.streams.backtest.lines import (
    START_MS,
    activation,
    arrival,
    at,
    clock,
    erasure,
    held,
    journals,
    ordered,
    pair,
    random_lines,
    rating,
    replay,
)

DUE_MS = 10 * DAY_MS
NO_LOW_RATINGS = {"rules": {"rating.low": {"enabled": False}}}


def told(interventions: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(each["rule"]["id"], each["change"], each["decided_at"]) for each in interventions]


def test_a_timer_due_exactly_when_a_line_arrives_fires_before_it() -> None:
    found, _, _ = replay([pair(), held(DUE_MS)])
    assert told(found) == [
        ("first_meeting.missing", "opened", at(DUE_MS)),
        ("first_meeting.missing", "resolved", at(DUE_MS)),
    ]


def test_a_line_one_millisecond_before_is_folded_first() -> None:
    found, _, _ = replay([pair(), held(DUE_MS - 1), clock(DUE_MS)])
    assert found == []


def test_the_clock_stops_at_the_last_line_and_a_line_of_the_clock_only_moves_it() -> None:
    assert replay([pair()])[0] == []
    assert replay([pair(), clock(DUE_MS - 1)])[0] == []
    assert told(replay([pair(), clock(DUE_MS)])[0]) == [("first_meeting.missing", "opened", at(DUE_MS))]


def test_a_fact_of_another_partition_moves_the_clock_of_all() -> None:
    found, _, _ = replay([pair(), pair(DUE_MS, "another-program", "another")])
    assert told(found) == [("first_meeting.missing", "opened", at(DUE_MS))]


def test_a_bad_line_moves_the_clock_and_nothing_else() -> None:
    found, player, bad = replay([pair(), rating(DUE_MS, 7)])
    assert [each.reason for each in bad] == ["out_of_range"]
    assert told(found) == [("first_meeting.missing", "opened", at(DUE_MS))]
    assert player.tally["facts", "ratings"] == 0


def test_a_repeat_counts_and_changes_nothing() -> None:
    found, player, _ = replay([pair(), rating(DAY_MS), rating(DAY_MS)])
    assert len(found) == 1
    assert player.tally["duplicates", "ratings"] == 1


def test_lines_have_no_coordinates_so_evidence_has_no_source() -> None:
    found, _, _ = replay([pair(), rating(DAY_MS)])
    assert [item["event_id"] for item in found[0]["evidence"]] == [f"rating-{DAY_MS}-1"]
    assert all("source" not in item for item in found[0]["evidence"])


def test_an_erased_participant_is_forgotten_and_later_facts_about_them_are_dropped() -> None:
    found, player, _ = replay(
        [pair(), rating(DAY_MS), erasure(2 * DAY_MS, "mentee-of-pair"), rating(3 * DAY_MS), rating(4 * DAY_MS)]
    )
    assert [(each["change"], each.get("resolution", {}).get("reason")) for each in found] == [
        ("opened", None),
        ("escalated", None),  # nobody acknowledged it for a day
        ("resolved", "erased"),
    ]
    assert (player.tally["erasures",], player.tally["erased", "ratings"]) == (1, 2)


def test_lines_must_not_go_back_in_time() -> None:
    player = FactReplay()
    player.feed(arrival(clock(5)))
    with pytest.raises(ValueError, match="order of their arrival"):
        player.feed(arrival(clock(4)))


def test_an_activation_is_obeyed_from_its_line_on() -> None:
    lines = [pair(), rating(DAY_MS), pair(DAY_MS, "q", "other"), activation(2 * DAY_MS, NO_LOW_RATINGS)]
    found, player, _ = replay([*lines, rating(3 * DAY_MS, 1, "q", "other")])
    assert [each["change"] for each in found] == ["opened", "escalated", "resolved"]
    assert found[2]["resolution"]["reason"] == "rule_changed"
    assert player.tally["activations",] == 1
    assert player.tally["ruleset", ruleset.parse(NO_LOW_RATINGS).hash] == 1


def test_under_a_fixed_rule_set_activations_are_counted_and_ignored() -> None:
    fixed = ruleset.parse({})
    found, player, _ = replay([pair(), activation(1, NO_LOW_RATINGS), rating(DAY_MS)], fixed)
    assert [each["rule"]["ruleset"] for each in found] == [fixed.hash]
    assert player.tally["activations",] == 1


def test_an_activation_of_an_invalid_rule_set_is_a_bad_line() -> None:
    _, player, bad = replay([activation(0, {"rules": {"no.such": {}}})])
    assert [each.reason for each in bad] == ["invalid_ruleset"]
    assert player.tally["activations",] == 0


def test_comments_are_scanned_with_the_word_lists_in_force_and_dropped() -> None:
    lists = {"words": {"en": {"music": ["violin"]}}}
    lines = [
        rating(0, 5, comment="I play the violin, and he made threats"),
        activation(1, lists),
        rating(2, 5, comment="I play the violin, and he made threats"),
        rating(3, 5, comment="nothing to see"),
    ]
    _, player, _ = replay(lines)
    assert player.tally["comments",] == 3
    assert player.tally["comment_flags", "safety"] == 1
    assert player.tally["comment_flags", "music"] == 1
    fixed = replay(lines, ruleset.parse(lists))[1]
    assert (fixed.tally["comment_flags", "safety"], fixed.tally["comment_flags", "music"]) == (0, 2)


def test_a_journal_counts_what_it_knows_of_comments_and_versions() -> None:
    player = JournalReplay(0)
    outcome = read_record(arrival(rating(0)))
    info = CommentInfo(length=3, language=None, flags=["safety"])
    fact = encode_fact_entry("ratings", 0, 0, START_MS, outcome.encoded, info)  # type: ignore[union-attr]
    player.feed(0, [encode_entry(EngineEntry(v=1, version="0.0.9")), fact])
    tally = player.close()
    assert (tally["comments",], tally["comment_flags", "safety"]) == (1, 1)
    assert tally["version", "0.0.9"] == 1


@pytest.mark.parametrize("value", [b"{}", b"nonsense", b'{"kind":"progress","v":2,"sources":{}}'])
def test_an_entry_that_cannot_be_read_is_named(value: bytes) -> None:
    good = encode_entry(SourcesEntry(v=1, expected=[], since={}, clock="records", topic_ids={}))
    with pytest.raises(ReplayError, match="Entry 8 of partition 3 "):
        JournalReplay(3).feed(7, [good, value])


def test_packing_state_away_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = random_lines(5, 200)
    before = replay(lines, every=True)[0]
    monkeypatch.setattr(tally_module, "MAX_CHANGED", 3)
    monkeypatch.setattr(table, "HOT_LIMIT", 3)
    assert _drained(lines) == before


def _drained(lines: list[bytes]) -> list[dict[str, Any]]:
    player, found = FactReplay(), [[] for _ in range(8)]  # type: ignore[var-annotated]
    for raw in lines:
        player.feed(arrival(raw))
        for partition, decisions in player.decisions():
            found[partition] += decisions
    player.close()
    for partition, decisions in player.decisions():
        found[partition] += decisions
    return [json.loads(value) for _, _, _, value in ordered(enumerate(found))]


def _without_source(interventions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for each in interventions:
        for item in each["evidence"]:
            item.pop("source", None)
    return interventions


def _as_journal(lines: list[bytes], fixed: ruleset.RuleSet | None) -> list[dict[str, Any]]:
    found = []
    for partition, entries in enumerate(journals(lines)):
        found.append((partition, JournalReplay(partition, fixed).feed(0, entries)))
    return [json.loads(value) for _, _, _, value in ordered(found)]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(0, 120), is_fixed=st.booleans())
def test_lines_with_a_lazy_clock_equal_a_journal_with_an_eager_one(seed: int, count: int, is_fixed: bool) -> None:
    lines, fixed = random_lines(seed, count), ruleset.parse({}) if is_fixed else None
    assert replay(lines, fixed, every=True)[0] == _without_source(_as_journal(lines, fixed))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), keep=st.integers(0, 100))
def test_cutting_off_the_future_never_changes_the_past(seed: int, keep: int) -> None:
    lines = random_lines(seed, 100)
    whole, part = replay(lines)[0], replay(lines[:keep])[0]
    last_ms = arrival(lines[keep - 1]).arrived_ms if keep else -1
    decided = [each for each in whole if each in part]
    assert decided == part
    assert all(each in part for each in whole if each["decided_at"] < at(last_ms - START_MS))
