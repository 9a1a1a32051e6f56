"""Raw records → units."""

import json
from typing import Any

import msgspec

from agents.ingest.intake import Intake, Unit, words_of
from agents.ingest.merge import Run, Source
from agents.ingest.progress import RecordsClock
from schemas.journal import FactEntry, decode_entry, encode_entry
from streams.partitioner import partition_for
from tests.agents.ingest.harness import T0, expand, participant, rating
from tests.agents.ingest.test_merge import Rec

RATINGS = Source("ratings", 1)
NOW = T0 + 10_000


def digest(intake: Intake, source: Source, rows: list[Rec]) -> Unit:
    return intake.digest([Run(source, rows, 0, len(rows))], NOW)


def intake(clock: RecordsClock | None = None) -> Intake:
    return Intake(4, expand, clock)


def values(unit: Unit) -> list[Any]:
    return [json.loads(value) for rows in unit.rows for _, value in rows]


def test_a_fact_goes_to_its_programs_partition_and_the_bytes_are_those_of_the_entry() -> None:
    unit = digest(intake(), RATINGS, [Rec(7, T0, None, rating("e1", "p9"))])
    [[(key, value)]] = [rows for rows in unit.rows if rows]
    assert unit.rows[partition_for(b"p9", 4)] == [(b"p9", value)]
    assert key == b"p9"
    entry = decode_entry(value)
    assert isinstance(entry, FactEntry)
    assert (entry.source.topic, entry.source.partition, entry.source.offset) == ("ratings", 1, 7)
    assert encode_entry(entry) == value
    assert (unit.positions, unit.newest, unit.counts) == ({RATINGS: 8}, {RATINGS: T0}, {"ratings": 1})


def test_a_comment_leaves_flags_behind_and_no_words() -> None:
    unit = digest(intake(), RATINGS, [Rec(0, T0, None, rating("e1", comment="I was threatened by the way, it was"))])
    [entry] = values(unit)
    assert entry["comment"] == {"length": 35, "language": "en", "flags": ["safety"]}
    assert "threatened" not in json.dumps(entry)


def test_a_record_ahead_of_the_clock_or_without_timestamp_arrives_now() -> None:
    unit = digest(intake(), RATINGS, [Rec(0, NOW + 5_000, None, rating("e1")), Rec(1, -1, None, rating("e2"))])
    assert {entry["arrived_at"] for entry in values(unit)} == {"2026-01-05T10:00:10.000Z"}
    assert unit.newest == {RATINGS: NOW}


def test_bad_records_leave_their_neighbours_alone() -> None:
    unit = digest(
        intake(), RATINGS, [Rec(0, T0, None, rating("e1")), Rec(1, T0, b"k", b"{"), Rec(2, T0, None, rating("e2"))]
    )
    assert [entry["source"]["offset"] for entry in values(unit)] == [0, 2]
    [letter] = unit.dead
    assert (letter.record.offset, letter.rejected.reason) == (1, "not_json")


def test_a_source_stops_at_the_record_that_broke_the_limit_and_its_later_runs_are_left() -> None:
    bad = [Rec(offset, T0, None, b"{") for offset in range(150)]
    runs = [
        Run(RATINGS, bad, 0, 120),
        Run(Source("ratings", 0), [Rec(0, T0, None, rating("e"))], 0, 1),
        Run(RATINGS, bad, 120, 150),
    ]
    unit = intake().digest(runs, NOW)
    assert unit.stopped == {RATINGS: "100 bad records in a row"}
    assert unit.positions == {RATINGS: 100, Source("ratings", 0): 1}
    assert len(unit.dead) == 100
    assert len(values(unit)) == 1


def activation(tree: dict[str, Any], scope: str = "*") -> bytes:
    return json.dumps(
        {"event_id": "r", "type": "ruleset.activated", "occurred_at": "2026-01-05T10:00:00Z", "ruleset": tree,
         "scope": scope, "backfill": "emit"}
    ).encode()  # fmt: skip


def test_a_rule_set_goes_to_every_partition_and_its_words_are_in_force_from_there_on() -> None:
    working = intake()
    tree = {"rules": {}, "words": {"en": {"safety": ["pineapple"]}}}
    unit = digest(working, Source("rulesets", 0), [Rec(0, T0, b"*", activation(tree))])
    assert [[json.loads(value)["kind"] for _, value in rows] for rows in unit.rows] == [["ruleset"]] * 4
    assert values(unit)[0]["ruleset"] == tree
    assert unit.words == {"*": {"en": {"safety": ["pineapple"]}}}
    said = digest(working, RATINGS, [Rec(0, T0, None, rating("e", comment="pineapple"))])
    assert values(said)[0]["comment"]["flags"] == ["safety"]


def test_a_broken_rule_set_is_a_bad_record_and_the_last_good_one_stays() -> None:
    unit = digest(intake(), Source("rulesets", 0), [Rec(0, T0, b"*", activation({"broken": True}))])
    assert not values(unit)
    assert [letter.rejected.reason for letter in unit.dead] == ["invalid_ruleset"]


def test_word_lists_of_one_program_add_to_those_of_everyone() -> None:
    working = intake()
    working.use_words({"p1": {"en": {"safety": ["pineapple"]}}})
    said = digest(
        working, RATINGS, [Rec(n, T0, None, rating(f"e{n}", comment=c)) for n, c in enumerate(["pineapple", "suicide"])]
    )
    assert [entry["comment"]["flags"] for entry in values(said)] == [["safety"], ["safety"]]


def test_a_null_on_participants_becomes_an_erasure_in_the_programs_partition() -> None:
    people = Source("participants", 0)
    unit = digest(intake(), people, [Rec(0, T0, b"p9/u1", participant("e", "u1", "p9")), Rec(1, T0, b"p9/u1", None)])
    rows = unit.rows[partition_for(b"p9", 4)]
    assert [json.loads(value)["kind"] for _, value in rows] == ["fact", "erase"]
    assert json.loads(rows[1][1])["participant_id"] == "u1"


def test_with_a_records_clock_the_same_records_give_the_same_entries_whenever_they_are_read() -> None:
    rows = [Rec(n, T0 + n * 1_000_000, None, rating(f"e{n}", f"p{n % 3}")) for n in range(12)]
    whole = intake(RecordsClock()).digest([Run(RATINGS, rows, 0, 12)], 1)
    parts = intake(RecordsClock())
    joined: list[list[Any]] = [[] for _ in range(4)]
    for at in range(0, 12, 5):
        for mine, new in zip(joined, parts.digest([Run(RATINGS, rows, at, min(12, at + 5))], 9**15).rows, strict=True):
            mine += new
    assert whole.rows == joined
    assert any(json.loads(value)["kind"] == "progress" for _, value in whole.rows[0])


def test_words_of_reads_only_what_has_the_shape_of_word_lists() -> None:
    assert words_of({}) == words_of({"words": 3}) == {}
    assert words_of({"words": {"en": {"safety": ["a"], "x": 1}, "de": 2}}) == {"en": {"safety": ["a"]}}


def test_entries_read_back_whatever_the_fact(tmp_path: Any) -> None:
    unit = digest(
        intake(), RATINGS, [Rec(n, T0 + n, None, rating(f"e{n}", f"p{n}", comment="x" * n)) for n in range(20)]
    )
    for rows in unit.rows:
        for _, value in rows:
            assert msgspec.json.decode(value) == json.loads(encode_entry(decode_entry(value)))
