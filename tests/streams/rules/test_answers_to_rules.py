"""What coordinators see of rules and say about them: the ranked list of a review, a playbook, feedback."""

from typing import Any

from schemas import outbound
from tests.scenarios.runner import FOLDER, load, spelled_out
from tests.streams.timeline import Story

REVIEW, SLUMP, NOISY, LOW = "review.due", "program.slump", "rule.noisy", "rating.low"
OWN = {"custom.postponing": {"subject": "pair", "when": "postponed_in_a_row > 0", "says": "a meeting was moved"}}


def lines(record: outbound.Intervention) -> list[str]:
    """The lines of the list, without those that say how long ago the last review was."""
    return [each.text for each in record.evidence if ", open for " in each.text]


def programme(rules: dict[str, Any] | None = None) -> Story:
    story = Story({"rules": OWN | (rules or {})})
    for number in range(5):
        people = {"mentor_ids": [f"a{number}"], "mentee_ids": [f"b{number}"]}
        story.tell("pair.changed", "0d", pair_id=f"pair-{number}", **people)
        story.tell("meeting.held", "1d", pair_id=f"pair-{number}", meeting_id=f"m{number}", starts_at="1d")
    return story


def rate(story: Story, number: int, at: str, rating: int, person: str = "b") -> None:
    story.tell("rating.submitted", at, pair_id=f"pair-{number}", participant_id=f"{person}{number}", rating=rating)


def test_the_list_of_a_review_is_ranked_and_each_line_has_its_reason() -> None:
    story = programme()
    rate(story, 0, "1d", 5)
    rate(story, 1, "2d", 2)
    rate(story, 2, "3d", 1)
    rate(story, 3, "4d", 2)
    story.tell("meeting.rescheduled", "5d", pair_id="pair-3", meeting_id="x", starts_at="20d", participant_id="a3")
    story.tell("meeting.rescheduled", "6d", pair_id="pair-4", meeting_id="y", starts_at="20d", participant_id="a4")
    story.go("15d 1m")
    ((_, record),) = story.of(REVIEW)
    assert lines(record) == [
        "pair pair-2 was rated low: high, open for 12 days",
        "pair pair-3 was rated low: warning, open for 11 days",  # more is open there than at pair-1
        "pair pair-1 was rated low: warning, open for 13 days",
        "pair pair-4 (custom.postponing) a meeting was moved: notice, open for 9 days",
    ]
    assert record.pair_ids == ["pair-1", "pair-2", "pair-3", "pair-4"]
    assert record.summary.endswith("; 4 may need a hand.")


def test_the_list_holds_no_concern_about_safety_nothing_in_shadow_and_no_more_than_it_may() -> None:
    story = programme({LOW: {"mode": "shadow"}, REVIEW: {"list_size": 2}})
    rate(story, 0, "1d", 1)
    story.tell("help.requested", "2d", participant_id="a1", topic="safety")
    for number in (1, 2, 3):
        story.tell("help.requested", f"{number + 2}d", participant_id=f"b{number}", topic="other")
    story.go("15d 1m")
    assert lines(story.of(REVIEW)[0][1]) == [
        "b1 asked for help: high, open for 12 days",
        "b2 asked for help: high, open for 11 days",
    ]


def test_a_playbook_unlocks_step_by_step_as_things_are_done() -> None:
    scenario = load(FOLDER / "program_slump_opens.toml")
    story = Story({"rules": scenario.get("rules", {})})
    story.tell_all(sorted(spelled_out(scenario["facts"]), key=lambda line: _minutes(line["at"])))
    story.go(scenario["until"])
    (opened,) = [record for _, record in story.of(SLUMP) if record.change == "opened"]
    assert [each.code for each in opened.actions] == [
        "open_playbook", "broadcast_check_in", "send_probe", "reach_out",
    ]  # fmt: skip
    assert [each.order for each in opened.actions] == [1, 2, 3, 4]
    unlocked = [sum(each.unlocked for each in opened.actions)]
    at = _minutes(scenario["until"])
    for action in ("ack", "note", "reached_out", "note"):
        at += 60
        fields = {"participant_id": "somebody", "outcome": "answered"} if action == "reached_out" else {}
        story.tell("action.taken", f"{at}m", action=action, intervention_id=opened.intervention_id, **fields)
        unlocked.append(sum(each.unlocked for each in story.of(SLUMP)[-1][1].actions))
    assert unlocked == [1, 1, 2, 3, 4], "an acknowledgement is no step"


def _minutes(text: str) -> int:
    sizes = {"d": 1_440, "h": 60, "m": 1}
    sign = -1 if text.startswith("-") else 1
    return sign * sum(int(part[:-1]) * sizes[part[-1]] for part in text.removeprefix("-").split())


def test_feedback_is_counted_for_each_rule_custom_ones_included() -> None:
    story = programme({NOISY: {"min_n": 3}, LOW: {"cool_down": "0d"}, "custom.postponing": OWN["custom.postponing"]})
    for number in range(4):
        rate(story, number, "2d", 2)
        story.tell("meeting.rescheduled", "2d", pair_id=f"pair-{number}", meeting_id="x", starts_at="9d")
    answers = {LOW: ["useful", "useful", "too_late"], "custom.postponing": ["already_knew", "false_alarm", "useful"]}
    for rule, words in answers.items():
        for (_, record), usefulness in zip(story.of(rule), words, strict=False):
            named = record.intervention_id
            story.tell("action.taken", "3d", action="ack", intervention_id=named, usefulness=usefulness)
    ((_, noisy),) = story.of(NOISY)
    told = [(each.text, each.value) for each in noisy.evidence if each.text.startswith("share")]
    assert told == [("share of useful answers about custom.postponing, of 3", 0.333333)]
