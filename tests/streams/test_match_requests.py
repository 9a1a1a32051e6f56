"""Match requests end in the same state whatever order their facts arrive in, and few of them are kept."""

from itertools import permutations
from typing import Any

from streams.state.participant import MAX_REQUESTS, Matching
from tests.streams.timeline import Story


def request(kind: str, at: str, number: int, **fields: Any) -> dict[str, Any]:
    return {"type": f"match_request.{kind}", "at": at, "request_id": f"r{number}", **fields}


def kept(story: Story, person: str) -> tuple[Any, ...]:
    """What is remembered, but for event ids, which are numbered by arrival here."""
    matching = story.person(person).matching or Matching()
    received = [(each.request_id, each.by, each.sent is None, each.at_ms, each.phase) for each in matching.received]
    refused = [(request_id, ref.at_ms) for request_id, ref in matching.refused]
    declines = [ref.at_ms for ref in matching.declines]
    return received, refused, declines, matching.answered_ms, matching.accepted_ms


def test_facts_about_requests_may_come_in_any_order() -> None:
    lines = [
        request("sent", "1d", 1),
        request("withdrawn", "2d", 1),
        request("sent", "3d", 2, participant_id="second"),
        request("expired", "5d", 2, participant_id="second"),
        request("declined", "4d", 3, participant_id="third"),
        request("sent", "6d", 4, participant_id="third"),
    ]
    seen = set()
    for order in permutations(lines):
        story = Story()
        story.tell("participant.changed", "0d", participant_id="asked", joined_at="0d")
        for minute, line in enumerate(order):
            fields = {name: value for name, value in line.items() if name not in ("type", "at")}
            story.tell(line["type"], line["at"], arrives=f"{10 * 1440 + minute}m", **fields)
        seen.add(repr([kept(story, person)[:3:2] for person in ("asked", "second", "third")]))
    assert len(seen) == 1


def test_an_acceptance_ends_what_was_refused_before_it_in_any_order() -> None:
    lines = [request("declined", "1d", 1), request("expired", "2d", 2), request("accepted", "3d", 3),
             request("declined", "4d", 4)]  # fmt: skip
    for order in permutations(lines):
        story = Story()
        for minute, line in enumerate(order):
            story.tell(line["type"], line["at"], arrives=f"{5 * 1440 + minute}m", request_id=line["request_id"])
        assert [number for number, _ in kept(story, "asker")[1]] == ["r4"]


def test_of_many_requests_a_few_are_kept_and_withdrawn_ones_go_first() -> None:
    story = Story()
    for number in range(40):
        story.tell("match_request.sent", f"{number}d", request_id=f"r{number}")
        if number % 4 == 0:
            story.tell("match_request.withdrawn", f"{number}d", request_id=f"r{number}")
        story.tell("match_request.declined", f"{number}d", request_id=f"x{number}", counterpart_id="other")
    received = kept(story, "asked")[0]
    assert len(received) == MAX_REQUESTS
    assert [each[0] for each in received] == ["r1", "r2", "r3", "r5", "r6", "r7", "r9", "r39"]
    assert len(kept(story, "asker")[1]) == MAX_REQUESTS
