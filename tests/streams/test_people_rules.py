"""Rules about pairs and people together: any order of arrival, a restart anywhere, and what the state may cost."""

import random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.journal import CommentInfo, decode_entry, encode_entry
from streams.clock import DAY_MS
from streams.engine import Engine
from streams.rules import RULES, RULES_BY_ID
from tests.streams.logs import entries, stored
from tests.streams.timeline import START_MS, Story

#: absence rules that rest on no detector
ABSENCE = {
    RULES_BY_ID[rule_id].code
    for rule_id in ("first_meeting.missing", "participant.unresponsive", "pair.quiet", "survey.unanswered")
}
PAIR = {"type": "pair.changed", "at": "0d"}
PEOPLE = ("mentor", "mentee")


def _facts() -> list[dict[str, Any]]:
    """What can happen in a week that an absence rule looks at. No absence falls due before all of it has arrived: what
    was said in between stands, in whatever order the rest comes. So a survey that expired, which is missed at once, is
    not among them."""
    made: list[dict[str, Any]] = []
    for day in (1, 2, 3, 4):
        made += [
            {"type": "activity.signed_in", "at": f"{day}d", "participant_id": "mentee"},
            {"type": "meeting.scheduled", "at": f"{day}d 1m", "meeting_id": f"m{day}", "starts_at": f"{day + 3}d",
             "participant_id": "mentor"},
            {"type": "meeting.held", "at": f"{day}d 7m", "meeting_id": f"h{day}", "starts_at": f"{day}d 7m"},
            {"type": "survey.sent", "at": f"{day}d 2m", "survey_id": f"s{day}"},
            {"type": "rating.submitted", "at": f"{day + 1}d 9m", "survey_id": f"s{day}", "rating": 3},
            {"type": "action.taken", "at": f"{day}d 9m", "action": "reached_out", "participant_id": "mentee",
             "outcome": "no_answer"},
        ]  # fmt: skip
    made += [
        {"type": "participant.changed", "at": "2d", "participant_id": "mentee", "state": "paused"},
        {"type": "participant.changed", "at": "4d", "participant_id": "mentee", "state": "active"},
        {"type": "rating.submitted", "at": "5d", "participant_id": "mentor", "rating": 4},
    ]
    return made


SOME = st.lists(st.sampled_from(_facts()), unique_by=str, min_size=2, max_size=9)


@settings(deadline=None, max_examples=200)
@given(SOME.flatmap(lambda lines: st.tuples(st.just(lines), st.permutations(lines))), st.sampled_from((20, 30, 45, 70)))
def test_absence_ends_the_same_in_whatever_order_the_facts_arrive(lines: Any, day: int) -> None:
    ends = []
    for order in lines:
        story = Story()
        arriving = [{**line, "arrives": f"7d {minute}m"} for minute, line in enumerate(order)]
        story.tell_all([PAIR, {**PAIR, "type": "activity.signed_in", "participant_id": "mentor"}, *arriving])
        story.go(f"{day}d")
        found = []
        for key in (b"pprogram/pair", b"mprogram/mentor", b"mprogram/mentee"):
            record = story.engine.state.table.get(key)
            for each in record.episodes if record is not None else ():
                found += [(key, each.rule, each.rung)] if each.is_open and each.rule in ABSENCE else []
        ends.append(sorted(found))
        assert not story.engine.state.faults.counts
    assert ends[0] == ends[1]


