"""What stays of a pair that was closed, and of a person who left, long ago."""

from benchmarks.years import TRACE_BYTES, run
from streams.state.history import Page, page_key
from streams.state.pair import PairPhase, PairState
from streams.state.participant import ParticipantState
from streams.state.parts import part_key
from tests.streams.timeline import Story

PAIR, MENTEE = b"pprogram/pair", b"mprogram/mentee"


def ended() -> Story:
    """A pair that met, wrote and rated, closed on day 60; the mentee left the next day."""
    story = Story()
    for person in ("mentor", "mentee"):
        story.tell("participant.changed", "0d", participant_id=person, roles=[person])
    story.tell("pair.changed", "0d")
    for week in range(8):
        story.tell("meeting.held", f"{7 * week + 1}d", meeting_id=f"m{week}", starts_at=f"{7 * week + 1}d")
        story.tell("rating.submitted", f"{7 * week + 2}d", rating=2 + week % 3, survey_id=f"s{week}")
    story.tell("pair.changed", "60d", matched_at="0d", state="closed", close_reason="completed")
    story.tell("participant.changed", "61d", participant_id="mentee", state="left")
    return story


def sizes(story: Story) -> dict[bytes, int]:
    story.engine.flush_state()
    return {key: len(value) for key, value in story.engine.state.table.stored()}


def test_a_day_before_the_end_of_400_days_everything_is_there_and_after_it_at_most_64_bytes() -> None:
    story = ended()
    story.go("459d")
    assert story.pair().members
    assert sizes(story)[PAIR] > TRACE_BYTES
    story.go("461d 1m")
    assert (sizes(story)[PAIR] <= TRACE_BYTES, sizes(story)[MENTEE] <= TRACE_BYTES) == (True, True)
    assert story.pair().phase is PairPhase.CLOSED


def test_what_was_remembered_for_good_goes_with_it_and_so_do_pages_of_it_that_earlier_code_wrote() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    for day in range(1, 60):
        story.tell("meeting.held", f"{day}d", meeting_id=f"m{day}", starts_at=f"{day}d")
        story.tell("rating.submitted", f"{day}d", rating=4, survey_id=f"s{day}")
    story.tell("pair.changed", "60d", matched_at="0d", state="closed")
    story.tell("participant.changed", "60d", participant_id="mentee", state="left")
    pages = [page_key(PAIR, 0), page_key(MENTEE, 0)]
    for key in pages:
        story.engine.state.table.put(key, Page(digests=b"12345"))
    story.pair().held_pages = story.person("mentee").answered_pages = 1
    kept = [*pages, part_key(PAIR, "held-0"), part_key(MENTEE, "answered-0")]
    assert sizes(story).keys() >= {*kept}
    story.go("461d")
    assert sizes(story).keys().isdisjoint(kept)


def test_a_pair_reopened_after_that_counts_as_having_met_and_an_old_fact_about_it_changes_nothing() -> None:
    story = ended()
    story.go("470d")
    story.tell("pair.changed", "30d", arrives="471d", state="active", matched_at="0d")
    assert not story.pair().is_active
    story.tell("pair.changed", "480d", matched_at="480d")
    story.go("520d")
    assert story.pair().is_active
    assert story.told("first_meeting.missing") == []


def test_what_a_late_fact_leaves_of_who_is_gone_goes_likewise() -> None:
    story = ended()
    story.go("470d")
    story.tell("activity.message_sent", "471d", participant_id="mentee")
    assert sizes(story)[PAIR] > TRACE_BYTES
    story.go("872d")
    assert (sizes(story)[PAIR] <= TRACE_BYTES, sizes(story)[MENTEE] <= TRACE_BYTES) == (True, True)


def test_a_call_for_help_of_somebody_who_left_stays_open() -> None:
    story = Story()
    story.tell("participant.changed", "0d", participant_id="mentee")
    story.tell("help.requested", "1d", participant_id="mentee")
    story.tell("participant.changed", "2d", participant_id="mentee", state="left")
    story.go("500d")
    person = story.person("mentee")
    assert isinstance(person, ParticipantState)
    assert [each.is_open for each in person.episodes] == [True]


def test_closed_episodes_go_and_a_later_one_has_another_id() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    for day in (1, 100, 200):
        story.tell("rating.submitted", f"{day}d", rating=2)
        story.tell("rating.submitted", f"{day + 5}d", rating=5)
    story.tell("rating.submitted", "300d", rating=5)
    pair = story.pair()
    assert isinstance(pair, PairState)
    assert [each for each in pair.episodes if each.member == "mentee"] == []
    opened = [record.intervention_id for _, record in story.of("rating.low") if record.change == "opened"]
    assert (len(opened), len(set(opened)), pair.retired) == (3, 3, 3)


def test_five_years_of_an_always_on_program_keep_the_bytes_of_an_active_pair_flat() -> None:
    years = run(pairs=8, years=5)
    assert [each.year for each in years] == [1, 2, 3, 4, 5]
    settled = years[1].per_active_pair
    assert all(each.per_active_pair <= 1.2 * settled for each in years[2:]), years
    assert max(each.largest_trace for each in years) <= TRACE_BYTES
