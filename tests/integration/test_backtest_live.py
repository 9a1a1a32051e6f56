"""The parity gate: what a recording replays to is what was published, whatever happened to the worker meanwhile.

Scenarios of the catalogue are a program each, so every rule has something to say. The worker dies at failpoints while
it digests them and the rule set is switched twice; then the whole journal, ranges of it and what follows a snapshot are
recorded and held against what was published. The slice of every test run takes the scenarios that speak within five
months and a few deaths; `EBB_FAULTS=full` all scenarios and more deaths.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from click.testing import CliRunner

from agents.cli import main as ebb
from agents.cli.backtest import command as backtest_command
from agents.host.clients import KafkaSettings
from agents.recorder import Range, record_journal
from agents.recordings import Recording, RecordingInfo, RecordingWriter
from deploy.kafka.broker import KafkaBroker
from deploy.ports import free_port
from examples.oulad.rows import InboundRecord
from schemas.base import from_ms, to_ms
from schemas.outbound import ce_source
from schemas.topics import CATALOGUE, Topics
from streams.clock import DAY_MS
from streams.engine import Engine
from streams.rules import RULES
from tests.faults.supervision import SupervisedWorker
from tests.integration.gate_records import MOST_LIVES, digest, gate_records, send
from tests.integration.parity_harness import PARTITIONS, ROOT, _create, _Reader
from tests.scenarios.runner import START

PREFIX: Final = "gate."
FULL: Final = os.environ.get("EBB_FAULTS") == "full"
SESSION_S: Final = 6
DEATHS: Final = (("after_commit:4",), ("before_commit:3",))
"""Of each half of the records, where the worker dies; the passage is of one life."""
MORE_DEATHS: Final = (
    "ingest_after_journal_ack:1",
    "after_apply:1",
    "after_begin:1",
    "before_commit:1",
    "mid_recovery:1",
    "after_commit:1",
)
"""Of the long form, in both halves; each dies at a sixth of the half."""

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.timeout(3_600 if FULL else 1_500),
]


long_form = pytest.mark.skipif(not FULL, reason="the long form: make faults")


class Run(NamedTuple):
    """What happened: settings of the cluster, the snapshot taken half way, and how often the worker died."""

    kafka: KafkaSettings
    topics: Topics
    snapshot: Path
    deaths: int


def command_line(kafka: KafkaSettings, *arguments: object) -> dict[str, Any]:
    """Run a command against the gate's cluster. Returns: what it printed as JSON."""
    environment = {"EBB_BROKERS": kafka.brokers, "EBB_TOPIC_PREFIX": PREFIX}
    done = CliRunner().invoke(ebb, [*map(str, arguments), "--json"], env=environment)
    assert done.exit_code == 0, done.output
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def die(worker: SupervisedWorker, failpoint: str) -> None:
    """Let a life of the worker end where it was told to, which proves that it was at work; one that gives up before is
    started again, see `digest`."""
    while worker.start(failpoint=f"{failpoint}:kill").wait(240) != -signal.SIGKILL:
        assert worker.starts < MOST_LIVES, worker.output()[-4000:]


