"""The year of real data: what it holds, that every fact is valid, and that nothing tells the outcome."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from examples.oulad import facts as oulad
from examples.oulad.facts import DEMO_PAIRS, facts, line, outcomes
from examples.oulad.pairing import instant_text
from examples.oulad.rows import InboundRecord, rating_of
from examples.oulad.source import load
from schemas.codec import Accepted, decode_fact
from schemas.facts import MeetingScheduled, PairChanged, ParticipantChanged, ProgramChanged, SurveySent, tag_of

END = datetime(2026, 3, 18, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def year() -> list[InboundRecord]:
    return list(facts(END))


@pytest.fixture(scope="module")
def decoded(year: list[InboundRecord]) -> list[tuple[InboundRecord, Accepted]]:
    answers = [
        (record, decode_fact(record.topic, record.key, record.value, arrived_ms=record.arrived_ms)) for record in year
    ]
    assert [answer for _, answer in answers if not isinstance(answer, Accepted)] == []
    return [(record, answer) for record, answer in answers if isinstance(answer, Accepted)]


def test_the_year_holds_so_many_facts_of_each_type(decoded: list[tuple[InboundRecord, Accepted]]) -> None:
    counts = Counter((record.topic, tag_of(type(answer.fact))) for record, answer in decoded)
    assert counts == {
        ("programs", "program.changed"): 4,
        ("pairs", "pair.changed"): 15_905,
        ("participants", "participant.changed"): 9_696,
        ("participant-activity", "activity.signed_in"): 17_237,
        ("participant-activity", "activity.content_viewed"): 16_545,
        ("meetings", "meeting.scheduled"): 34_574,
        ("meetings", "meeting.held"): 25_250,
        ("ratings", "survey.sent"): 33_752,
        ("ratings", "rating.submitted"): 25_250,
        ("sentiment", "sentiment.submitted"): 25_250,
    }


def test_facts_come_in_order_of_arrival_and_within_the_year(year: list[InboundRecord]) -> None:
    arrivals = [record.arrived_ms for record in year]
    assert arrivals == sorted(arrivals)
    end_ms = int(END.timestamp() * 1_000)
    assert arrivals[-1] <= end_ms
    assert timedelta(days=360) < timedelta(milliseconds=end_ms - arrivals[0]) < timedelta(days=372)


def test_no_event_id_stands_for_two_facts(decoded: list[tuple[InboundRecord, Accepted]]) -> None:
    assert len({answer.fact.event_id for _, answer in decoded}) == len(decoded)


def test_facts_arrive_after_they_happened_and_only_reference_facts_may_be_old(
    decoded: list[tuple[InboundRecord, Accepted]],
) -> None:
    reference = {"programs", "pairs", "participants"}
    for record, answer in decoded:
        delay_ms = record.arrived_ms - answer.fact.occurred_at.timestamp() * 1_000
        assert delay_ms > 0
        assert delay_ms < 21_000 or record.topic in reference


def test_programs_and_people_are_known_before_anything_happens_to_them(
    decoded: list[tuple[InboundRecord, Accepted]],
) -> None:
    known: set[str] = set()
    for _, answer in decoded:
        fact = answer.fact
        if isinstance(fact, ProgramChanged):
            known.add(fact.program_id)
        elif isinstance(fact, PairChanged):
            known.add(fact.pair_id)
            assert set(fact.mentor_ids + fact.mentee_ids) <= known
        elif isinstance(fact, ParticipantChanged):
            known.add(fact.participant_id)
        else:
            about = [getattr(fact, name, None) for name in ("program_id", "pair_id", "participant_id")]
            assert {name for name in about if name is not None} <= known


def test_each_program_runs_as_long_as_its_course_and_the_newest_ends_in_the_last_week(
    decoded: list[tuple[InboundRecord, Accepted]],
) -> None:
    programs = {fact.program_id: fact for _, answer in decoded if isinstance(fact := answer.fact, ProgramChanged)}
    length_days = {}
    for name, fact in programs.items():
        assert fact.starts_at is not None
        assert fact.ends_at is not None
        length_days[name] = round((fact.ends_at - fact.starts_at) / timedelta(days=1))
        assert fact.ends_at <= END
    assert length_days == {"BBB-2013B": 240, "BBB-2013J": 268, "DDD-2013B": 240, "DDD-2013J": 261}
    newest = programs["BBB-2013J"].ends_at
    assert newest is not None
    assert END - newest < timedelta(days=7)
    assert {name: len(fact.breaks) for name, fact in programs.items()} == {
        "BBB-2013B": 0,
        "BBB-2013J": 1,
        "DDD-2013B": 0,
        "DDD-2013J": 1,
    }


def test_an_active_pair_was_matched_at_the_start_of_its_course_or_later(
    decoded: list[tuple[InboundRecord, Accepted]],
) -> None:
    starts = {
        fact.program_id: fact.starts_at for _, answer in decoded if isinstance(fact := answer.fact, ProgramChanged)
    }
    active = [fact for _, answer in decoded if isinstance(fact := answer.fact, PairChanged) and fact.state == "active"]
    assert len({fact.pair_id for fact in active}) == len(active)
    for fact in active:
        start = starts[fact.program_id]
        assert start is not None
        assert fact.matched_at == fact.occurred_at >= start


def test_work_is_planned_and_surveys_are_sent_only_while_the_pair_is_active(
    decoded: list[tuple[InboundRecord, Accepted]],
) -> None:
    active: set[str] = set()
    for _, answer in decoded:
        fact = answer.fact
        if isinstance(fact, PairChanged):
            (active.add if fact.state == "active" else active.discard)(fact.pair_id)
        elif isinstance(fact, MeetingScheduled | SurveySent):
            assert fact.pair_id in active
        if isinstance(fact, MeetingScheduled):
            assert fact.occurred_at < fact.starts_at


def test_final_results_change_no_fact(monkeypatch: pytest.MonkeyPatch) -> None:
    before = list(facts(END, 500))
    source = load()
    passed = tuple(msgspec.structs.replace(row, final_result="Pass") for row in source.enrolments)
    monkeypatch.setattr(oulad, "load", lambda: msgspec.structs.replace(source, enrolments=passed))
    assert {outcome.final_result for outcome in outcomes(END, 500)} == {"Pass"}
    assert list(facts(END, 500)) == before


def test_outcomes_cover_exactly_the_pairs_of_the_facts() -> None:
    named = {tuple(record.key.decode().split("/")) for record in facts(END, DEMO_PAIRS) if record.topic == "pairs"}
    endings = list(outcomes(END, DEMO_PAIRS))
    assert {(outcome.program_id, outcome.pair_id) for outcome in endings} == named
    assert len(endings) == DEMO_PAIRS
    assert set(Counter(outcome.final_result for outcome in endings)) == {"Pass", "Distinction", "Fail", "Withdrawn"}


def test_the_same_end_gives_the_same_bytes_and_a_week_later_everything_is_a_week_later() -> None:
    once = list(facts(END, 100))
    assert list(facts(END, 100)) == once
    assert list(facts(END + timedelta(hours=5), 100)) == once
    later = list(facts(END + timedelta(weeks=1), 100))
    assert sorted(record.key for record in later) == sorted(record.key for record in once)
    # Clocks change within the year, but local times of day do not.
    shifts = {new.arrived_ms - old.arrived_ms for old, new in zip(once, later, strict=True)}
    assert min(shifts) >= 167 * 3_600_000
    assert max(shifts) <= 169 * 3_600_000


@pytest.mark.parametrize("day", range(0, 371, 53))
def test_no_fact_lies_in_the_future_whenever_the_year_ends(day: int) -> None:
    end = END.replace(hour=0, minute=0) + timedelta(days=day)
    *_, last = facts(end, 500)
    assert last.arrived_ms <= end.timestamp() * 1_000


def test_an_end_without_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="offset"):
        facts(END.replace(tzinfo=None))


@pytest.mark.parametrize("limit", [0, 1, 37])
def test_a_limit_keeps_so_many_pairs(limit: int) -> None:
    assert len({record.key for record in facts(END, limit) if record.topic == "pairs"}) == limit


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        facts(END, -1)


@pytest.mark.parametrize(("score", "rating"), [(0, 1), (19, 1), (20, 2), (39, 2), (40, 3), (60, 4), (80, 5), (100, 5)])
def test_scores_below_the_pass_mark_are_low_ratings(score: float, rating: int) -> None:
    assert rating_of(score) == rating


def test_a_line_of_a_recording_is_the_fact_with_its_topic_and_arrival() -> None:
    for record in facts(END, 20):
        written = line(record)
        assert written.endswith(b"}\n")
        tree = msgspec.json.decode(written)
        assert tree.pop("topic") == record.topic
        assert tree.pop("arrived_at") == instant_text(record.arrived_ms)
        assert tree == msgspec.json.decode(record.value)
