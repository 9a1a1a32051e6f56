"""The engine as a whole: what must hold whatever the facts are."""

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.base import from_ms, to_ms
from schemas.journal import (
    Coordinates,
    EraseEntry,
    FactEntry,
    GapEntry,
    ProgressEntry,
    RulesetEntry,
    SourcesEntry,
    decode_entry,
    encode_entry,
)
from streams import engine as engine_module
from streams import ruleset
from streams.clock import DAY_MS
from streams.engine import Engine
from streams.lifecycle import Decision
from streams.rules import RULES_BY_ID
from streams.state.record import VERSION
from streams.state.table import NewerStateError, pair_key
from tests.scenarios.runner import START, make_fact
from tests.streams.logs import entries, random_lines, stored

START_MS = to_ms(START)
seeds = st.integers(0, 10**6)


def run(journal: list[bytes], cuts: frozenset[int] = frozenset()) -> tuple[list[Any], dict[bytes, bytes]]:
    """Run a journal; after each cut the engine is thrown away and a new one restored from the rows."""
    engine, rows, out = Engine(), dict[bytes, bytes](), []
    for offset, value in enumerate(journal):
        while not engine.apply(offset, value):
            out += stored(engine, rows)
        if offset in cuts:
            out += stored(engine, rows)
            engine = Engine()
            engine.restore(rows.items())
            assert engine.applied == offset
    out += stored(engine, rows)
    assert not engine.state.faults.counts, engine.state.faults
    return out, rows


@settings(deadline=None, max_examples=40)
@given(seeds, st.frozensets(st.integers(0, 80), max_size=12))
def test_stop_store_load_resume_equals_running_through(seed: int, cuts: frozenset[int]) -> None:
    journal = entries(random_lines(seed, 80))
    assert run(journal, cuts) == run(journal)


@settings(deadline=None, max_examples=30)
@given(seeds, st.integers(1, 4))
def test_slices_change_nothing_but_where_a_commit_falls(seed: int, size: int) -> None:
    lines = [
        {"type": "pair.changed", "pair_id": f"p{n}", "mentor_ids": [f"m{n}"], "mentee_ids": [f"n{n}"], "at": "0d"}
        for n in range(12)
    ]
    journal = entries([*lines, *random_lines(seed, 20)])
    whole = run(journal)
    original = engine_module.SLICE
    try:
        engine_module.SLICE = size  # type: ignore[misc]
        assert run(journal) == whole
    finally:
        engine_module.SLICE = original  # type: ignore[misc]


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_repeats_by_a_producer_and_by_ingest_change_no_record(seed: int) -> None:
    journal = entries(random_lines(seed, 60))
    once, _ = run(journal)
    by_ingest = [journal[0], *(value for entry in journal[1:] for value in (entry, entry))]
    assert run(by_ingest)[0] == once
    again = []
    for value in journal:
        again.append(value)
        entry = decode_entry(value)
        if isinstance(entry, FactEntry):  # the same event from a producer that sends it twice: another source offset
            source = Coordinates(topic=entry.source.topic, partition=1, offset=entry.source.offset)
            again.append(encode_entry(FactEntry(v=1, source=source, arrived_at=entry.arrived_at, fact=entry.fact)))
    assert run(again)[0] == once


@settings(deadline=None, max_examples=30)
@given(seeds, st.integers(1, 80))
def test_a_future_cut_off_never_changes_the_past(seed: int, keep: int) -> None:
    journal = entries(random_lines(seed, 80))
    whole, _ = run(journal)
    part, _ = run(journal[: keep + 1])
    assert whole[: len(part)] == part


def test_a_launch_of_fifty_thousand_pairs_due_in_one_minute_is_cut_into_slices() -> None:
    engine, rows = Engine(), dict[bytes, bytes]()
    engine.step(0, SourcesEntry(v=1, expected=["pairs/0"], since={}, clock="wall", topic_ids={}))
    for number in range(50_000):
        line = {"type": "pair.changed", "at": "0d", "pair_id": f"p{number}",
                "mentor_ids": [f"m{number}"], "mentee_ids": [f"n{number}"]}  # fmt: skip
        fact, arrived_ms, topic = make_fact(line, number, START_MS)
        engine.take(fact, topic, 0, number, arrived_ms)
        if number % 10_000 == 0:
            stored(engine, rows)
    stored(engine, rows)
    tick = encode_entry(ProgressEntry(v=1, sources={"pairs/0": from_ms(START_MS + 10 * DAY_MS)}))
    slices, opened = 0, 0
    while not engine.apply(1, tick):
        assert engine.applied == 0
        assert engine.pending() <= 2 * engine_module.SLICE + 10
        opened += len(stored(engine, rows))
        slices += 1
    opened += len(stored(engine, rows))
    assert (slices, opened, engine.applied) == (2, 50_000, 1)


