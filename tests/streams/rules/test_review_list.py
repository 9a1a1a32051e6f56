"""What waits for the review and is not sent by itself, and what an appointment holds off."""

import pytest

from tests.streams.timeline import Story

MISSING, UNRESPONSIVE = "first_meeting.missing", "participant.unresponsive"


def matched() -> Story:
    story = Story()
    story.tell("pair.changed", "0d")
    return story


def deliveries(story: Story, rule: str) -> list[tuple[float, str, str | None]]:
    told = story.told(rule)
    records = [record for _, record in story.of(rule)]
    return [(day, each.change, each.delivery_reason) for (day, *_), each in zip(told, records, strict=True)]


def test_the_first_stage_waits_for_the_review_and_the_second_is_sent() -> None:
    story = matched()
    story.go("15d")
    assert deliveries(story, MISSING) == [(10, "opened", "review_list"), (14, "escalated", None)]


def test_it_is_not_sent_while_both_partners_are_about() -> None:
    story = matched()
    for person in ("mentor", "mentee"):
        story.tell("activity.signed_in", "9d", participant_id=person)
    story.go("15d")
    assert deliveries(story, MISSING)[-1] == (14, "escalated", "review_list")
    story.go("22d")
    assert deliveries(story, MISSING)[-1] == (21, "escalated", None)


def test_an_appointment_that_passed_without_a_word_is_not_sent_before_the_last_stage() -> None:
    story = matched()
    story.tell("meeting.scheduled", "1d", participant_id="mentor", starts_at="10d", duration_minutes=60)
    story.go("31d")
    reasons = [reason for _, _, reason in deliveries(story, MISSING)]
    assert [reason == "review_list" for reason in reasons[:-1]] == [True] * (len(reasons) - 1)
    assert reasons[-1] != "review_list"


@pytest.mark.parametrize(
    ("what", "day"),
    [(None, 24 + 1 / 24), ("meeting.no_show", 15), ("meeting.cancelled", 15)],
    ids=["stands", "no show", "cancelled"],
)
def test_an_appointment_is_waited_for_while_it_stands(what: str | None, day: float) -> None:
    story = matched()
    story.tell("meeting.scheduled", "1d", participant_id="mentor", starts_at="10d", duration_minutes=60)
    if what is not None:
        story.tell(what, "11d", participant_id="mentor", starts_at="10d")
    story.go("30d")
    assert story.told(UNRESPONSIVE)[0][0] == pytest.approx(day, abs=1e-3)


def test_appointments_made_again_and_again_hide_nobody_for_ever() -> None:
    story = matched()
    for number in range(12):
        start = 1 + 7 * number
        story.tell("meeting.scheduled", f"{start}d", participant_id="mentor", meeting_id=f"m{number}",
                   starts_at=f"{start + 6}d", duration_minutes=60)  # fmt: skip
    story.go("90d")
    assert story.told(UNRESPONSIVE)[0][0] <= 1 + 14 + 14 + 14 + 1


def test_a_low_rating_beside_a_good_match_rating_waits_and_the_next_one_is_sent() -> None:
    story = matched()
    story.tell("rating.submitted", "1d", rating=5)
    story.tell("rating.submitted", "2d", rating=2, kind="post_meeting")
    story.tell("rating.submitted", "3d", rating=2, kind="post_meeting")
    assert deliveries(story, "rating.low") == [(2, "opened", "review_list"), (3, "escalated", None)]
