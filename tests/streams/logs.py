"""Small journals for tests: random facts about a few pairs, as journal entries with coordinates."""

import json
import random
from collections.abc import Sequence
from typing import Any

from schemas.base import from_ms, to_ms
from schemas.journal import Coordinates, FactEntry, SourcesEntry, encode_entry
from streams.engine import Engine
from tests.scenarios.runner import START, make_fact

PEOPLE = ("mentor-1", "mentee-1", "mentor-2", "mentee-2")
_KINDS = (
    "rating.submitted",
    "rating.submitted",
    "sentiment.submitted",
    "meeting.scheduled",
    "meeting.held",
    "meeting.cancelled",
    "activity.signed_in",
    "activity.message_sent",
    "participant.changed",
    "pair.changed",
    "survey.sent",
    "coordinator",
)


def random_lines(seed: int, count: int, days: int = 60) -> list[dict[str, Any]]:
    """`count` facts of two pairs over `days`, in no particular order of their event times; arrival is in order."""
    draw = random.Random(seed)
    lines: list[dict[str, Any]] = [
        {
            "type": "pair.changed",
            "pair_id": f"pair-{n}",
            "mentor_ids": [f"mentor-{n}"],
            "mentee_ids": [f"mentee-{n}"],
            "at": "0d",
        }
        for n in (1, 2)
    ]
    minutes = sorted(draw.randrange(days * 1_440) for _ in range(count))
    for minute in minutes:
        number = draw.choice((1, 2))
        person = draw.choice((f"mentor-{number}", f"mentee-{number}"))
        late = draw.choice((0, 0, 0, draw.randrange(min(minute, 20 * 1_440) + 1)))
        line: dict[str, Any] = {"type": draw.choice(_KINDS), "at": f"{minute - late}m", "arrives": f"{minute}m"}
        kind = line["type"]
        if kind == "coordinator":
            line |= {"type": "action.taken", "action": "reached_out", "pair_id": f"pair-{number}", "party": "mentee",
                     "outcome": draw.choice(("answered", "no_answer"))}  # fmt: skip
        elif kind == "participant.changed":
            line |= {"participant_id": person, "state": draw.choice(("active",) * 6 + ("paused", "left"))}
            if line["state"] == "paused":
                line["paused_until"] = f"{minute + draw.randrange(10_000)}m"
        elif kind == "pair.changed":
            line |= {
                "pair_id": f"pair-{number}",
                "matched_at": "0d",
                "state": draw.choice(("active",) * 7 + ("closed",)),
            }
            line |= {"mentor_ids": [f"mentor-{number}"], "mentee_ids": [f"mentee-{number}"]}
        else:
            line |= {"pair_id": f"pair-{number}"}
            if not kind.startswith("meeting") or draw.random() < 0.5:
                line["participant_id"] = person
            if kind.startswith("meeting"):
                line |= {
                    "meeting_id": f"meeting-{draw.randrange(6)}",
                    "starts_at": f"{minute + draw.randrange(-5_000, 20_000)}m",
                }
            elif kind == "rating.submitted":
                line |= {"rating": draw.randint(1, 5), "kind": draw.choice(("mqs", "post_meeting", "closing"))}
                if draw.random() < 0.3:
                    line["survey_id"] = f"survey-{draw.randrange(4)}"
            elif kind == "sentiment.submitted":
                line["polarity"] = draw.choice(("positive", "negative"))
            elif kind == "survey.sent":
                line["survey_id"] = f"survey-{draw.randrange(4)}"
        if draw.random() < 0.05:
            line["event_id"] = f"event-{draw.randrange(1, 10)}"
        lines.append(line)
    return lines


def entries(lines: Sequence[dict[str, Any]], program: str = "program", clock: str = "records") -> list[bytes]:
    """The journal of one partition that ingest would write for these lines, in `records` mode."""
    start_ms = to_ms(START)
    journal = [encode_entry(SourcesEntry(v=1, expected=["meetings/0"], since={}, clock="records", topic_ids={}))]
    offsets: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        fact, arrived_ms, topic = make_fact(line, number, start_ms, program)
        offset = offsets[topic] = offsets.get(topic, -1) + 1
        source = Coordinates(topic=topic, partition=0, offset=offset)
        journal.append(encode_entry(FactEntry(v=1, source=source, arrived_at=from_ms(arrived_ms), fact=fact)))
    return journal


def stored(engine: Engine, rows: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """Flush an engine into a table of rows, as the state topic would keep them; returns the interventions of the
    flush."""
    flush = engine.flush()
    for key, value in flush.rows:
        if value is None:
            rows.pop(key, None)
        else:
            rows[key] = value
    return [(message.value, json.dumps(message.timestamp_ms).encode()) for message in flush.interventions]
