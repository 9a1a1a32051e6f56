"""Turning Ebb on accuses nobody: what was not seen is not called absent."""

from schemas.base import from_ms, to_ms
from schemas.journal import Coordinates, FactEntry, ProgressEntry, SourcesEntry
from streams.clock import DAY_MS
from streams.engine import Engine
from tests.scenarios.runner import START, make_fact

START_MS = to_ms(START)
SOURCES = ("participant-activity/0", "meetings/0", "ratings/0", "sentiment/0", "pairs/0")
YEARS_DAYS = 3 * 365
#: short of what pair.quiet counts: after 30 days of watching, silence has been seen
WATCHED_DAYS = 29


def engine_at_first_start(fact_topics_since_day: int) -> Engine:
    """Three years of pairs, one a week, and thirty days of what people did; nobody was seen to meet."""
    engine = Engine()
    since = {source: from_ms(START_MS + fact_topics_since_day * DAY_MS) for source in SOURCES[:4]}
    engine.step(
        0, SourcesEntry(v=1, expected=list(SOURCES), since={**since, "pairs/0": None}, clock="wall", topic_ids={})
    )
    lines = [
        {"type": "pair.changed", "at": f"{day}d", "pair_id": f"pair-{day}", "mentor_ids": [f"mentor-{day}"],
         "mentee_ids": [f"mentee-{day}"]}
        for day in range(0, YEARS_DAYS, 7)
    ]  # fmt: skip
    lines += [
        {"type": "activity.signed_in", "at": f"{day}d", "participant_id": f"mentee-{day // 7 * 7}"}
        for day in range(YEARS_DAYS - 30, YEARS_DAYS)
    ]
    for number, line in enumerate(lines):
        fact, arrived_ms, topic = make_fact(line, number, START_MS)
        source = Coordinates(topic=topic, partition=0, offset=number)
        assert engine.step(engine.applied + 1, FactEntry(v=1, source=source, arrived_at=from_ms(arrived_ms), fact=fact))
    moved = dict.fromkeys(SOURCES, from_ms(START_MS + YEARS_DAYS * DAY_MS))
    assert engine.step(engine.applied + 1, ProgressEntry(v=1, sources=moved))
    return engine


def test_no_absence_is_opened_that_rests_on_what_was_not_seen() -> None:
    engine = engine_at_first_start(YEARS_DAYS - WATCHED_DAYS)
    spoken_of = {decision.record.subject.id for decision in engine.decisions()}
    watched = {f"pair-{day}" for day in range(0, YEARS_DAYS, 7) if day >= YEARS_DAYS - WATCHED_DAYS}
    assert spoken_of <= watched
    assert spoken_of, "pairs matched while Ebb was watching are spoken of"


def test_silence_counts_from_the_first_day_that_was_seen() -> None:
    engine = engine_at_first_start(YEARS_DAYS - 30)
    quiet = [each for each in engine.decisions() if each.record.rule.id == "pair.quiet"]
    assert {each.record.subject.id for each in quiet} > {"pair-0"}
    assert {each.at_ms for each in quiet} == {START_MS + YEARS_DAYS * DAY_MS}


def test_the_same_facts_seen_from_their_beginning_do_open_absence() -> None:
    engine = engine_at_first_start(0)
    assert len({decision.record.subject.id for decision in engine.decisions()}) > YEARS_DAYS // 7 - 3
