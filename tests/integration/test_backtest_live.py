"""The parity gate: what a recording replays to is what was published, whatever happened to the worker meanwhile.

Every scenario of the catalogue is a program of its own, so every rule has something to say. The worker is killed while
it digests them and the rule set is switched twice; then the whole journal, a range of it and what follows a snapshot
are recorded and held against what was published.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from click.testing import CliRunner
from confluent_kafka import Producer

from agents.cli.backtest import command as backtest_command
from agents.host.clients import KafkaSettings
from agents.recorder import Range, record_journal
from agents.recordings import Recording, RecordingInfo
from agents.snapshots import take_snapshot
from deploy.kafka.broker import KafkaBroker, free_port
from examples.oulad.rows import InboundRecord
from schemas.base import from_ms, instant_text, to_ms
from schemas.topics import CATALOGUE, RULESETS, Topics
from streams.clock import DAY_MS
from streams.rules import RULES
from tests.conftest import start_kafka
from tests.faults.supervision import SupervisedWorker, Supervisor
from tests.integration.parity_harness import (
    PARTITIONS,
    ROOT,
    _create,
    _positions,
    _Reader,
    as_ingest_merges,
    partition_of,
)
from tests.scenarios.runner import START, _spelled_out, load, make_fact, offset_ms, scenario_files

PREFIX = "gate."
KILLS = 3
NOT_HERE = frozenset({"data.source_silent"})
"""Rules that need what these programs do not have: a topic that falls silent for all of them."""

pytestmark = [
    pytest.mark.skipif("EBB_GATE" not in os.environ, reason="the run does not settle after kills in its second half"),
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]


class Run(NamedTuple):
    """What happened: settings of the cluster, the snapshot taken half way, and how often the worker was started."""

    kafka: KafkaSettings
    topics: Topics
    snapshot: Path
    starts: int


def program_records(path: Path, program: str) -> tuple[list[InboundRecord], int, dict[str, Any]]:
    """A scenario as records of a program. Returns: records, how far its clock goes, its parameters."""
    scenario = load(path)
    start_ms = offset_ms(scenario["start"], 0) if "start" in scenario else to_ms(START)
    records = []
    for number, line in enumerate(_spelled_out(scenario["facts"]), 1):
        if "intervention" in line:  # names what another fold made up
            continue
        fact, arrived_ms, topic = make_fact(line, number, start_ms, program)
        ids = {"pairs": ("pair_id",), "participants": ("participant_id",)}.get(topic, ())
        key = "/".join([fact.program_id, *(str(getattr(fact, name)) for name in ids)])
        records.append(InboundRecord(topic, key.encode(), msgspec.json.encode(fact), arrived_ms))
    until_ms = offset_ms(scenario.get("until", "0d"), start_ms)
    return records, until_ms, scenario.get("rules", {}).get("rules", scenario.get("rules", {}))


def activation(number: int, at_ms: int, tree: dict[str, Any], backfill: str) -> InboundRecord:
    value = {
        "event_id": f"switch-{number}",
        "type": "ruleset.activated",
        "occurred_at": instant_text(from_ms(at_ms)),
        "scope": "*",
        "ruleset": tree,
        "backfill": backfill,
    }
    return InboundRecord(RULESETS, b"*", json.dumps(value).encode(), at_ms)


def all_records() -> list[InboundRecord]:
    """All scenarios, two switches of the rule set while they go on, and a last fact to move the clock."""
    records: list[InboundRecord] = []
    programs: dict[str, Any] = {}
    last_ms = 0
    for path in scenario_files():
        found, until_ms, rules = program_records(path, path.stem.replace("_", "-"))
        records += found
        last_ms = max(last_ms, until_ms, *(one.arrived_ms for one in found))
        if rules:
            programs[path.stem.replace("_", "-")] = {"rules": rules}
    first_ms = min(one.arrived_ms for one in records)
    switched = {"rules": {"rating.low": {"cool_down": "1d"}, "first_meeting.missing": {"overdue_after": "12d"}}}
    start_ms = to_ms(START)
    records += [
        activation(0, first_ms, {"programs": programs}, "emit"),
        activation(1, start_ms + 12 * DAY_MS, {**switched, "programs": programs}, "emit"),
        activation(2, start_ms + 31 * DAY_MS, {"programs": programs}, "silent"),
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


def send(kafka: KafkaSettings, topics: Topics, records: list[InboundRecord]) -> None:
    """Produce records in order; rule sets have one partition."""
    producer = Producer(kafka.confluent() | {"linger.ms": 20, "enable.idempotence": True, "log_level": 0})
    for record in records:
        number = 0 if record.topic == RULESETS else partition_of(record)
        name = topics.real(record.topic)
        producer.produce(name, key=record.key, value=record.value, partition=number, timestamp=record.arrived_ms)
        producer.poll(0)
    assert producer.flush(30) == 0


def wait_applied(reader: _Reader, port: int, log: Path, newest_ms: int) -> None:
    """Wait until the journal tells of the newest arrival, in every partition, and all of it is applied."""
    deadline = time.monotonic() + 180
    while not (_positions(port) == reader.journal_ends() and reader.journal_is_whole(newest_ms)):
        assert time.monotonic() < deadline, log.read_text()[-4000:]
        time.sleep(0.3)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Half of the records, a snapshot, the other half; kills all the time."""
    folder = tmp_path_factory.mktemp("gate")
    broker = start_kafka(KafkaBroker())
    topics, kafka = Topics(PREFIX), KafkaSettings(brokers=broker.bootstrap, fetch_wait_ms=10)
    for topic in CATALOGUE:
        _create(broker, topics, topic)
    port = free_port()
    environment = {
        "PYTHONPATH": str(ROOT),
        "EBB_BROKERS": kafka.brokers,
        "EBB_TOPIC_PREFIX": PREFIX,
        "EBB_CLOCK": "records",
        "EBB_PORT": str(port),
        "EBB_SESSION_TIMEOUT_S": "6",
        "EBB_LOG_FORMAT": "text",
    }
    records = all_records()
    middle = to_ms(START) + 20 * DAY_MS
    halves = ([one for one in records if one.arrived_ms < middle], [one for one in records if one.arrived_ms >= middle])
    supervisor = Supervisor()
    try:
        send(kafka, topics, halves[0])
        worker = SupervisedWorker("worker", [sys.executable, "-m", "agents.cli", "worker"], environment, folder)
        supervisor.workers.append(worker)
        with closing(_Reader(kafka, topics)) as reader:
            for number, half in enumerate(halves):
                if number:
                    send(kafka, topics, half)
                for _ in range(KILLS):
                    time.sleep(4)
                    worker.process.kill()
                wait_applied(reader, port, worker.log, max(one.arrived_ms for one in half))
                if not number:
                    take_snapshot(kafka, topics, folder / "snapshot.parquet")
        assert worker.end() == 0
        yield Run(kafka, topics, folder / "snapshot.parquet", worker.starts + supervisor.restarts)
    finally:
        supervisor.close()
        broker.stop()


