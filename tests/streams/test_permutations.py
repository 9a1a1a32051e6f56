"""Facts that arrive in another order, within the lateness that rules wait for, end in the same open interventions of
absence and detector rules."""

from random import Random
from typing import Any

import pytest

from streams.rules import RULES, RULES_BY_CODE
from tests.streams.timeline import Story

#: absence rules, and every rule that rests on a detector. Whether a source is silent is a matter of arrival.
JUDGED = {rule.code for rule in RULES if rule.is_absence or (rule.learns and not rule.across)}
TONE = "program.temperature_low"
LATENESS_MINUTES = 24 * 60
PERMUTATIONS, LOGS = 200, 5
Line = dict[str, Any]


def log(seed: int) -> list[Line]:
    """Eight weeks of three pairs that answer, meet and write; each falls silent in its own week."""
    draw = Random(seed)
    lines: list[Line] = []

    def add(day: float, **line: Any) -> None:
        lines.append({"at": f"{round(day * 1_440)}m", **line})

    for number in range(3):
        pair, mentor, mentee = f"pair-{number}", f"mentor-{number}", f"mentee-{number}"
        until = draw.choice((4, 28, 42, 50))
        for week in range(8):
            day = 7 * week + 1 + number + draw.random()
            if day > until:
                break
            add(day, type="meeting.scheduled", pair_id=pair, meeting_id=f"{pair}-{week}", participant_id=mentor,
                starts_at=f"{round(1_440 * (day + 2))}m")  # fmt: skip
            if draw.random() < 0.8:
                add(day + 2.1, type="meeting.held", pair_id=pair, meeting_id=f"{pair}-{week}", participant_id=mentor,
                    starts_at=f"{round(1_440 * (day + 2))}m")  # fmt: skip
            for person in (mentor, mentee):
                add(day + 2 * draw.random(), type="activity.signed_in", participant_id=person)
                if draw.random() >= 0.7:
                    continue
                asked = day + 3 * draw.random()
                survey = {"survey_id": f"{pair}-{person}-{week}"} if seed % 2 else {}
                if survey:  # with surveys the rate detector judges those
                    add(asked, type="survey.sent", pair_id=pair, participant_id=person, **survey)
                if not survey or draw.random() < 0.7:
                    add(asked + draw.random(), type="rating.submitted", pair_id=pair, participant_id=person,
                        rating=draw.choice((2, 3, 4, 5)), **survey)  # fmt: skip
        for day in (50, 60) if seed % 2 else ():
            for person in (mentor, mentee):
                add(day + draw.random(), type="survey.sent", pair_id=pair, participant_id=person,
                    survey_id=f"{person}-{day}")  # fmt: skip
    if draw.random() < 0.5:
        add(15, type="participant.changed", participant_id="mentee-1", state="paused", paused_until="22d")
    add(30, type="match_request.sent", participant_id="mentee-2", counterpart_id="mentor-0")
    return lines


def answers(seed: int) -> list[Line]:
    """Ten weeks of an answer or three a day, whose share of positive ones wanders about the marks; some are ratings."""
    draw = Random(seed)
    lines: list[Line] = []
    for day in range(70):
        for _ in range(draw.choice((1, 1, 2, 3))):
            at, is_positive = (
                f"{round((day + draw.random()) * 1_440)}m",
                draw.random() < (0.74 if day % 28 < 20 else 0.6),
            )
            who = {"at": at, "participant_id": f"{draw.choice(('mentor', 'mentee'))}-{draw.randrange(3)}"}
            if draw.random() < 0.3:
                lines.append(
                    {**who, "type": "rating.submitted", "rating": 5 if is_positive else draw.choice((1, 2, 3))}
                )
            else:
                lines.append(
                    {**who, "type": "sentiment.submitted", "polarity": "positive" if is_positive else "neutral"}
                )
    return lines


def story_of(lines: list[Line], draw: Random | None, until: str) -> Story:
    """What comes of a log when each fact arrives at once, or up to a day late."""
    arriving = []
    for line in lines:
        minute = int(line["at"][:-1])
        late = 0 if draw is None else draw.randrange(LATENESS_MINUTES)
        arriving.append((minute + late, {**line, "arrives": f"{minute + late}m"}))
    story = Story({"rules": {"program.sentiment_slowdown": {"far_per_year": 5.0}}})
    story.tell("program.changed", "0d", self_matching=True)
    for number in range(4):
        story.tell("pair.changed", "0d", pair_id=f"pair-{number}", mentor_ids=[f"mentor-{number}"],
                   mentee_ids=[f"mentee-{number}"])  # fmt: skip
    story.tell_all(line for _, line in sorted(arriving, key=lambda each: each[0]))
    story.go(until)
    assert not story.engine.state.faults.counts
    return story


def ending(lines: list[Line], draw: Random | None) -> list[tuple[str, str, str | None]]:
    """What is open at the end."""
    return sorted(
        (
            RULES_BY_CODE[each.rule].id,
            f"{key.decode()}/{each.member}",
            RULES_BY_CODE[each.rule].rungs[each.rung - 1].name,
        )
        for key, record in story_of(lines, draw, "85d").engine.state.table.items()
        for each in record.episodes
        if each.is_open and each.rule in JUDGED
    )


def test_the_logs_end_with_absence_and_with_every_sort_of_detector() -> None:
    seen = {rule for seed in range(LOGS) for rule, _, _ in ending(log(seed), None)}
    assert seen >= {
        "first_meeting.missing",
        "meeting.rhythm_lost",
        "pair.quiet",
        "participant.unresponsive",
        "program.sentiment_slowdown",
        "survey.unanswered",
    }


@pytest.mark.parametrize("seed", range(LOGS))
def test_two_hundred_orders_of_arrival_end_with_the_same_open_interventions(seed: int) -> None:
    lines = log(seed)
    expected = ending(lines, None)
    assert expected
    for order in range(PERMUTATIONS // LOGS):
        assert ending(lines, Random(order)) == expected, order


@pytest.mark.parametrize("seed", [4, 5])
def test_the_tone_of_a_program_is_told_at_the_same_instants_in_every_order(seed: int) -> None:
    lines = answers(seed)
    expected = story_of(lines, None, "80d").told(TONE)
    assert {change for _, change, _ in expected} == {"opened", "resolved"}
    for order in range(PERMUTATIONS // LOGS):
        assert story_of(lines, Random(order), "80d").told(TONE) == expected, order
