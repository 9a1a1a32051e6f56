"""A silent source stops the clock of absence rules in every program, and withholds what they say."""

from tests.streams.timeline import Story

MISSING = "first_meeting.missing"
SILENT = "data.source_silent"


def story_of_a_feed(days: int = 35, neglect: dict[str, str] | None = None) -> Story:
    """Three programs sign in every two hours between them; the last fact is that of day `days` less 2 hours."""
    story = Story(None if neglect is None else {"neglect": neglect})
    for hour in range(0, days * 24, 2):
        story.tell("activity.signed_in", f"{hour}h", participant_id="p", program_id=f"program{hour // 2 % 3}")
    return story


def silent(story: Story) -> list[str]:
    return [change for _, change, _ in story.told(SILENT)]


def test_days_of_a_silence_do_not_count_from_the_last_fact_until_facts_return() -> None:
    story = story_of_a_feed()
    story.tell("pair.changed", "35d")
    story.go("50d")
    assert silent(story) == ["opened"]
    assert story.told(MISSING) == []
    story.tell("activity.signed_in", "50d", participant_id="p", program_id="program1")
    story.go("100d")
    # Matched on day 35, when the source had been silent for two hours: ten days count from its return on.
    assert next((day, change) for day, change, _ in story.told(MISSING)) == (60, "opened")


def test_neglect_leaves_it_with_the_operators() -> None:
    story = story_of_a_feed(neglect={})
    story.go("50d")
    assert silent(story) == ["opened", "escalated", "escalated"]
    assert {record.audience for _, record in story.of(SILENT)} == {"operators"}
    assert {record.program_id for _, record in story.of(SILENT)} == {"*"}


def test_what_absence_rules_say_meanwhile_is_withheld_and_woken_when_facts_return() -> None:
    story = story_of_a_feed(25)
    story.tell("pair.changed", "25d")
    for hour in range(25 * 24, 36 * 24, 2):
        story.tell("activity.signed_in", f"{hour}h", participant_id="p", program_id=f"program{hour // 2 % 3}")
    assert [change for _, change, _ in story.told(MISSING)] == ["opened"]
    story.go("38d")
    assert silent(story)[0] == "opened"
    story.tell("meeting.scheduled", "38d", meeting_id="m", starts_at="60d", participant_id="mentor")
    said = story.of(MISSING)[-1][1]
    assert (said.change, said.delivery, said.delivery_reason) == ("evidence_added", "none", f"inhibited:{SILENT}")


def test_switched_off_it_hears_nothing_and_stops_no_clock() -> None:
    story = Story({"rules": {SILENT: {"enabled": False}}})
    for hour in range(0, 35 * 24, 2):
        story.tell("activity.signed_in", f"{hour}h", participant_id="p", program_id=f"program{hour // 2 % 3}")
    story.go("80d")
    assert silent(story) == []
    assert story.engine.state.table.keys(b"s*") == []


def test_switching_it_off_ends_what_is_open_and_lets_the_clock_run() -> None:
    story = story_of_a_feed()
    story.tell("pair.changed", "35d")
    story.go("40d")
    story.activate({"rules": {SILENT: {"enabled": False}}})
    assert story.told(SILENT)[-1][1:] == ("resolved", "rule_changed")
    story.go("46d")
    assert [change for _, change, _ in story.told(MISSING)] == ["opened"]


def test_when_it_expires_the_clock_runs() -> None:
    story = story_of_a_feed()
    story.activate({"rules": {SILENT: {"expires_after": "5d"}}})
    story.tell("pair.changed", "35d")
    story.go("70d")
    assert silent(story) == ["opened", "expired"]
    assert [change for _, change, _ in story.told(MISSING)][:1] == ["opened"]