def held_against_live(recording: Path, out: Path) -> dict[str, Any]:
    """Run the gate. Returns: the summary of a backtest that equals what was published."""
    done = CliRunner().invoke(
        backtest_command, [str(recording), "--rules", "recorded", "--against", "live", "--out", str(out), "--json"]
    )
    assert done.exit_code == 0, done.output[-2_000:]
    summary: dict[str, Any] = json.loads(done.stdout)
    assert summary["comparison"]["first_unequal"] is None
    assert set(summary["comparison"]["total"]) == {"same"}
    assert (out / "comparison.jsonl").read_bytes() == b""
    return summary


def recorded(run: Run, path: Path, **options: Any) -> RecordingInfo:
    return record_journal(run.kafka, run.topics, path, **options)


def test_a_run_with_kills_and_switches_has_zero_differences(run: Run, tmp_path: Path) -> None:
    assert run.starts > KILLS
    recorded(run, tmp_path / "journal.parquet")
    summary = held_against_live(tmp_path / "journal.parquet", tmp_path / "out")
    assert summary["activations"] == 3
    assert len(summary["hashes"]["rulesets"]) >= 3
    opened = {rule for rule, changes in summary["interventions"].items() if changes.get("opened")}
    assert {rule.id for rule in RULES} - NOT_HERE <= opened
    stages: Counter[tuple[str, str | None]] = Counter()
    for line in (tmp_path / "out" / "interventions.jsonl").read_bytes().splitlines():
        record = json.loads(line)
        stages[record["rule"]["id"], record["stage"]] += 1
    ladders = [rule for rule in RULES if len(rule.rungs) > 1 and rule.id not in NOT_HERE]
    assert ladders
    for rule in ladders:
        above = [stages[rule.id, rung.name] for rung in rule.rungs[1:]]
        assert any(above), f"{rule.id} never rose above its first stage"


def test_a_range_from_the_middle_begins_with_its_state_and_has_zero_differences(run: Run, tmp_path: Path) -> None:
    whole = recorded(run, tmp_path / "whole.parquet")
    middle = {number: one.entries // 2 for number, one in enumerate(whole.partitions)}
    info = recorded(run, tmp_path / "range.parquet", chosen=Range(begin=middle))
    assert info.begins_late
    assert [one.first_offset for one in info.partitions] == list(middle.values())
    summary = held_against_live(tmp_path / "range.parquet", tmp_path / "out")
    assert summary["interventions_total"] > 0
    live = [one.live.rows for one in info.partitions if one.live is not None]
    everything = [one.live.rows for one in whole.partitions if one.live is not None]
    assert summary["interventions_total"] == sum(live) < sum(everything)


def test_what_follows_a_snapshot_has_zero_differences(run: Run, tmp_path: Path) -> None:
    snapshot = Recording(run.snapshot)
    assert snapshot.info.entries == 0
    assert len(snapshot.info.partitions) == PARTITIONS
    info = recorded(run, tmp_path / "r.parquet", earlier=snapshot)
    assert [one.first_offset for one in info.partitions] == [one.first_offset for one in snapshot.info.partitions]
    assert info.begins_late
    summary = held_against_live(tmp_path / "r.parquet", tmp_path / "out")
    assert summary["interventions_total"] > 0


def test_another_rule_set_differs_from_what_was_published(run: Run, tmp_path: Path) -> None:
    recorded(run, tmp_path / "journal.parquet")
    (tmp_path / "off.toml").write_text('[rules."rating.low"]\nenabled = false\n')
    arguments = [tmp_path / "journal.parquet", "--rules", tmp_path / "off.toml", "--against", "live"]
    done = CliRunner().invoke(backtest_command, [*map(str, arguments), "--out", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 0, done.output[-2_000:]
    assert json.loads(done.stdout)["comparison"]["by_rule"]["rating.low"]["removed"] > 0
