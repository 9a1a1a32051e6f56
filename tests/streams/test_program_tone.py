"""The tone of a program: low by itself, low for this program, and by role."""

from streams.state.program import ProgramState
from tests.streams.timeline import Story

LOW = "program.temperature_low"


def answered(story: Story, first: int, last: int, negative_every: int) -> None:
    """Four answers a day from `first` up to `last`, each of somebody else's pair; every so many-th is negative."""
    for number in range(4 * first, 4 * last):
        polarity = "negative" if number % negative_every == 0 else "positive"
        person = "mentor" if number % 2 else "mentee"
        story.tell("sentiment.submitted", f"{number * 360}m", participant_id=person, polarity=polarity)


def tone_of(story: Story) -> ProgramState:
    record = story.engine.state.table.get(b"gprogram")
    assert isinstance(record, ProgramState)
    return record


def test_a_share_that_fell_below_the_programs_own_is_low_though_it_is_still_above_the_mark() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    answered(story, 1, 120, 25)  # 96 % positive
    assert story.told(LOW) == []
    answered(story, 120, 180, 4)  # 75 %, never below the mark of 70 %
    changes = [change for _, change, _ in story.told(LOW)]
    assert changes[0] == "opened"
    record = story.of(LOW)[0][1]
    usual = next(each for each in record.evidence if each.text.endswith("beside the usual one"))
    assert usual.value is not None
    assert usual.threshold is not None
    assert 0.7 < usual.value < 0.9 < usual.threshold
    assert 120 < story.told(LOW)[0][0] < 160


def test_the_share_of_each_role_is_evidence_once_it_has_enough_answers() -> None:
    said = []
    for enough in (6, 7):
        story = Story({"rules": {LOW: {"min_n": enough}}})
        story.tell("pair.changed", "0d")
        for number in range(12):
            story.tell("sentiment.submitted", f"{1440 + number}m", participant_id="mentor")
        for number in range(6):
            story.tell("sentiment.submitted", f"{2880 + number}m", participant_id="mentee", polarity="neutral")
        story.go("4d")
        said.append({each.text: each.value for each in story.of(LOW)[0][1].evidence})
    of_all, of_mentors = "share of positive answers, of 18", "share of positive answers of mentors, of 12"
    assert said[1] == {of_all: 0.666667, of_mentors: 1.0}
    assert said[0] == said[1] | {"share of positive answers of mentees, of 6": 0.0}


def test_closing_lets_the_detector_start_over() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    answered(story, 1, 120, 25)
    answered(story, 120, 150, 4)
    story.go("150d")
    assert story.told(LOW)[0][1] == "opened"
    answered(story, 150, 190, 100)
    assert "resolved" in [change for _, change, _ in story.told(LOW)]
    tone = tone_of(story).tone
    assert tone is not None
    assert not tone.alarm_ms
