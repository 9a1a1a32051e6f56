"""What the parity gate feeds a worker: scenarios of the catalogue as programs, rule sets switched while they go on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from confluent_kafka import Producer
from msgspec.structs import replace

from agents.host.clients import KafkaSettings
from examples.oulad.rows import InboundRecord
from schemas.base import from_ms, instant_text, to_ms
from schemas.topics import RULESETS, Topics
from streams.clock import DAY_MS
from streams.comments import default_scanner
from streams.partitioner import partition_for
from tests.faults.supervision import SupervisedWorker
from tests.integration.parity_harness import PARTITIONS, _positions, _Reader, as_ingest_merges, partition_of
from tests.scenarios.runner import NO_NEGLECT, START, Timeline, load, make_fact, offset_ms, scenario_files, spelled_out

PATIENCE_S: Final = 480.0
MOST_LIVES: Final = 60
NEAR_DAYS: Final = 156
"""How far the clock of a scenario may go to be in the slice that runs every time."""
_SCANNER: Final = default_scanner()
_IDS: Final[Mapping[str, tuple[str, ...]]] = {"pairs": ("pair_id",), "participants": ("participant_id",)}


def gate_records(*, everything: bool) -> list[InboundRecord]:
    """Scenarios, two switches of the rule set while they go on, and a last fact to move the clock.

    Args:
        everything: all scenarios, not only those that speak, and soon.
    """
    records: list[InboundRecord] = []
    rules: dict[str, Any] = {}
    start_ms, last_ms = to_ms(START), 0
    for path in scenario_files():
        scenario = load(path)
        if not everything and not _is_near(path, scenario):
            continue
        program = path.stem.replace("_", "-")
        made, until_ms, names = _records_of(scenario, program)
        records += made
        last_ms = max(last_ms, until_ms, *(one.arrived_ms for one in made))
        if scenario.get("rules"):
            rules |= {name: {"rules": scenario["rules"]} for name in names}
    first_ms = min(one.arrived_ms for one in records)
    switched = {"rating.low": {"cool_down": "1d"}, "first_meeting.missing": {"overdue_after": "12d"}}
    records += [
        _activation(0, first_ms, {"programs": rules}, "emit"),
        _activation(1, start_ms + 12 * DAY_MS, {"rules": switched, "programs": rules}, "emit"),
        _activation(2, start_ms + 31 * DAY_MS, {"programs": rules}, "silent"),
    ]
    ending = {
        "event_id": "the-end",
        "type": "activity.signed_in",
        "occurred_at": instant_text(from_ms(last_ms + DAY_MS)),
        "program_id": "the-end",
        "participant_id": "somebody",
    }
    records.append(InboundRecord("participant-activity", b"the-end", json.dumps(ending).encode(), last_ms + DAY_MS))
    return as_ingest_merges(records)


def _is_near(path: Path, scenario: Mapping[str, Any]) -> bool:
    """Whether a scenario of the slice speaks, and soon."""
    return (
        bool(scenario.get("expect"))
        and "start" not in scenario
        and (offset_ms(scenario.get("until", "0d"), 0) <= NEAR_DAYS * DAY_MS)
    )


def _records_of(scenario: Mapping[str, Any], program: str) -> tuple[list[InboundRecord], int, set[str]]:
    """A scenario as records. Returns: records, how far its clock goes, the programs in it.

    A program that a line names gets a name of its own in this scenario, on the journal partition of the others. An
    action names an intervention by its id, which the scenario's own fold tells: ids are derived, so the worker will
    make the same.
    """
    start_ms = offset_ms(scenario["start"], 0) if "start" in scenario else to_ms(START)
    home = partition_for(program.encode(), PARTITIONS)
    names: dict[str, str] = {}
    made = []
    for number, line in enumerate(spelled_out(scenario["facts"]), 1):
        about = line.pop("intervention", None)
        if "program_id" in line:
            line["program_id"] = _beside(program, line["program_id"], home, names)
        made.append((*make_fact(line, number, start_ms, program), about, line.get("comment")))
    rules, neglect = scenario.get("rules", {}), scenario.get("neglect", NO_NEGLECT)
    timeline = Timeline({"rules": rules, "neglect": neglect}) if any(each[3] is not None for each in made) else None
    records = []
    for fact, arrived_ms, topic, about, comment in sorted(made, key=lambda each: each[1]):
        if timeline is not None:
            if about is not None:
                timeline.move_to(arrived_ms)
                fact = replace(fact, intervention_id=timeline.latest(about))
            timeline.take(fact, arrived_ms, topic, _SCANNER.scan(comment).flags if comment else ())
        key = "/".join([fact.program_id, *(str(getattr(fact, name)) for name in _IDS.get(topic, ()))])
        value = msgspec.json.encode(fact)
        if comment:  # which a decoded fact does not keep
            value = msgspec.json.encode(msgspec.json.decode(value) | {"comment": comment})
        records.append(InboundRecord(topic, key.encode(), value, arrived_ms))
    return records, offset_ms(scenario.get("until", "0d"), start_ms), {program, *names.values()}


def _beside(program: str, name: str, home: int, names: dict[str, str]) -> str:
    """A name for another program of a scenario, on the same journal partition."""
    if name not in names:
        names[name] = next(
            found for found in _tries(program, name) if partition_for(found.encode(), PARTITIONS) == home
        )
    return names[name]


def _tries(program: str, name: str) -> Iterator[str]:
    for number in range(1_000):
        yield f"{program}-{name}-{number}"


def _activation(number: int, at_ms: int, tree: dict[str, Any], backfill: str) -> InboundRecord:
    value = {
        "event_id": f"switch-{number}",
        "type": "ruleset.activated",
        "occurred_at": instant_text(from_ms(at_ms)),
        "scope": "*",
        "ruleset": tree,
        "backfill": backfill,
    }
    return InboundRecord(RULESETS, b"*", json.dumps(value).encode(), at_ms)


def send(kafka: KafkaSettings, topics: Topics, records: list[InboundRecord]) -> None:
    """Produce records in order; rule sets have one partition."""
    producer = Producer(kafka.confluent() | {"linger.ms": 20, "enable.idempotence": True, "log_level": 0})
    refused: list[Any] = []
    for record in records:
        number = 0 if record.topic == RULESETS else partition_of(record)
        name = topics.real(record.topic)
        producer.produce(
            name,
            key=record.key,
            value=record.value,
            partition=number,
            timestamp=record.arrived_ms,
            on_delivery=lambda error, _: refused.append(error) if error else None,
        )
        producer.poll(0)
    assert producer.flush(30) == 0
    assert not refused, refused[0]


def digest(worker: SupervisedWorker, port: int, reader: _Reader, newest_ms: int) -> None:
    """Let a worker work until the journal tells of the newest arrival, in every partition, and all of it is applied and
    committed; end it then.

    As under a supervisor, one that gives up is started again: on a machine without a processor to spare a transaction
    may outlast its time, and its lane is fenced.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        worker.start()
        while worker.process.poll() is None:
            if _positions(port) == reader.journal_ends() and reader.journal_is_whole(newest_ms):
                if worker.end(120) == 0:
                    return
                break
            assert time.monotonic() < deadline, worker.output()[-4000:]
            time.sleep(0.3)
        assert worker.starts < MOST_LIVES, worker.output()[-4000:]
