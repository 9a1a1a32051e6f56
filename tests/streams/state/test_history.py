"""What is remembered for good does not make a record, or what one fact writes, grow."""

from statistics import median

from streams.clock import DAY_MS
from streams.state.history import DIGEST_BYTES, Page, has_digest, page_key
from streams.state.numbered import CHUNK_BYTES
from streams.state.parts import part_key
from streams.state.table import pair_key, participant_key
from tests.streams.logs import stored
from tests.streams.timeline import START_MS, Story

YEARS = 5


def test_five_years_of_weekly_meetings_and_answers_leave_writes_flat_and_repeats_recognised() -> None:
    story, rows = Story(), dict[bytes, bytes]()
    story.tell("pair.changed", "0d")
    sizes: list[list[int]] = [[] for _ in range(YEARS)]
    for week in range(52 * YEARS):
        day = 7 * week + 1
        for kind, fields in (
            ("meeting.scheduled", {"meeting_id": f"m{week}", "starts_at": f"{day + 1}d", "participant_id": "mentor"}),
            ("meeting.held", {"meeting_id": f"m{week}", "starts_at": f"{day}d"}),
            ("survey.sent", {"survey_id": f"s{week}"}),
            ("rating.submitted", {"survey_id": f"s{week}", "rating": 1 + week % 5}),
            ("sentiment.submitted", {"survey_id": f"s{week}"}),
        ):
            story.tell(kind, f"{day}d", **fields)
            flush = story.engine.flush()
            sizes[week // 52].append(sum(len(key) + len(value or b"") for key, value in flush.rows))
            rows |= {key: value for key, value in flush.rows if value is not None}
    stored(story.engine, rows)
    assert max(sizes[-1]) <= max(sizes[0]) + 100
    # All rules on, and committed after every single fact with what the clock set off before it.
    assert median(sizes[-1]) <= 1_300
    repeats = story.engine.state.counts["duplicates", "ratings"]
    story.tell("rating.submitted", "1900d", survey_id="s3", rating=1)
    story.tell("meeting.held", "1900d", meeting_id="m3", starts_at="22d")
    assert story.engine.state.counts["duplicates", "ratings"] == repeats + 1
    assert story.engine.state.counts["duplicates", "meetings"] == 1
    assert story.pair().held_count == 52 * YEARS
    owner, pair = participant_key("program", "mentee"), pair_key("program", "pair")
    for each, name, chunks in ((pair, "held", 52 * YEARS), (owner, "answered", 2 * 52 * YEARS)):
        written = [rows[part_key(each, f"{name}-{number}")] for number in range(chunks * DIGEST_BYTES // CHUNK_BYTES)]
        assert max(map(len, written)) <= CHUNK_BYTES + 5
    story.engine.erase("program", "mentee", START_MS + 1_900 * DAY_MS)
    stored(story.engine, rows)
    assert not any(key in rows for key in (owner, part_key(owner, "answered-0")))
    assert part_key(pair, "held-0") in rows


def test_a_page_of_earlier_code_is_looked_up_and_goes_with_its_owner() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    story.tell("rating.submitted", "1d", survey_id="s1", rating=5)
    owner, table = participant_key("program", "mentee"), story.engine.state.table
    person = story.person("mentee")
    table.put(page_key(owner, 0), Page(digests=person.answered_seen))
    person.answered_pages, person.answered_seen = 1, b""
    story.tell("rating.submitted", "2d", survey_id="s1", rating=5)
    assert story.engine.state.counts["duplicates", "ratings"] == 1
    story.engine.erase("program", "mentee", START_MS + 3 * DAY_MS)
    assert table.get(page_key(owner, 0)) is None


def test_a_digest_is_found_only_where_one_begins() -> None:
    assert has_digest(b"abcdefghij", b"fghij")
    assert not has_digest(b"abcdefghij", b"cdefg")


def test_pages_of_different_owners_never_share_a_key() -> None:
    keys = [pair_key("p", "x"), participant_key("p", "x"), pair_key("p", "x1")]
    assert len({page_key(key, number) for key in keys for number in (0, 10)}) == 6


def test_a_low_rating_that_stands_is_not_pushed_out_by_later_ones() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    story.tell("rating.submitted", "1d", rating=2)
    for day in range(2, 30):
        story.tell("rating.submitted", f"{day}d", rating=3, kind="post_meeting" if day % 2 else "mqs")
    assert [change for _, change, _ in story.told("rating.low")] == ["opened"]
    assert story.pair().members[1].ratings[0].value == 2