def parts(records: list[InboundRecord], count: int) -> list[list[InboundRecord]]:
    """Split records that stand in the order of their arrival; what arrived at one instant stays together."""
    found, rest = [], records
    for left in range(count, 1, -1):
        cut_ms = rest[len(rest) // left].arrived_ms
        found.append([one for one in rest if one.arrived_ms < cut_ms])
        rest = rest[len(found[-1]) :]
    return [*found, rest]


@pytest.fixture(scope="module")
def run(kafka: KafkaBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Half of the records, a snapshot, the other half; deaths in both."""
    folder = tmp_path_factory.mktemp("gate")
    topics, settings = Topics(PREFIX), KafkaSettings(brokers=kafka.bootstrap, fetch_wait_ms=10)
    port, deaths = free_port(), 0
    environment = {
        "PYTHONPATH": str(ROOT),
        "EBB_BROKERS": kafka.bootstrap,
        "EBB_TOPIC_PREFIX": PREFIX,
        "EBB_CLOCK": "records",
        "EBB_SESSION_TIMEOUT_S": str(SESSION_S),
        "EBB_LOG_FORMAT": "text",
    }
    command = [sys.executable, "-m", "agents.cli", "worker"]
    worker = None
    try:
        for topic in CATALOGUE:
            _create(kafka, topics, topic)
        records = gate_records(everything=FULL)
        middle = to_ms(START) + 20 * DAY_MS
        before = [one for one in records if one.arrived_ms < middle]
        after = [one for one in records if one.arrived_ms >= middle]
        with closing(_Reader(settings, topics)) as reader:
            worker = SupervisedWorker("worker", command, environment, folder, port)
            worker.kill()
            for number, half in enumerate((before, after)):
                # Nobody reads meanwhile: what a running worker sees first of several topics is luck, and with it which
                # rules speak. What is loaded before a start always gives the same journal.
                places = MORE_DEATHS if FULL else DEATHS[number]
                for place, part in zip(places, parts(half, len(places)), strict=True):
                    send(settings, topics, part)
                    die(worker, place)
                    deaths += 1
                    digest(worker, port, reader, part[-1].arrived_ms)
                if not number:
                    command_line(settings, "state", "snapshot", "--out", folder / "snapshot.parquet")
        yield Run(settings, topics, folder / "snapshot.parquet", deaths)
    finally:
        if worker is not None and worker.process.poll() is None:
            worker.kill()


def rewrite_one_published(recording: Recording, path: Path) -> None:
    """Copy a recording with one published record changed, as if the engine had decided otherwise."""
    partitions = recording.info.partitions
    with RecordingWriter(path, [one.first_offset for one in partitions]) as writer:
        is_changed = False
        for number, one in enumerate(partitions):
            for row in recording.rows(number):
                assert row.value is not None
                writer.add(number, row.offset, row.timestamp_ms, row.key, row.value)
            if one.live is None:
                continue
            writer.set_live(number, one.live.decided)
            for row in recording.live(number):
                assert row.value is not None
                value = row.value if is_changed else row.value.replace(b'"summary":"', b'"summary":"Not ', 1)
                is_changed = is_changed or value != row.value
                writer.add_live(number, row.offset, row.timestamp_ms, row.key, value)
        assert is_changed
        writer.close()


def held_against_live(recording: Path, out: Path) -> dict[str, Any]:
    """Run the gate. Returns: the summary of a backtest that equals what was published."""
    arguments = [str(recording), "--rules", "recorded", "--against", "live", "--out", str(out), "--json"]
    done = CliRunner().invoke(backtest_command, arguments)
    assert done.exit_code == 0, done.output[-2_000:]
    summary: dict[str, Any] = json.loads(done.stdout)
    assert summary["comparison"]["first_unequal"] is None
    assert set(summary["comparison"]["total"]) == {"same"}
    assert (out / "comparison.jsonl").read_bytes() == b""
    return summary


def speaking_entries(recording: Path, number: int) -> list[int]:
    """The entries of a partition at which the engine decides something; they must be three at least."""
    engine = Engine(source=ce_source(PREFIX), partition=number)
    found = []
    for row in Recording(recording).rows(number):
        assert row.value is not None
        is_whole, decided = False, 0
        while not is_whole:
            is_whole = engine.apply(row.offset, row.value)
            decided += len(engine.flush().interventions)
        if decided:
            found.append(row.offset)
    assert len(found) >= 3
    return found


def recorded(run: Run, path: Path, **options: Any) -> RecordingInfo:
    return record_journal(run.kafka, run.topics, path, **options)


@pytest.fixture(scope="module")
def whole(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of the journal, recorded."""
    path = tmp_path_factory.mktemp("whole") / "journal.parquet"
    recorded(run, path)
    return path


def test_a_run_with_deaths_and_switches_has_zero_differences(run: Run, whole: Path, tmp_path: Path) -> None:
    assert run.deaths >= (2 if not FULL else 12)
    summary = held_against_live(whole, tmp_path / "out")
    assert summary["activations"] == 3  # the one it begins with, and two switches
    assert len(summary["hashes"]["rulesets"]) >= 3
    opened = {rule for rule, changes in summary["interventions"].items() if changes.get("opened")}
    assert {rule.id for rule in RULES} == opened
    stages: Counter[tuple[str, str | None]] = Counter()
    graver: Counter[str] = Counter()
    for line in (tmp_path / "out" / "interventions.jsonl").read_bytes().splitlines():
        record = json.loads(line)
        stages[record["rule"]["id"], record["stage"]] += 1
        graver[record["rule"]["id"]] += record["change"] == "escalated"
    ladders = [rule for rule in RULES if len(rule.rungs) > 1]
    assert ladders
    for rule in ladders:
        above = [stages[rule.id, rung.name] for rung in rule.rungs[1:] if rung.name is not None]
        assert any(above) or graver[rule.id], f"{rule.id} never rose above its first stage"


def test_a_range_out_of_the_middle_begins_with_its_state_and_has_zero_differences(
    run: Run, whole: Path, tmp_path: Path
) -> None:
    # Where something is decided before, in, and after: what ingest forwarded again after a death may fill any share of
    # the journal with entries that decide nothing.
    spoken = [speaking_entries(whole, number) for number in range(PARTITIONS)]
    begin = {number: offsets[len(offsets) // 3] for number, offsets in enumerate(spoken)}
    end = {number: offsets[2 * len(offsets) // 3] for number, offsets in enumerate(spoken)}
    info = recorded(run, tmp_path / "range.parquet", chosen=Range(begin=begin, end=end))
    assert info.begins_late
    assert [one.first_offset for one in info.partitions] == list(begin.values())
    assert [one.end for one in info.partitions] == list(end.values())
    summary = held_against_live(tmp_path / "range.parquet", tmp_path / "out")
    published = [one.live.rows for one in info.partitions if one.live is not None]
    assert 0 < summary["interventions_total"] < sum(published)


@long_form
def test_a_range_of_time_holds_the_entries_appended_in_it(run: Run, whole: Path, tmp_path: Path) -> None:
    everything = Recording(whole)
    busiest = max(range(PARTITIONS), key=lambda number: everything.info.partitions[number].entries)
    stamps = [row.timestamp_ms for row in everything.rows(busiest)]
    at_ms = stamps[len(stamps) // 2]
    end_ms = at_ms + 60_000
    bounds = Range(from_ms(at_ms), from_ms(end_ms))
    info = recorded(run, tmp_path / "r.parquet", chosen=bounds)
    for number, one in enumerate(info.partitions):
        # Kafka looks an instant up by index: the first entry at or after it, of which later ones may be older.
        expected = [row.offset for row in everything.rows(number)]
        first = next((row.offset for row in everything.rows(number) if row.timestamp_ms >= at_ms), len(expected))
        end = next((row.offset for row in everything.rows(number) if row.timestamp_ms >= end_ms), len(expected))
        assert (one.first_offset, one.entries) == (first, end - first)
    assert info.entries > 0


def test_what_follows_a_snapshot_has_zero_differences(run: Run, tmp_path: Path) -> None:
    snapshot = Recording(run.snapshot)
    assert snapshot.info.entries == 0
    assert len(snapshot.info.partitions) == PARTITIONS
    told = command_line(run.kafka, "record", "--resume", run.snapshot, "--out", tmp_path / "r.parquet")
    assert told["first_offsets"] == [one.first_offset for one in snapshot.info.partitions]
    assert Recording(tmp_path / "r.parquet").info.begins_late
    summary = held_against_live(tmp_path / "r.parquet", tmp_path / "out")
    assert summary["interventions_total"] > 0


def test_the_gate_closes_when_a_record_was_published_otherwise(whole: Path, tmp_path: Path) -> None:
    """What the gate is worth: one changed byte of one published record is found and fails the command."""
    changed = tmp_path / "changed.parquet"
    rewrite_one_published(Recording(whole), changed)
    done = CliRunner().invoke(
        backtest_command, [str(changed), "--rules", "recorded", "--against", "live", "--out", str(tmp_path / "out")]
    )
    assert done.exit_code == 1
    assert "The replay differs from what was published" in done.output
