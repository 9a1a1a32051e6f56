"""What state takes when a program never ends: `python -m benchmarks.years`.

An always-on program with a fixed number of active pairs. A pair lives for half a year to a little over one; then it is
closed, the mentee leaves, and a new pair takes its place, with the same mentor every other time. People write, meet,
rate, and sometimes rate low, ask for help or fall silent; coordinators review, reach out and resolve.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from schemas.base import from_ms, instant_text
from schemas.codec import Accepted, decode_fact
from schemas.facts import INBOUND_TOPIC_OF, RulesetActivated
from schemas.journal import ProgressEntry, SourcesEntry
from streams.clock import DAY_MS, HOUR_MS
from streams.engine import Engine

BEGIN_MS: Final = int(datetime(2025, 1, 6, tzinfo=UTC).timestamp()) * 1_000
_SOURCE: Final = "participant-activity/0"
_YEAR_DAYS: Final = 365
#: as much as may stay of a pair or person long gone (value in the state topic)
TRACE_BYTES: Final = 64

Line = tuple[int, dict[str, Any]]


class Year(NamedTuple):
    """State at the end of a year: records of the living and of the program, and traces of who is long gone; bytes of
    keys and values."""

    year: int
    facts: int
    pairs: int
    living_bytes: int
    traces: int
    trace_bytes: int
    largest_trace: int

    @property
    def per_active_pair(self) -> float:
        return self.living_bytes / self.pairs


def run(pairs: int = 24, years: int = 5, seed: int = 1) -> list[Year]:
    """Simulate, and weigh the state at the end of each year."""
    engine = Engine()
    sources = SourcesEntry(v=1, expected=[_SOURCE], since={}, clock="records", topic_ids={})
    engine.step(0, sources)
    found: list[Year] = []
    facts = 0
    for facts, (at_ms, values) in enumerate(sorted(_lines(pairs, years, seed), key=lambda each: each[0]), 1):
        while len(found) < (at_ms - BEGIN_MS) // (_YEAR_DAYS * DAY_MS):
            found.append(_weigh(engine, len(found) + 1, facts, pairs))
        engine.step(facts, ProgressEntry(v=1, sources={_SOURCE: from_ms(at_ms)}))
        _take(engine, values, facts, at_ms)
        engine.decisions()
        if facts % 2_000 == 0:
            engine.flush_state()
    if len(found) < years:
        found.append(_weigh(engine, len(found) + 1, facts, pairs))
    if engine.state.faults.counts:
        raise RuntimeError(f"rules raised: {engine.state.faults.counts}")
    return found


def _take(engine: Engine, values: dict[str, Any], number: int, at_ms: int) -> None:
    topic = INBOUND_TOPIC_OF[values["type"]]
    fact = {
        "event_id": f"event-{number}",
        "program_id": "program",
        "occurred_at": instant_text(from_ms(at_ms)),
    } | values
    key = {"programs": "program", "pairs": f"program/{fact.get('pair_id')}"}.get(
        topic, f"program/{fact.get('participant_id')}"
    )
    decoded = decode_fact(topic, key.encode(), json.dumps(fact).encode(), arrived_ms=at_ms)
    if not isinstance(decoded, Accepted) or isinstance(decoded.fact, RulesetActivated):
        raise RuntimeError(f"a bad fact: {decoded}")
    engine.take(decoded.fact, topic, 0, number, at_ms)
    while not engine.settle():
        pass


def _weigh(engine: Engine, year: int, facts: int, pairs: int) -> Year:
    engine.flush_state()
    living, traces = 0, list[int]()
    sizes = list[int]()
    for key, value in engine.state.table.stored():
        if key[:1] in b"pm" and len(value) <= TRACE_BYTES:
            traces.append(len(key) + len(value))
            sizes.append(len(value))
        else:
            living += len(key) + len(value)
    return Year(year, facts, pairs, living, len(traces), sum(traces), max(sizes, default=0))


def _lines(pairs: int, years: int, seed: int) -> Iterator[Line]:
    draw = random.Random(seed)
    end = years * _YEAR_DAYS
    yield BEGIN_MS, {"type": "program.changed", "kind": "always_on", "self_matching": False, "carry_over": False,
                     "timezone": "UTC", "breaks": [], "coordinator_ids": ["coordinator"]}  # fmt: skip
    for day in range(14, end, 14):
        yield BEGIN_MS + day * DAY_MS, {"type": "action.taken", "actor_id": "coordinator", "action": "review_done"}
    for slot in range(pairs):
        day, number, mentor = draw.randrange(30), 0, f"mentor-{slot}-0"
        yield BEGIN_MS, _person(mentor, "mentor", "active")
        while day < end:
            number += 1
            over = min(day + draw.randrange(180, 400), end)
            yield from _pair(draw, f"pair-{slot}-{number}", mentor, f"mentee-{slot}-{number}", day, over)
            if over < end and number % 2 == 0:
                yield BEGIN_MS + over * DAY_MS + 2 * HOUR_MS, _person(mentor, "mentor", "left")
                mentor = f"mentor-{slot}-{number}"
                yield BEGIN_MS + over * DAY_MS + 3 * HOUR_MS, _person(mentor, "mentor", "active")
            day = over + 1


def _person(participant_id: str, role: str, state: str) -> dict[str, Any]:
    return {"type": "participant.changed", "participant_id": participant_id, "roles": [role], "state": state,
            "joined_at": instant_text(from_ms(BEGIN_MS))}  # fmt: skip


def _pair(draw: random.Random, pair_id: str, mentor: str, mentee: str, first: int, over: int) -> Iterator[Line]:
    def at(day: float) -> int:
        return BEGIN_MS + int(day * DAY_MS)

    changed = {"type": "pair.changed", "pair_id": pair_id, "kind": "one_to_one", "mentor_ids": [mentor],
               "mentee_ids": [mentee], "matched_at": instant_text(from_ms(at(first)))}  # fmt: skip
    yield at(first), _person(mentee, "mentee", "active")
    yield at(first) + HOUR_MS, changed | {"state": "active"}
    quiet_from = over - draw.choice((0, 0, 45))  # a third falls silent before it ends
    for day in range(first + 5, quiet_from, 14):
        meeting = {"meeting_id": f"{pair_id}-{day}", "pair_id": pair_id, "participant_id": mentor, "origin": "platform",
                   "starts_at": instant_text(from_ms(at(day + 4)))}  # fmt: skip
        yield at(day + 0.1), meeting | {"type": "meeting.scheduled"}
        yield at(day + 4.2), meeting | {"type": draw.choice(("meeting.held",) * 5 + ("meeting.cancelled",))}
    for day in range(first + 2, quiet_from, 7):
        for person in (mentor, mentee):
            wrote = {"type": "activity.message_sent", "participant_id": person, "pair_id": pair_id}
            yield at(day + draw.random()), wrote
    for day in range(first + 30, over - 8, 30):
        for person in (mentor, mentee):
            survey = {"survey_id": f"{person}-{pair_id}-{day}", "kind": "mqs", "participant_id": person,
                      "pair_id": pair_id}  # fmt: skip
            yield at(day), survey | {"type": "survey.sent"}
            if draw.random() < 0.5:
                rating = draw.choice((5, 5, 5, 4, 4, 4, 3, 2))
                yield at(day + 1 + draw.random()), survey | {"type": "rating.submitted", "rating": rating}
    if draw.random() < 0.3:
        day = draw.randrange(first + 10, over)
        asks = {"type": "help.requested", "participant_id": mentee, "pair_id": pair_id, "topic": "other"}
        yield at(day), asks
        told = {"type": "action.taken", "actor_id": "coordinator", "pair_id": pair_id}
        yield at(day + 0.5), told | {"action": "reached_out", "party": "mentee", "outcome": "answered"}
    yield (
        at(over),
        changed | {"state": "closed", "close_reason": "completed", "closed_at": instant_text(from_ms(at(over)))},
    )
    yield at(over) + HOUR_MS, _person(mentee, "mentee", "left")


def main() -> None:
    years = run()
    sys.stdout.write("year    facts  active pairs  bytes per active pair  traces  bytes per trace  largest value\n")
    for each in years:
        mean = each.trace_bytes / each.traces if each.traces else 0
        sys.stdout.write(
            f"{each.year:4}  {each.facts:7,}  {each.pairs:12}  {each.per_active_pair:21,.0f}  {each.traces:6}"
            f"  {mean:15.0f}  {each.largest_trace:13}\n"
        )


if __name__ == "__main__":
    main()