def _journal(seed: int, count: int) -> list[bytes]:
    """A random life of two pairs with everything that these rules read, in the order of arrival."""
    draw = random.Random(seed)
    lines: list[dict[str, Any]] = [
        {**PAIR, "pair_id": f"p{n}", "mentor_ids": [f"mentor-{n}"], "mentee_ids": [f"mentee-{n}"]} for n in (1, 2)
    ]
    for minute in sorted(draw.randrange(100 * 1_440) for _ in range(count)):
        number = draw.choice((1, 2))
        person, pair = f"{draw.choice(PEOPLE)}-{number}", f"p{number}"
        about: dict[str, Any] = {"participant_id": person, "pair_id": pair}
        late = draw.choice((0, 0, 0, draw.randrange(min(minute, 20 * 1_440) + 1)))
        line: dict[str, Any] = draw.choice((
            {"type": "activity.message_sent", **about},
            {"type": "rating.submitted", **about, "rating": draw.randint(1, 5),
             "kind": draw.choice(("mqs", "post_meeting"))},
            {"type": "sentiment.submitted", **about, "polarity": draw.choice(("positive", "negative"))},
            {"type": "help.requested", **about, "topic": draw.choice(("mismatch", "rematch", "safety", "other"))},
            {"type": "survey.sent", **about, "survey_id": f"s{draw.randrange(9)}"},
            {"type": "survey.expired", **about, "survey_id": f"s{draw.randrange(9)}"},
            {"type": "meeting.cancelled", **about, "meeting_id": f"m{minute}", "starts_at": f"{minute + 999}m"},
            {"type": "meeting.held", "pair_id": pair, "meeting_id": f"m{minute}", "starts_at": f"{minute}m"},
            {"type": "action.taken", "action": "reached_out", "pair_id": pair, "party": draw.choice(PEOPLE),
             "outcome": "no_answer"},
            {"type": "participant.changed", "participant_id": person,
             "state": draw.choice(("active", "active", "left"))},
        ))  # fmt: skip
        lines.append({**line, "at": f"{minute - late}m", "arrives": f"{minute}m"})
    journal = entries(lines)
    for place in range(5, len(journal), 17):
        entry: Any = decode_entry(journal[place])
        if type(entry.fact).__name__ in ("RatingSubmitted", "SentimentSubmitted", "HelpRequested"):
            flagged = CommentInfo(length=9, language="en", flags=["safety"])
            journal[place] = encode_entry(msgspec.structs.replace(entry, comment=flagged))
    return journal


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from((14, 110)), st.sets(st.integers(0, 110), max_size=6))
def test_stop_store_load_resume_equals_running_through(seed: int, count: int, cuts: set[int]) -> None:
    results = []
    for stops in (frozenset(), frozenset(cuts)):
        engine, rows, out = Engine(), dict[bytes, bytes](), list[tuple[bytes, bytes]]()
        for offset, value in enumerate(_journal(seed, count)):
            while not engine.apply(offset, value):
                pass
            if offset in stops:
                out += stored(engine, rows)
                engine = Engine()
                engine.restore(rows.items())
        out += stored(engine, rows)
        assert not engine.state.faults.counts
        results.append((out, rows))
    assert results[0] == results[1]


def test_random_lives_make_every_rule_about_pairs_and_people_speak() -> None:
    """The test above proves something about a rule only when its journals make that rule speak."""
    spoke: set[str] = set()
    for seed in range(25):
        engine = Engine()
        for offset, value in enumerate(_journal(seed, (14, 110)[seed % 2])):
            while not engine.apply(offset, value):
                pass
        spoke |= {decision.record.rule.id for decision in engine.decisions()}
    mine = {rule.id for rule in RULES if 5 <= rule.code <= 16}
    assert mine <= spoke


def test_a_pair_in_trouble_and_its_people_stay_a_few_hundred_bytes() -> None:
    engine = Engine()
    for offset, value in enumerate(_journal(7, 2_000)):
        while not engine.apply(offset, value):
            pass
    kept = ("signs", "postponed", "helps", "reached", "asked", "ended_pair", "ended_ms", "settled")
    sizes = [
        sum(len(msgspec.msgpack.encode(getattr(record, name, None))) for name in kept)
        for key, record in engine.state.table.items()
        if key[:1] in (b"p", b"m")
    ]
    assert len(sizes) == 6
    assert max(sizes) <= 500


def test_a_healthy_pair_pays_nothing_for_rare_things() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    for week in range(1, 20):
        story.tell("meeting.held", f"{7 * week}d", meeting_id=f"m{week}", starts_at=f"{7 * week}d")
        story.tell("rating.submitted", f"{7 * week}d 5m", rating=4)
    pair, mentor = story.pair(), story.person("mentor")
    assert (pair.signs, pair.postponed) == ((), ())
    assert (mentor.helps, mentor.reached, mentor.asked, mentor.ended_pair) == ((), (), (), "")
    assert not any(episode.rule in (5, 8, 9, 12) for episode in pair.episodes)


def test_codes_of_these_rules_are_stored_and_stay() -> None:
    order = (
        "participant.unresponsive", "rating.dropped", "rating.divergent", "match.in_trouble", "match.rematch_suggested",
        "partner.needs_rematch", "meeting.repeatedly_postponed", "pair.quiet", "help.requested", "safety.concern",
        "survey.unanswered", "positive.kudos",
    )  # fmt: skip
    assert [RULES_BY_ID[rule_id].code for rule_id in order] == list(range(5, 17))


def test_who_is_left_behind_by_an_erasure_is_named() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    story.engine.erase("program", "mentor", START_MS + DAY_MS)
    (opened,) = [each.record for each in story.engine.decisions() if each.record.rule.id == "partner.needs_rematch"]
    assert (opened.change, opened.subject.id, opened.participant_ids) == ("opened", "mentee", ["mentee"])
    assert not story.engine.state.faults.counts