def test_a_rule_that_raises_is_recorded_and_everything_else_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = RULES_BY_ID["first_meeting.missing"]
    judge = type(rule).judge

    def broken(self: Any, view: Any, subject: Any, params: Any, moment: Any) -> Any:
        if subject.id == "pair-1":
            raise ZeroDivisionError("secret value")
        return judge(self, view, subject, params, moment)

    monkeypatch.setattr(type(rule), "judge", broken)
    lines = random_lines(8, 120)
    results = []
    for _ in range(2):
        engine, rows = Engine(), dict[bytes, bytes]()
        out = []
        for offset, value in enumerate(entries(lines)):
            while not engine.apply(offset, value):
                pass
            out += stored(engine, rows)
        results.append((out, rows))
        assert set(engine.state.faults.counts) == {"first_meeting.missing"}
    assert results[0] == results[1]
    assert b"secret" not in b"".join(results[0][1].values())
    rules = {json.loads(value)["rule"]["id"] for value, _ in results[0][0]}
    assert "rating.low" in rules


def said(engine: Engine, rule: str = "first_meeting.missing") -> list[Decision]:
    """What a rule said, without what nobody's coming added."""
    decisions = [each for each in engine.decisions() if each.record.rule.id == rule]
    return [each for each in decisions if each.record.audience == "coordinator"]


