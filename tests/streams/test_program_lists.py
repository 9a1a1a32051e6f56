"""Lists of a whole program: who is on them, in which order, and what drawing them up costs."""

from streams.state.program import ProgramState
from streams.view import View
from tests.streams.timeline import Story

REVIEW = "review.due"
CLEANUP = "cleanup.due"
RISK = "relaunch.carryover_risk"


def program(story: Story) -> ProgramState:
    record = story.engine.state.table.get(b"gprogram")
    assert isinstance(record, ProgramState)
    return record


def test_the_review_list_ranks_by_severity_and_leaves_out_concerns_about_safety_and_shadows() -> None:
    story = Story({"rules": {"self_match.stranded": {"mode": "shadow"}}})
    story.tell("program.changed", "0d", kind="always_on", self_matching=True)
    for number in (1, 2, 3):
        story.tell("pair.changed", "0d", pair_id=f"p{number}", mentor_ids=[f"m{number}"], mentee_ids=[f"n{number}"])
        story.tell("meeting.held", "1d", pair_id=f"p{number}", starts_at="at", meeting_id=f"k{number}")
    story.tell("rating.submitted", "1d", pair_id="p1", participant_id="n1", rating=2)
    story.tell("rating.submitted", "2d", pair_id="p2", participant_id="n2", rating=1)
    story.tell("help.requested", "3d", participant_id="n3", pair_id="p3", topic="safety")
    for request in ("a", "b"):
        story.tell("match_request.declined", "4d", participant_id="asker", request_id=request)
    story.go("15d")
    listed = [each.text for each in story.of(REVIEW)[0][1].evidence if "open for" in each.text]
    assert listed == [
        "pair p2 was rated low: high, open for 13 days",
        "pair p1 was rated low: warning, open for 14 days",
    ]
    assert story.of(REVIEW)[0][1].pair_ids == ["p1", "p2"]


def test_a_review_is_due_two_weeks_after_the_later_of_review_and_first_feedback() -> None:
    story = Story()
    story.tell("action.taken", "0d", action="review_done")
    story.tell("sentiment.submitted", "3d")
    story.go("17d")
    assert story.told(REVIEW) == [(17, "opened", "due")]


def crowd(story: Story, people: int, silent_from: str) -> None:
    for number in range(people):
        story.tell("activity.signed_in", silent_from, participant_id=f"p{number:04}")


def test_a_long_list_names_some_and_counts_all_and_changes_no_record_of_a_person() -> None:
    story = Story()
    crowd(story, 300, "-74d")
    story.engine.flush()
    story.go("27d")
    record = story.of(CLEANUP)[0][1]
    assert record.summary.startswith("300 people")
    assert (len(record.evidence), len(record.participant_ids)) == (19, 200)
    assert [key for key, _ in story.engine.flush().rows if key[:1] == b"m"] == []


def test_a_list_is_looked_through_once_however_many_leave_it() -> None:
    story = Story()
    crowd(story, 60, "-74d")
    story.go("27d")
    seen: list[str] = []
    people = View.people
    View.people = lambda view, after="": (seen.append(each[0]) or each for each in people(view, after))  # type: ignore
    try:
        for number in range(60):
            story.tell("activity.signed_in", f"{28 * 1440 + number}m", participant_id=f"p{number:04}")
    finally:
        View.people = people  # type: ignore[method-assign]
    assert story.told(CLEANUP)[-1][1] == "resolved"
    assert len(seen) <= 60


def carried(story: Story, people: int) -> None:
    run = {"kind": "on_off", "carry_over": True, "starts_at": "0d", "ends_at": "90d", "next_starts_at": "120d"}
    story.tell("program.changed", "0d", **run)
    for number in range(people):
        story.tell("relaunch.answered", "80d", participant_id=f"p{number}")
    for number in range(people):
        story.tell("activity.signed_in", "81d", participant_id=f"q{number}")


def test_carryover_is_counted_again_only_when_enough_have_answered() -> None:
    story = Story()
    carried(story, 40)
    story.go("113d")
    counted = program(story).carryover
    assert counted is not None
    assert (counted.carried, counted.risky) == (80, 40)
    assert counted.margin == 24
    for number in range(23):
        story.tell("relaunch.answered", f"{113 * 1440 + number}m", participant_id=f"q{number}")
    assert [change for _, change, _ in story.told(RISK)] == ["opened"]
    assert program(story).carryover == type(counted)(80, 40, 1, counted.first_day, counted.heard)
    story.tell("relaunch.answered", "113d 30m", participant_id="q30")
    assert [change for _, change, _ in story.told(RISK)] == ["opened", "resolved"]


def test_who_watches_a_list_is_forgotten_with_them() -> None:
    story = Story()
    crowd(story, 2, "-74d")
    story.go("27d")
    first = next(iter(program(story).watched.values()))
    story.engine.erase("program", first, 0)
    assert first not in program(story).watched.values()
    story.tell("activity.signed_in", "28d", participant_id="p0001")
    assert story.told(CLEANUP)[-1][1] == "resolved"


def test_active_people_are_counted_through_every_change_of_state() -> None:
    story = Story()
    for at, state in (("0d", "active"), ("1d", "paused"), ("2d", "active"), ("3d", "unavailable"), ("4d", "left")):
        story.tell("participant.changed", at, participant_id="p", state=state)
        assert program(story).active_people == int(state == "active")
    story.tell("participant.changed", "5d", participant_id="q", state="paused", paused_until="7d")
    story.tell("activity.signed_in", "6d", participant_id="r")
    assert program(story).active_people == 1
    story.go("7d")
    assert program(story).active_people == 2
    tally = View(story.engine.state, "program").tally("contacts")
    assert tally is not None
    assert tally.totals(0, 1 << 40) == [1]
    story.engine.erase("program", "r", 0)
    assert program(story).active_people == 1
    assert tally.totals(0, 1 << 40) == [0]
