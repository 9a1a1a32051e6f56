"""Lines of raw facts for tests, and the journal that ingest would write for them in `records` mode."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from schemas.base import from_ms, instant_text, to_ms
from schemas.codec import Erasure, Rejected
from schemas.facts import RulesetActivated
from schemas.journal import (
    Coordinates,
    EraseEntry,
    ProgressEntry,
    RulesetEntry,
    SourcesEntry,
    encode_entry,
    encode_fact_entry,
)
from schemas.outbound import encode_intervention
from streams import ruleset
from streams.backtest.lines import CLOCK, Arrival, read_arrival, read_record
from streams.backtest.replay import PARTITIONS, FactReplay
from streams.clock import DAY_MS, HOUR_MS
from streams.lifecycle import Decision
from streams.partitioner import partition_for
from streams.ruleset import RuleSet

START_MS = to_ms(datetime(2026, 1, 5, 12, 0, tzinfo=UTC))


OBSERVED = frozenset({"rating.low", "first_meeting.missing"})
"""Rules that tests of the replay look at; what else the catalogue says of the same lines is not their business."""


def at(offset_ms: int) -> str:
    return instant_text(from_ms(START_MS + offset_ms))


def line(topic: str, offset_ms: int, /, **fields: Any) -> bytes:
    """One line that arrives `offset_ms` after the start; `occurred_at` is the same instant unless given."""
    return json.dumps({"topic": topic, "arrived_at": at(offset_ms), "occurred_at": at(offset_ms), **fields}).encode()


def pair(offset_ms: int = 0, program: str = "p", pair_id: str = "pair", **fields: Any) -> bytes:
    values: dict[str, Any] = {
        "event_id": f"{pair_id}-{offset_ms}",
        "type": "pair.changed",
        "program_id": program,
        "pair_id": pair_id,
        "kind": "one_to_one",
        "mentor_ids": [f"mentor-of-{pair_id}"],
        "mentee_ids": [f"mentee-of-{pair_id}"],
        "state": "active",
        "matched_at": at(offset_ms),
    }
    return line("pairs", offset_ms, **values | fields)


def held(offset_ms: int, program: str = "p", pair_id: str = "pair", **fields: Any) -> bytes:
    values: dict[str, Any] = {
        "event_id": f"held-{offset_ms}",
        "type": "meeting.held",
        "program_id": program,
        "pair_id": pair_id,
        "meeting_id": f"meeting-{offset_ms}",
        "starts_at": at(offset_ms),
        "origin": "platform",
    }
    return line("meetings", offset_ms, **values | fields)


def rating(offset_ms: int, value: int = 1, program: str = "p", pair_id: str = "pair", **fields: Any) -> bytes:
    values: dict[str, Any] = {
        "event_id": f"rating-{offset_ms}-{value}",
        "type": "rating.submitted",
        "program_id": program,
        "pair_id": pair_id,
        "participant_id": f"mentee-of-{pair_id}",
        "kind": "mqs",
        "rating": value,
    }
    return line("ratings", offset_ms, **values | fields)


def activation(offset_ms: int, tree: Mapping[str, Any], scope: str = "*", backfill: str = "none") -> bytes:
    return line(
        "rulesets",
        offset_ms,
        event_id=f"rules-{offset_ms}",
        type="ruleset.activated",
        ruleset=tree,
        scope=scope,
        backfill=backfill,
    )


def erasure(offset_ms: int, participant: str, program: str = "p") -> bytes:
    values = {
        "topic": "participants",
        "key": f"{program}/{participant}",
        "value": None,
        "arrived_at": at(offset_ms),
    }
    return json.dumps(values).encode()


def clock(offset_ms: int) -> bytes:
    return json.dumps({"topic": CLOCK, "arrived_at": at(offset_ms)}).encode()


def arrival(raw: bytes) -> Arrival:
    found = read_arrival(raw)
    assert isinstance(found, Arrival), found
    return found


def replay(
    lines: Iterable[bytes], fixed: RuleSet | None = None, *, every: bool = False
) -> tuple[list[dict[str, Any]], FactReplay, list[Rejected]]:
    """Feed lines. Returns: the interventions of `OBSERVED` (or of every rule) by instant and partition, the replay, the
    rejections."""
    player = FactReplay(fixed)
    bad = [rejected for raw in lines if (rejected := player.feed(arrival(raw))) is not None]
    tally = player.close()
    player.tally = tally
    found = [json.loads(value) for _, _, _, value in ordered(player.decisions())]
    return [each for each in found if every or each["rule"]["id"] in OBSERVED], player, bad


def ordered(by_partition: Iterable[tuple[int, Sequence[Decision]]]) -> list[tuple[int, int, int, bytes]]:
    return sorted(
        (decision.at_ms, partition, number, encode_intervention(decision.record))
        for partition, decisions in by_partition
        for number, decision in enumerate(decisions)
    )


def journals(lines: Iterable[bytes]) -> list[list[bytes]]:
    """The journal of each partition, with progress for all before and after every line: the clock at its most eager."""
    expected = encode_entry(SourcesEntry(v=1, expected=["meetings/0"], since={}, clock="records", topic_ids={}))
    entries: list[list[bytes]] = [[expected] for _ in range(PARTITIONS)]

    def tell(entry: bytes) -> None:
        for journal in entries:
            journal.append(entry)

    for number, raw in enumerate(lines):
        found = arrival(raw)
        progress = encode_entry(ProgressEntry(v=1, sources={"meetings/0": from_ms(found.arrived_ms)}))
        tell(progress)
        if found.topic != CLOCK:
            outcome, source = read_record(found), Coordinates(topic=found.topic, partition=0, offset=number)
            arrived_at = from_ms(found.arrived_ms)
            if isinstance(outcome, Erasure):
                erase = EraseEntry(
                    v=1,
                    source=source,
                    arrived_at=arrived_at,
                    program_id=outcome.program_id,
                    participant_id=outcome.participant_id,
                )
                entries[_partition(outcome.program_id)].append(encode_entry(erase))
            elif isinstance(outcome, Rejected):
                raise AssertionError(outcome)
            elif isinstance(outcome.fact, RulesetActivated):
                rules = ruleset.parse(outcome.fact.ruleset)
                tell(
                    encode_entry(
                        RulesetEntry(
                            v=1,
                            source=source,
                            arrived_at=arrived_at,
                            ruleset=rules.tree,
                            hash=rules.hash,
                            scope=outcome.fact.scope,
                            backfill=outcome.fact.backfill,
                        )
                    )
                )
            else:
                value = encode_fact_entry(found.topic, 0, number, found.arrived_ms, outcome.encoded, None)
                entries[_partition(outcome.fact.program_id)].append(value)
        tell(progress)
    return entries


def _partition(program_id: str) -> int:
    return partition_for(program_id.encode(), PARTITIONS)


def random_lines(seed: int, count: int, days: int = 90) -> list[bytes]:
    """Facts about six pairs in four programs by arrival; repeats, late ones, erasures and rule sets among them."""
    draw = random.Random(seed)
    programs = [f"program-{draw.randrange(1_000)}" for _ in range(4)]
    pairs = [(draw.choice(programs), f"pair-{number}") for number in range(6)]
    lines = [pair(0, program, pair_id) for program, pair_id in pairs]
    for moment in sorted(draw.randrange(days * 24) for _ in range(count)):
        offset, (program, pair_id) = moment * HOUR_MS, draw.choice(pairs)
        late = at(offset - draw.choice((0, 0, 0, draw.randrange(20))) * DAY_MS)
        person = f"{draw.choice(('mentor', 'mentee'))}-of-{pair_id}"
        kind = draw.choices(
            ("rating", "mood", "held", "person", "pair", "program", "clock", "erase", "rules", "again"),
            (6, 4, 3, 3, 2, 1, 3, 0.3, 0.5, 1),
        )[0]
        if kind == "rating":
            value = draw.randint(1, 5)
            lines.append(rating(offset, value, program, pair_id, participant_id=person, occurred_at=late))
        elif kind == "mood":
            lines.append(
                line(
                    "sentiment",
                    offset,
                    event_id=f"mood-{offset}-{draw.random()}",
                    type="sentiment.submitted",
                    program_id=program,
                    pair_id=pair_id,
                    participant_id=person,
                    about="match",
                    polarity=draw.choice(("positive", "negative")),
                )
            )
        elif kind == "program":
            rests = at(offset + draw.randrange(40) * DAY_MS)[:10]
            lines.append(
                line(
                    "programs",
                    offset,
                    event_id=f"program-{offset}-{draw.random()}",
                    type="program.changed",
                    program_id=program,
                    kind="cohort",
                    self_matching=False,
                    carry_over=False,
                    timezone=draw.choice(("UTC", "Asia/Kolkata")),
                    breaks=[{"from": rests, "to": rests}],
                    coordinator_ids=["coordinator"],
                )
            )
        elif kind == "held":
            lines.append(held(offset, program, pair_id, occurred_at=late, starts_at=late))
        elif kind == "person":
            state = draw.choice(("active", "active", "paused", "left"))
            until = {"paused_until": at(offset + draw.randrange(20) * DAY_MS)} if state == "paused" else {}
            lines.append(
                line(
                    "participants",
                    offset,
                    event_id=f"person-{offset}-{draw.random()}",
                    type="participant.changed",
                    program_id=program,
                    participant_id=person,
                    roles=["mentee"],
                    state=state,
                    joined_at=at(0),
                    **until,
                )
            )
        elif kind == "pair":
            lines.append(pair(offset, program, pair_id, state=draw.choice(("active", "active", "closed"))))
        elif kind == "clock":
            lines.append(clock(offset))
        elif kind == "erase":
            lines.append(erasure(offset, person, program))
        elif kind == "rules":
            tree = {"rules": {"rating.low": {"enabled": draw.random() < 0.5}}}
            scope = draw.choice(("*", program))
            lines.append(activation(offset, tree, scope, draw.choice(("none", "silent", "emit"))))
        else:
            values = json.loads(draw.choice(lines[:6]))
            lines.append(json.dumps(values | {"arrived_at": at(offset)}).encode())
    return lines
