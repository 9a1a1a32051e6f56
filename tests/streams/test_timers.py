"""Timers move on: no rule is asked again and again at one moment."""

from typing import Any

import pytest
from msgspec.structs import replace

from schemas.base import from_ms
from schemas.journal import Coordinates, FactEntry
from streams.clock import DAY_MS
from streams.engine import Engine
from streams.rules import RULES_BY_ID
from tests.scenarios.runner import make_fact
from tests.streams.timeline import START_MS, Story


def woken(story: Story, until: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Let time pass. Returns: how many records were woken by their timers."""
    count, pop = 0, type(story.engine.state).pop_timer

    def counted(state: Any) -> Any:
        nonlocal count
        count += 1
        assert count < 2_000, "woken again and again"
        return pop(state)

    with monkeypatch.context() as patched:
        patched.setattr(type(story.engine.state), "pop_timer", counted)
        story.go(until)
    assert isinstance(story.engine, Engine)
    return count


def test_between_two_runs_without_pairs_nobody_asks_for_what_the_former_run_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    story = Story()
    story.tell("program.changed", "0d", program_id="program", kind="on_off", starts_at="0d", ends_at="120d")
    for number in range(6):
        pair = f"pair-{number}"
        people = {"mentor_id": f"mentor-{number}", "mentee_id": f"mentee-{number}"}
        story.tell("pair.changed", "1d", pair_id=pair, state="active", matched_at="0d", **people)
    for day in range(3, 74, 14):
        for number in range(6):
            story.tell("survey.sent", f"{day}d", survey_id=f"s{day}-{number}", participant_id=f"mentee-{number}")
    for number in range(6):
        people = {"mentor_id": f"mentor-{number}", "mentee_id": f"mentee-{number}"}
        story.tell("pair.changed", "75d", pair_id=f"pair-{number}", state="closed", matched_at="0d", **people)
    story.tell("program.changed", "76d", program_id="program", kind="on_off", starts_at="150d", ends_at="240d")
    assert woken(story, "200d", monkeypatch) > 0
    assert not story.engine.state.faults.counts


def test_a_rule_that_asks_to_be_asked_at_once_is_asked_the_next_day(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = RULES_BY_ID["first_meeting.missing"]
    judge = type(rule).judge
    asked: list[int] = []

    def at_once(self: Any, view: Any, subject: Any, params: Any, moment: Any) -> Any:
        asked.append(moment.now_ms)
        return replace(judge(self, view, subject, params, moment), look_ms=moment.now_ms)

    monkeypatch.setattr(type(rule), "judge", at_once)
    story = Story()
    story.tell("pair.changed", "0d", pair_id="pair", state="active", matched_at="0d", mentor_id="a", mentee_id="b")
    story.go("5d")
    assert [(at - START_MS) // DAY_MS for at in asked] == list(range(6))
    assert story.engine.state.faults.counts == {"first_meeting.missing": 6}


def test_a_rule_that_raises_before_there_is_a_clock_is_asked_again_a_day_after_the_fact(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    rule = RULES_BY_ID["first_meeting.missing"]
    monkeypatch.setattr(type(rule), "judge", broken)
    engine = Engine()
    fact, arrived_ms, topic = make_fact(
        {"type": "pair.changed", "at": "0d", "pair_id": "pair", "mentor_ids": ["a"], "mentee_ids": ["b"]}, 1, START_MS
    )
    coordinates = Coordinates(topic=topic, partition=0, offset=1)
    assert engine.step(0, FactEntry(v=1, source=coordinates, arrived_at=from_ms(arrived_ms), fact=fact))
    assert engine.state.clock.now_ms < 0
    record = engine.state.table.get(b"pprogram/pair")
    assert record is not None
    assert record.timers[rule.code] == arrived_ms + DAY_MS
