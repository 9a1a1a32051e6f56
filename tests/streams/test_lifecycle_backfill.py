"""A rule set comes into force: what was true before it, and what happened before it."""

from typing import Any

import pytest

from tests.streams.logs import stored
from tests.streams.timeline import Story

LOW = "rating.low"


def rules(**params: Any) -> dict[str, Any]:
    return {"rules": {LOW: params}}


def told(story: Story) -> list[tuple[float, str, str, str | None]]:
    days = [day for day, _, _ in story.told(LOW)]
    return [
        (day, record.change, record.severity, record.delivery_reason)
        for day, (_, record) in zip(days, story.of(LOW), strict=True)
    ]


def switched_on(backfill: str, scope: str = "*") -> Story:
    """The mentee rated 2 on day 1, while the rule was off; it is switched on at day 2."""
    story = Story(rules(enabled=False))
    story.tell("pair.changed", "0d")
    story.tell("rating.submitted", "1d", rating=2)
    story.go("2d")
    story.activate({}, backfill, scope)
    return story


@pytest.mark.parametrize("scope", ["*", "program"])
@pytest.mark.parametrize(
    ("backfill", "expected"),
    [("emit", [(2, "opened", "warning", None)]), ("silent", [(2, "opened", "warning", "backfill")]), ("none", [])],
)
def test_what_is_true_already_speaks_opens_in_silence_or_keeps_silent(
    backfill: str, scope: str, expected: list[Any]
) -> None:
    assert told(switched_on(backfill, scope)) == expected


def test_under_none_earlier_facts_count_for_nothing() -> None:
    story = switched_on("none")
    story.tell("rating.submitted", "3d", rating=2)  # the second low in 60 days, but the first that counts
    assert told(story) == [(3, "opened", "warning", None)]
    story.tell("rating.submitted", "4d", rating=2)
    assert told(story)[1:] == [(4, "escalated", "high", None)]


def test_under_emit_they_count() -> None:
    story = switched_on("emit")
    story.tell("rating.submitted", "3d", rating=2)
    assert told(story)[1:] == [(3, "escalated", "high", None)]


def test_what_was_forgotten_stays_forgotten_after_a_restart() -> None:
    story = switched_on("none")
    rows: dict[bytes, bytes] = {}
    stored(story.engine, rows)
    story.engine = type(story.engine)()
    story.engine.restore(rows.items())
    story.tell("rating.submitted", "3d", rating=2)
    assert told(story) == [(3, "opened", "warning", None)]


def test_none_leaves_what_is_open_as_it_is() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    story.tell("rating.submitted", "1d", rating=2)
    story.go("2d")
    story.activate(rules(expires_after="30d"), "none")
    assert told(story) == [(1, "opened", "warning", None)]
    story.tell("rating.submitted", "3d", rating=2)
    assert told(story)[1:] == [(3, "escalated", "high", None)]


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        (
            "rating.dropped",
            [("rating.submitted", {"rating": 5})],
            [("rating.submitted", {"rating": 3})],
        ),
        (
            "rating.divergent",
            [("rating.submitted", {"rating": 5})],
            [("rating.submitted", {"rating": 3, "participant_id": "mentor"})],
        ),
        (
            "match.in_trouble",
            [("rating.submitted", {"rating": 2}), ("activity.message_sent", {"participant_id": "mentor"})],
            [("sentiment.submitted", {"polarity": "negative"})],
        ),
        (
            "meeting.repeatedly_postponed",
            [("meeting.cancelled", {"participant_id": "mentor", "meeting_id": "a", "starts_at": "9d"})],
            [("meeting.cancelled", {"participant_id": "mentor", "meeting_id": "b", "starts_at": "9d"})],
        ),
    ],
)
@pytest.mark.parametrize("backfill", ["none", "emit"])
def test_every_rule_that_fires_on_a_fact_forgets_earlier_facts_under_none(
    rule: str, before: list[Any], after: list[Any], backfill: str
) -> None:
    story = Story({"rules": {rule: {"enabled": False}}})
    story.tell("pair.changed", "0d")
    for kind, fields in before:
        story.tell(kind, "1d", **fields)
    story.go("2d")
    story.activate({}, backfill)
    for kind, fields in after:
        story.tell(kind, "3d", **fields)
    assert [change for _, change, _ in story.told(rule)] == ([] if backfill == "none" else ["opened"])


def test_under_none_a_partners_earlier_low_rating_makes_nothing_graver() -> None:
    story = Story(rules(enabled=False))
    story.tell("pair.changed", "0d")
    story.tell("rating.submitted", "1d", rating=2, participant_id="mentor")
    story.go("2d")
    story.activate({}, "none")
    story.tell("rating.submitted", "3d", rating=2)
    assert told(story) == [(3, "opened", "warning", None)]
