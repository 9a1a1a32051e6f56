"""A coordinator's word on what a detector found: dismissed, it learns the new normal, else it keeps the old one."""

import pytest

from streams.state.program import ProgramState
from tests.streams.timeline import Story

SLOWDOWN, LOW = "program.sentiment_slowdown", "program.temperature_low"


def slowed() -> Story:
    """Five pairs of whom one a day submits for ten weeks, and then one a week."""
    story = Story()
    for number in range(5):
        story.tell("pair.changed", "0d", pair_id=f"p{number}", mentor_ids=[f"m{number}"], mentee_ids=[f"n{number}"])
    for day in (*range(1, 70), *range(70, 160, 7)):
        pair = day % 5
        story.tell("rating.submitted", f"{day}d", rating=4, pair_id=f"p{pair}", participant_id=f"n{pair}")
    assert [change for _, change, _ in story.told(SLOWDOWN)][:1] == ["opened"]
    return story


def program(story: Story) -> ProgramState:
    record = story.engine.state.table.get(b"gprogram")
    assert isinstance(record, ProgramState)
    return record


def go_on(story: Story) -> None:
    for day in range(168, 280, 7):
        pair = day % 5
        story.tell("rating.submitted", f"{day}d", rating=4, pair_id=f"p{pair}", participant_id=f"n{pair}")


@pytest.mark.parametrize("action", ["dismiss", "false_alarm"])
def test_a_dismissed_slowdown_is_the_new_normal(action: str) -> None:
    story = slowed()
    stream = program(story).sentiment
    assert stream is not None
    assert stream.alarm_ms
    before = stream.baseline.rate
    story.tell("action.taken", "162d", action=action, intervention_id=story.latest(SLOWDOWN))
    assert not stream.alarm_ms
    assert stream.baseline.rate < 0.8 * before
    told = len(story.told(SLOWDOWN))
    go_on(story)
    assert story.told(SLOWDOWN)[told:] == []


def test_a_slowdown_that_was_only_acknowledged_keeps_its_baseline() -> None:
    story = slowed()
    stream = program(story).sentiment
    assert stream is not None
    before = stream.baseline.rate
    story.tell("action.taken", "162d", action="ack", intervention_id=story.latest(SLOWDOWN))
    go_on(story)
    assert stream.alarm_ms
    assert stream.baseline.rate == before


def test_a_dismissed_tone_is_learned_as_well() -> None:
    story = Story({"rules": {LOW: {"share": 0.1, "mean": 1.1}}})
    story.tell("pair.changed", "0d")
    for day in range(1, 120):
        positive = day < 80 or day % 3 == 0
        story.tell("sentiment.submitted", f"{day}d", polarity="positive" if positive else "negative")
    assert story.told(LOW)[:1]
    tone = program(story).tone
    assert tone is not None
    assert tone.alarm_ms
    story.tell("action.taken", "121d", action="dismiss", intervention_id=story.latest(LOW))
    assert not tone.alarm_ms
