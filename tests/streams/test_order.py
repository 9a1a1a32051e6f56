"""Facts that come in another order, or late, end in the same state wherever the catalogue says so."""

from itertools import permutations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import Accepted, decode_fact
from streams.rules import RULES, RULES_BY_ID
from tests.scenarios.runner import offset_ms
from tests.streams.timeline import START_MS, Story

MISSING = "first_meeting.missing"
PAIR = {"type": "pair.changed", "at": "0d"}
#: rules for which the order of arrival must not matter; others are judged the moment a fact arrives
ABSENCE = {rule.code for rule in RULES if rule.is_absence}


def arriving(lines: list[dict[str, Any]], day: int) -> list[dict[str, Any]]:
    """The same facts, all arriving on one day, in the order given."""
    return [{**line, "arrives": f"{day}d {minute}m"} for minute, line in enumerate(lines)]


def test_states_of_a_participant_may_come_in_any_order() -> None:
    changes = [("1d", "active"), ("3d", "unavailable"), ("5d", "active"), ("8d", "paused"), ("9d", "active")]
    lines = [
        {"type": "participant.changed", "participant_id": "mentee", "at": at, "state": state} for at, state in changes
    ]
    seen = set()
    for order in permutations(lines):
        story = Story()
        story.tell_all([PAIR, *arriving(list(order), 9)])
        story.go("14d")
        person = story.person("mentee")
        assert person.is_active
        seen.add((tuple(person.stops), tuple(story.told(MISSING))))
    assert len(seen) == 1
    ((stops, told),) = seen
    assert len(stops) == 2
    assert told == ((13, "opened", "not_scheduled"),)


def test_attempts_and_an_answer_between_them_may_come_in_any_order() -> None:
    lines = [
        {
            "type": "meeting.scheduled",
            "at": f"{day}d",
            "meeting_id": f"m{day}",
            "starts_at": "30d",
            "participant_id": "mentor",
        }
        for day in (1, 3, 4)
    ]
    lines.append({"type": "activity.signed_in", "at": "2d", "participant_id": "mentee"})
    for order in permutations(lines):
        story = Story()
        story.tell_all([PAIR, *arriving(list(order), 5)])
        assert [(each.by, each.ref.at_ms) for each in story.person("mentee").attempts] == [
            ("mentor", story.pair().bookings[place].ref.at_ms) for place in (1, 2)
        ]


def test_word_of_a_plan_after_word_of_the_meeting_books_nothing() -> None:
    held = {"type": "meeting.held", "at": "3d", "starts_at": "3d"}
    planned = {"type": "meeting.scheduled", "at": "1d", "starts_at": "3d", "participant_id": "mentor"}
    for order in permutations([held, planned]):
        story = Story()
        story.tell_all([PAIR, *arriving(list(order), 4)])
        assert story.pair().bookings == ()
        assert story.pair().held_count == 1


def test_a_meeting_noted_before_its_pair_was_announced_is_a_contact_of_both() -> None:
    story = Story()
    story.tell("meeting.held", "1d", starts_at="1d")
    story.tell("pair.changed", "0d", arrives="2d")
    assert [member.contact_ms for member in story.pair().members] == [story.pair().last_held_ms] * 2


def test_a_pair_that_was_withdrawn_stays_closed_whatever_older_fact_comes_later() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    story.tell("pair.changed", "1d", state="closed", matched_at="0d")
    story.engine.take(*_deleted("3d"))
    story.tell("pair.changed", "2d", arrives="3d", matched_at="0d")
    assert not story.pair().is_active
    assert story.engine.state.table.get(b"gprogram").active_pairs == 0  # type: ignore[union-attr]


def _deleted(at: str) -> tuple[Any, str, int, int, int]:
    arrived_ms = offset_ms(at, START_MS)
    decoded = decode_fact("pairs", b"program/pair", None, arrived_ms=arrived_ms)
    assert isinstance(decoded, Accepted)
    return decoded.fact, "pairs", 0, 77, arrived_ms


def test_a_stranger_who_acts_in_a_pair_is_nobodys_partner() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    story.tell("meeting.no_show", "1d", starts_at="1d", participant_id="stranger")
    story.tell("meeting.scheduled", "2d", meeting_id="next", starts_at="4d", participant_id="mentor")
    assert [each.by for each in story.person("mentee").attempts] == ["mentor"]


def test_a_rating_answers_a_survey_of_its_own_kind() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    story.tell("survey.sent", "1d", survey_id="one", kind="mqs")
    story.tell("rating.submitted", "2d", rating=4, kind="post_meeting")
    assert [survey.answered for survey in story.person("mentee").surveys] == [False]
    story.tell("rating.submitted", "3d", rating=4, kind="mqs")
    assert [survey.answered for survey in story.person("mentee").surveys] == [True]


ABSENCE_FACTS = st.lists(
    st.sampled_from([
        {"type": "meeting.scheduled", "at": "2d", "meeting_id": "a", "starts_at": "12d", "participant_id": "mentor"},
        {"type": "meeting.rescheduled", "at": "3d", "meeting_id": "a", "starts_at": "16d", "participant_id": "mentee"},
        {"type": "meeting.cancelled", "at": "4d", "meeting_id": "a", "starts_at": "16d", "participant_id": "mentee"},
        {"type": "meeting.scheduled", "at": "5d", "meeting_id": "b", "starts_at": "20d", "participant_id": "mentee"},
        {"type": "participant.changed", "at": "5d", "participant_id": "mentor", "state": "paused",
         "paused_until": "8d"},
        {"type": "participant.changed", "at": "6d", "participant_id": "mentee", "state": "unavailable"},
        {"type": "participant.changed", "at": "7d", "participant_id": "mentee", "state": "active"},
        {"type": "activity.signed_in", "at": "6d", "participant_id": "mentee"},
        {"type": "meeting.held", "at": "7d", "meeting_id": "c", "starts_at": "7d", "participant_id": "mentor"},
    ]),
    unique_by=str, min_size=1,
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(ABSENCE_FACTS.flatmap(lambda lines: st.tuples(st.just(lines), st.permutations(lines))))
def test_any_order_of_arrival_ends_with_the_same_open_interventions(lines: Any) -> None:
    ends = []
    for order in lines:
        story = Story()
        story.tell_all([PAIR, *arriving(list(order), 8)])
        story.go("40d")
        records = (story.pair(), story.person("mentor"), story.person("mentee"))
        ends.append([
            sorted(
                (each.rule, each.member, each.rung)
                for each in record.episodes
                if each.is_open and each.rule in ABSENCE
            )
            for record in records
        ])  # fmt: skip
        assert not story.engine.state.faults.counts
    assert ends[0] == ends[1]


@settings(deadline=None, max_examples=40)
@given(ABSENCE_FACTS, st.integers(1, 35), st.integers(0, 9))
def test_a_stricter_threshold_never_makes_the_condition_false(lines: list[dict[str, Any]], day: int, less: int) -> None:
    rungs = []
    for days in (10, 10 - less):
        story = Story(
            {
                "rules": {
                    MISSING: {"not_scheduled_after": f"{days}d", "overdue_after": f"{days + 4}d", "cool_down": "0d"}
                }
            }
        )
        story.tell_all([PAIR, *arriving(lines, 8)])
        story.go(f"{8 + day}d")
        episode = story.pair().open_episode(RULES_BY_ID[MISSING].code)
        rungs.append(0 if episode is None else episode.rung)
    assert rungs[1] >= rungs[0]
