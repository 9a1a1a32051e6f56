"""Runs a timeline through the engine.

A scenario is a TOML file. `facts` happen `at` an offset from `start` (and `arrive` then, unless said otherwise);
fields that a scenario does not care about are filled in. `expect` lists every decision of the rule in order, with the
offset of its instant and whichever fields matter. `until` is how far the clock goes. An action names the intervention
it is about by rule, `intervention = "help.requested"`: the latest one that this rule opened. A `comment` is scanned as
ingest does it. An instant written as "at" is that of the fact.
"""

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from schemas import outbound
from schemas.base import from_ms, instant_text, to_ms
from schemas.codec import Accepted, decode_fact
from schemas.facts import INBOUND_TOPIC_OF, Fact, RulesetActivated
from schemas.journal import ProgressEntry, SourcesEntry
from streams import ruleset
from streams.clock import MINUTE_MS
from streams.comments import default_scanner
from streams.engine import Engine
from streams.rule import parse_duration

FOLDER = Path(__file__).parent
START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)  # a Monday
SOURCE = "participant-activity/0"
_SCANNER = default_scanner()

#: Nobody is told that nobody came.
NO_NEGLECT: Mapping[str, Any] = {"critical": "3660d", "high": "3660d", "warning_working_days": 1_000}

_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "pair.changed": {
        "pair_id": "pair",
        "kind": "one_to_one",
        "mentor_ids": ["mentor"],
        "mentee_ids": ["mentee"],
        "state": "active",
    },
    "participant.changed": {"roles": ["mentee"], "state": "active", "joined_at": "2025-01-01T00:00:00Z"},
    "program.changed": {
        "kind": "cohort",
        "self_matching": False,
        "carry_over": False,
        "timezone": "UTC",
        "breaks": [],
        "coordinator_ids": ["coordinator"],
    },
    "meeting": {"pair_id": "pair", "meeting_id": "meeting", "origin": "platform"},
    "rating.submitted": {"pair_id": "pair", "participant_id": "mentee", "kind": "mqs"},
    "sentiment.submitted": {"pair_id": "pair", "participant_id": "mentee", "about": "match", "polarity": "positive"},
    "survey": {"participant_id": "mentee", "pair_id": "pair", "kind": "mqs", "survey_id": "survey"},
    "activity.message_sent": {"pair_id": "pair"},
    "action.taken": {"actor_id": "coordinator"},
    "match_request": {"request_id": "request", "participant_id": "asker", "counterpart_id": "asked"},
    "relaunch.answered": {"choice": "stay"},
}
_INSTANTS = (
    *("matched_at", "starts_at", "ends_at", "next_starts_at", "closed_at", "paused_until", "due_at", "until"),
    "joined_at",
)


def offset_ms(text: str, start_ms: int) -> int:
    """Instant of an offset such as `10d`, `-2d`, `14d 1m`, or of an RFC 3339 text."""
    if "T" in text:
        return to_ms(datetime.fromisoformat(text))
    sign = -1 if text.startswith("-") else 1
    return start_ms + sign * sum(parse_duration(part) for part in text.removeprefix("-").split())


def make_record(
    line: Mapping[str, Any], number: int, start_ms: int, program: str = "program"
) -> tuple[str, bytes | None, bytes, int]:
    """Fill in a line of a scenario. Returns inbound topic, key where it matters, value, arrival."""
    values = dict(line)
    at_ms = offset_ms(values.pop("at"), start_ms)
    arrived_ms = offset_ms(values.pop("arrives"), start_ms) if "arrives" in values else at_ms
    kind = values["type"]
    defaults = {**_DEFAULTS.get(kind.partition(".")[0], {}), **_DEFAULTS.get(kind, {})}
    if kind == "pair.changed" and "matched_at" not in values:
        defaults["matched_at"] = instant_text(from_ms(at_ms))
    values = {
        "event_id": f"event-{number}",
        "program_id": program,
        "occurred_at": instant_text(from_ms(at_ms)),
        **defaults,
        **values,
    }
    for name in _INSTANTS:
        if name in values:
            values[name] = instant_text(from_ms(at_ms if values[name] == "at" else offset_ms(values[name], start_ms)))
    topic = INBOUND_TOPIC_OF[kind]
    key = {
        "programs": values["program_id"],
        "pairs": f"{values['program_id']}/{values.get('pair_id')}",
        "participants": f"{values['program_id']}/{values.get('participant_id')}",
    }.get(topic)
    return topic, key.encode() if key else None, json.dumps(values).encode(), arrived_ms