class TestClock:
    """Now is the oldest progress of all expected sources."""

    def engine(self, since: dict[str, int | None] | None = None) -> Engine:
        engine = Engine()
        named: dict[str, datetime | None] = {
            source: None if at is None else from_ms(at) for source, at in (since or {}).items()
        }
        engine.step(0, SourcesEntry(v=1, expected=["meetings/0", "pairs/0"], since=named, clock="wall", topic_ids={}))
        fact, arrived_ms, topic = make_fact({"type": "pair.changed", "at": "0d"}, 1, START_MS)
        source = Coordinates(topic=topic, partition=0, offset=0)
        engine.step(1, FactEntry(v=1, source=source, arrived_at=from_ms(arrived_ms), fact=fact))
        return engine

    def progress(self, engine: Engine, **days: float) -> list[str]:
        moved = {f"{topic}/0": from_ms(START_MS + int(day * DAY_MS)) for topic, day in days.items()}
        assert engine.step(engine.applied + 1, ProgressEntry(v=1, sources=moved))
        return [decision.record.change for decision in said(engine)]

    def test_nothing_is_absent_until_every_source_has_reported(self) -> None:
        engine = self.engine()
        assert self.progress(engine, pairs=40) == []
        assert engine.state.clock.now_ms == -1
        assert self.progress(engine, meetings=9.9) == []
        assert self.progress(engine, meetings=10) == ["opened"]

    def test_a_slow_source_holds_absence_back_until_its_facts_are_there(self) -> None:
        engine = self.engine()
        self.progress(engine, pairs=30, meetings=9)
        held, arrived_ms, topic = make_fact({"type": "meeting.held", "at": "8d", "starts_at": "8d"}, 2, START_MS)
        source = Coordinates(topic=topic, partition=0, offset=0)
        engine.step(3, FactEntry(v=1, source=source, arrived_at=from_ms(arrived_ms), fact=held))
        assert self.progress(engine, meetings=30) == []

    def test_now_never_falls(self) -> None:
        engine = self.engine()
        self.progress(engine, pairs=5, meetings=5)
        self.progress(engine, pairs=3, meetings=4)
        assert engine.state.clock.now_ms == START_MS + 5 * DAY_MS

    def test_each_rung_that_a_jump_passes_is_written_at_its_own_instant(self) -> None:
        engine = self.engine()
        moved = {name: from_ms(START_MS + 40 * DAY_MS) for name in ("pairs/0", "meetings/0")}
        engine.step(2, ProgressEntry(v=1, sources=moved))
        first: dict[str | None, int] = {}
        for at_ms, record in engine.decisions():
            if record.rule.id == "first_meeting.missing":
                first.setdefault(record.stage, (at_ms - START_MS) // DAY_MS)
        assert list(first.values()) == [10, 14, 21, 30]

    def test_a_pair_matched_before_observation_began_counts_as_having_met(self) -> None:
        engine = self.engine(since={"meetings/0": START_MS + DAY_MS})
        assert self.progress(engine, pairs=60, meetings=60) == []

    def test_the_first_since_of_a_source_stands(self) -> None:
        engine = self.engine(since={"meetings/0": None})
        later: dict[str, datetime | None] = {"meetings/0": from_ms(START_MS + 30 * DAY_MS)}
        engine.step(2, SourcesEntry(v=1, expected=["meetings/0", "pairs/0"], since=later, clock="wall", topic_ids={}))
        assert self.progress(engine, pairs=60, meetings=60)[0] == "opened"

    def test_absence_does_not_run_inside_a_gap(self) -> None:
        engine = self.engine()
        gap = {"from": from_ms(START_MS + 2 * DAY_MS), "to": from_ms(START_MS + 7 * DAY_MS)}
        engine.step(2, GapEntry(v=1, source="meetings/0", first=gap["from"], last=gap["to"]))
        assert self.progress(engine, pairs=14.9, meetings=14.9) == []
        assert self.progress(engine, pairs=15, meetings=15) == ["opened"]


def test_a_recreated_topic_is_not_taken_for_repeats() -> None:
    first = SourcesEntry(v=1, expected=["pairs/0"], since={}, clock="wall", topic_ids={"pairs": "one"})
    again = SourcesEntry(v=1, expected=["pairs/0"], since={}, clock="wall", topic_ids={"pairs": "two"})
    gap = GapEntry(v=1, source="pairs/0", first=from_ms(START_MS), last=from_ms(START_MS + 1))
    source = Coordinates(topic="pairs", partition=0, offset=0)
    for entry, taken in ((first, 1), (again, 2), (gap, 2)):
        engine, rows = Engine(), dict[bytes, bytes]()
        engine.step(0, first)
        for number, before in ((1, first), (2, entry)):
            engine.step(engine.applied + 1, before)
            stored(engine, rows)
            engine = Engine()
            engine.restore(rows.items())
            fact, arrived_ms, _ = make_fact(
                {"type": "pair.changed", "at": "0d", "pair_id": f"p{number}"}, number, START_MS
            )
            at = from_ms(arrived_ms)
            engine.step(engine.applied + 1, FactEntry(v=1, source=source, arrived_at=at, fact=fact))
        assert len(engine.state.table.keys(b"p")) == taken


class TestRuleSets:
    def activate(self, engine: Engine, tree: dict[str, Any], scope: str = "*", backfill: str = "emit") -> list[Any]:
        rules = ruleset.parse(tree)
        offset = engine.applied + 1
        source = Coordinates(topic="rulesets", partition=0, offset=offset)
        entry = RulesetEntry(v=1, ruleset=rules.tree, hash=rules.hash, scope=scope, backfill=backfill,  # type: ignore[arg-type]
                             source=source, arrived_at=from_ms(engine.state.clock.now_ms))  # fmt: skip
        while not engine.apply(offset, encode_entry(entry)):
            pass
        return said(engine)

    def engine_with_a_pair(self, days: int) -> Engine:
        engine = Engine()
        for value in entries([{"type": "pair.changed", "at": "0d"}]):
            engine.apply(engine.applied + 1, value)
        self.move_to(engine, days)
        return engine

    def move_to(self, engine: Engine, days: float) -> list[Any]:
        moved = {"meetings/0": from_ms(START_MS + int(days * DAY_MS))}
        engine.apply(engine.applied + 1, encode_entry(ProgressEntry(v=1, sources=moved)))
        return said(engine)

    STRICTER = {"rules": {"first_meeting.missing": {"not_scheduled_after": "5d"}}}

    def test_emit_opens_what_is_true_already(self) -> None:
        engine = self.engine_with_a_pair(7)
        (opened,) = self.activate(engine, self.STRICTER)
        assert opened.record.change == "opened"
        assert opened.record.rule.ruleset == ruleset.parse(self.STRICTER).hash

    def test_silent_opens_without_delivery_for_the_whole_episode(self) -> None:
        engine = self.engine_with_a_pair(7)
        (opened,) = self.activate(engine, self.STRICTER, backfill="silent")
        (escalated,) = self.move_to(engine, 14)
        assert [(each.record.delivery, each.record.delivery_reason) for each in (opened, escalated)] == [
            ("none", "backfill")
        ] * 2

    def test_none_keeps_what_is_true_already_silent(self) -> None:
        engine = self.engine_with_a_pair(7)
        assert self.activate(engine, self.STRICTER, backfill="none") == []
        assert self.move_to(engine, 40) == []

    def test_an_open_episode_resolves_when_the_new_parameters_do_not_hold(self) -> None:
        engine = self.engine_with_a_pair(12)
        (resolved,) = self.activate(
            engine, {"rules": {"first_meeting.missing": {"not_scheduled_after": "20d", "overdue_after": "25d"}}}
        )
        assert resolved.record.resolution.reason == "rule_changed"

    def test_a_program_keeps_its_own_rule_set(self) -> None:
        engine = self.engine_with_a_pair(3)
        patient = {"rules": {"first_meeting.missing": {"not_scheduled_after": "20d", "overdue_after": "25d"}}}
        assert self.activate(engine, patient, scope="program") == []
        assert self.activate(engine, self.STRICTER) == []
        assert self.move_to(engine, 19) == []
        assert [each.record.stage for each in self.move_to(engine, 20)] == ["not_scheduled"]

    def test_partitions_of_a_process_share_the_objects_of_a_rule_set(self) -> None:
        one, other = Engine(), Engine(partition=1)
        for engine in (one, other):
            self.activate(engine, {})
        assert one._judging.rules_for("program") is other._judging.rules_for("program") is ruleset.shipped()
        for engine in (one, other):
            self.activate(engine, self.STRICTER)
        assert one._judging.rules_for("program") is other._judging.rules_for("program")

    def test_the_rule_set_in_force_survives_a_restart(self) -> None:
        engine = self.engine_with_a_pair(3)
        self.activate(engine, self.STRICTER)
        rows: dict[bytes, bytes] = {}
        stored(engine, rows)
        resumed = Engine()
        resumed.restore(rows.items())
        assert next(each.at_ms for each in self.move_to(resumed, 20)) == START_MS + 5 * DAY_MS


def test_an_erased_participant_is_gone_from_state_and_dropped_when_named_again() -> None:
    lines: list[dict[str, Any]] = [{"type": "pair.changed", "at": "0d", "mentee_ids": ["erika-1"]},
             {"type": "rating.submitted", "at": "1d", "participant_id": "erika-1", "rating": 1},
             {"type": "activity.message_sent", "at": "2d", "participant_id": "erika-1"}]  # fmt: skip
    engine, rows = Engine(), dict[bytes, bytes]()
    for value in entries(lines):
        engine.apply(engine.applied + 1, value)
    stored(engine, rows)
    assert any(b"erika-1" in key + value for key, value in rows.items())
    source = Coordinates(topic="participants", partition=0, offset=0)
    engine.step(engine.applied + 1, EraseEntry(v=1, source=source, arrived_at=from_ms(START_MS + 3 * DAY_MS),
                                               program_id="program", participant_id="erika-1"))  # fmt: skip
    (closed,) = said(engine, "rating.low")[-1:]
    assert (closed.record.change, closed.record.resolution and closed.record.resolution.reason) == (
        "resolved",
        "erased",
    )
    fact, arrived_ms, topic = make_fact(
        {"type": "activity.signed_in", "at": "4d", "participant_id": "erika-1"}, 9, START_MS
    )
    engine.take(fact, topic, 0, 9, arrived_ms)
    stored(engine, rows)
    assert not any(b"erika-1" in key + value for key, value in rows.items())
    assert engine.state.counts["erased", "participant-activity"] == 1


def test_facts_of_a_pair_nobody_announced_are_dropped_after_thirty_days() -> None:
    engine = Engine()
    for value in entries([{"type": "rating.submitted", "at": "0d", "rating": 1}]):
        engine.apply(engine.applied + 1, value)
    key = pair_key("program", "pair")
    assert engine.state.table.get(key) is not None
    engine.advance(START_MS + 30 * DAY_MS)
    assert engine.state.table.get(key) is None
    assert engine.state.counts["provisional_dropped",] == 1


def test_state_of_later_code_is_refused() -> None:
    engine, rows = Engine(), dict[bytes, bytes]()
    for value in entries([{"type": "pair.changed", "at": "0d"}]):
        engine.apply(engine.applied + 1, value)
    stored(engine, rows)
    key = pair_key("program", "pair")
    rows[key] = rows[key].replace(bytes([VERSION]), b"\x63", 1)
    later = Engine()
    with pytest.raises(NewerStateError):
        later.restore(rows.items())