def make_fact(line: Mapping[str, Any], number: int, start_ms: int, program: str = "program") -> tuple[Fact, int, str]:
    """Fill in a line of a scenario and pass it through the codec, as ingest would. Returns fact, arrival, topic."""
    topic, key, value, arrived_ms = make_record(line, number, start_ms, program)
    decoded = decode_fact(topic, key, value, arrived_ms=arrived_ms)
    assert isinstance(decoded, Accepted), decoded
    assert not isinstance(decoded.fact, RulesetActivated)
    return decoded.fact, arrived_ms, topic


class Timeline:
    """An engine in `records` mode, fed with facts in the order of their arrival."""

    def __init__(self, rules: Mapping[str, Any] | None = None) -> None:
        self.engine = Engine()
        self.offset = -1
        self.decisions: list[tuple[int, outbound.Intervention]] = []
        self.step(SourcesEntry(v=1, expected=[SOURCE], since={}, clock="records", topic_ids={}))
        if rules:
            self.engine.activate(ruleset.parse(rules), "*", "emit", 0)

    def step(self, entry: Any) -> None:
        self.offset += 1
        while not self.engine.step(self.offset, entry):
            pass
        self.decisions += self.engine.decisions()

    def take(self, fact: Fact, arrived_ms: int, topic: str, flags: tuple[str, ...] = ()) -> None:
        self.move_to(arrived_ms)
        self.engine.take(fact, topic, 0, self.offset, arrived_ms, flags)
        while not self.engine.settle():
            pass
        self.decisions += self.engine.decisions()

    def latest(self, rule: str) -> str:
        """Id of the latest intervention that a rule opened."""
        return next(record.intervention_id for _, record in reversed(self.decisions) if record.rule.id == rule)

    def move_to(self, at_ms: int) -> None:
        self.step(ProgressEntry(v=1, sources={SOURCE: from_ms(at_ms)}))


def _numbered(value: Any, number: int) -> Any:
    if isinstance(value, str):
        return value.replace("{n}", str(number))
    return [_numbered(each, number) for each in value] if isinstance(value, list) else value


def spelled_out(lines: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Write out lines that are repeated `every` so often, so many `times`; `{n}` in a text counts from 0."""
    for line in lines:
        every, times = parse_duration(line.get("every", "0d")), line.get("times", 1)
        for number in range(times):
            made = {name: _numbered(value, number) for name, value in line.items() if name not in ("every", "times")}
            if every:
                minutes = (offset_ms(made["at"], 0) + number * every) // MINUTE_MS
                made["at"] = f"{minutes}m"
            yield made


def scenario_files() -> list[Path]:
    return sorted(FOLDER.glob("*.toml"))


def load(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


def run(
    scenario: Mapping[str, Any], between: Callable[[Timeline], None] = lambda _: None, first: int | None = None
) -> Iterator[tuple[int, outbound.Intervention]]:
    """Run a scenario; yields the decisions with their instants.

    Args:
        between: called after each fact.
        first: take only so many facts, and let the clock stop there.
    """
    start_ms = offset_ms(scenario["start"], 0) if "start" in scenario else to_ms(START)
    timeline = Timeline({"rules": scenario.get("rules", {}), "neglect": scenario.get("neglect", NO_NEGLECT)})
    made = []
    for number, line in enumerate(spelled_out(scenario["facts"]), 1):
        about = line.pop("intervention", None)
        flags = _SCANNER.scan(line["comment"]).flags if "comment" in line else ()
        made.append((*make_fact(line, number, start_ms), flags, about))
    for fact, arrived_ms, topic, flags, about in sorted(made, key=lambda each: each[1])[:first]:
        if about is not None:
            timeline.move_to(arrived_ms)
            fact = replace(fact, intervention_id=timeline.latest(about))
        timeline.take(fact, arrived_ms, topic, flags)
        between(timeline)
    if "until" in scenario and first is None:
        timeline.move_to(offset_ms(scenario["until"], start_ms))
    assert not timeline.engine.state.faults.counts, timeline.engine.state.faults
    yield from timeline.decisions
