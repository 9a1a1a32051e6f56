"""Live and replayed, the same facts give the same bytes: on the embedded broker, on a real Kafka, and in a backtest.

Two hundred small logs, drawn by Hypothesis, are digested by one worker per broker: each log is a program of its own,
named after its seed, so what differs names the log that shows it. Everything is loaded before the worker starts.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from agents.embedded import EmbeddedBroker
from deploy.kafka.broker import KafkaBroker
from examples.oulad.facts import facts, line
from examples.oulad.rows import InboundRecord
from schemas.base import to_ms
from schemas.journal import SourcesEntry, decode_entry, encode_entry
from tests.integration.parity_harness import (
    ROOT,
    Outcome,
    as_ingest_merges,
    backtest,
    entries_of,
    rules_of,
    run_live,
    without_sources,
)
from tests.scenarios.runner import START, make_fact
from tests.streams.logs import random_lines

LOGS: Final = 200
DEMO_PAIRS_HERE: Final = 300
"""Of the 4,400 of the demo, spread over all its programs: what the embedded broker can hold all at once."""
PREFIX: Final = "parity."
"""The same on both brokers: it is part of an intervention's headers."""

pytestmark = pytest.mark.integration


def log_of(seed: int, program: str) -> list[InboundRecord]:
    """A small log of a program of its own, as records."""
    records = []
    for number, drawn in enumerate(random_lines(seed, 20 + seed % 41), 1):
        fact, arrived_ms, topic = make_fact(drawn, number, to_ms(START), program)
        ids = {"pairs": ("pair_id",), "participants": ("participant_id",)}.get(topic, ())
        key = "/".join([program, *(str(getattr(fact, name)) for name in ids)])
        records.append(InboundRecord(topic, key.encode(), msgspec.json.encode(fact), arrived_ms))
    return records


def check(live: Outcome, folder: Path) -> None:
    """A backtest of what was recorded gives what was published, partition by partition, byte by byte."""
    for messages in live.interventions:
        assert all(one.timestamp_ms <= other.timestamp_ms for one, other in pairwise(messages))
    assert backtest(live.recording, folder / "backtest") == live.lines


def write_lines(records: Sequence[InboundRecord], path: Path) -> Path:
    with path.open("wb") as file:
        file.writelines(map(line, records))
    return path


@pytest.fixture(scope="module")
def logs() -> list[InboundRecord]:
    """The records of all logs, merged by arrival."""
    seeds: set[int] = set()

    @settings(max_examples=LOGS, phases=[Phase.generate], database=None, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def draw(seed: int) -> None:
        seeds.add(seed)

    while len(seeds) < LOGS:  # a seed may be drawn twice
        draw()
    chosen = sorted(seeds)[:LOGS]
    return as_ingest_merges([record for seed in chosen for record in log_of(seed, f"log-{seed}")])


@pytest.fixture(scope="module")
def on_embedded(
    logs: list[InboundRecord], embedded: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory
) -> Outcome:
    return run_live(embedded, PREFIX, logs, tmp_path_factory.mktemp("embedded"))


@pytest.fixture(scope="module")
def on_kafka(logs: list[InboundRecord], kafka: KafkaBroker, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run_live(kafka, PREFIX, logs, tmp_path_factory.mktemp("kafka"))


def test_a_backtest_of_what_ran_on_the_embedded_broker_gives_the_same_bytes(
    on_embedded: Outcome, tmp_path: Path
) -> None:
    assert {"rating.low", "first_meeting.missing"} <= rules_of(on_embedded)
    check(on_embedded, tmp_path)


def test_a_backtest_of_what_ran_on_kafka_gives_the_same_bytes(on_kafka: Outcome, tmp_path: Path) -> None:
    check(on_kafka, tmp_path)


def test_both_brokers_give_the_same_journal_and_the_same_interventions(on_embedded: Outcome, on_kafka: Outcome) -> None:
    for one, other in zip(on_embedded.interventions, on_kafka.interventions, strict=True):
        assert one == other
    for mine, theirs in zip(entries_of(on_embedded.recording), entries_of(on_kafka.recording), strict=True):
        assert [_without_topic_ids(entry) for entry in mine] == [_without_topic_ids(entry) for entry in theirs]


def _without_topic_ids(entry: bytes) -> bytes:
    """An entry as it stands; where sources are announced, without what only a real broker tells of them."""
    if not entry.startswith(b'{"kind":"sources"'):
        return entry
    announced = decode_entry(entry)
    assert isinstance(announced, SourcesEntry)
    return encode_entry(msgspec.structs.replace(announced, topic_ids={}))


def test_raw_facts_give_the_same_interventions_but_for_coordinates(
    logs: list[InboundRecord], on_embedded: Outcome, tmp_path: Path
) -> None:
    replayed = backtest(write_lines(logs, tmp_path / "facts.jsonl"), tmp_path / "backtest")
    assert without_sources(replayed) == without_sources(on_embedded.lines)


def test_a_year_of_the_demos_data_gives_the_same_bytes_on_both_brokers_and_in_a_backtest(
    embedded: EmbeddedBroker, kafka: KafkaBroker, tmp_path: Path
) -> None:
    records = as_ingest_merges(list(facts(datetime(2026, 1, 1, tzinfo=UTC), DEMO_PAIRS_HERE)))
    outcomes = []
    for name, broker in (("embedded", embedded), ("kafka", kafka)):
        folder = tmp_path / name
        folder.mkdir()
        outcomes.append(run_live(broker, "year.", records, folder))
        check(outcomes[-1], folder)
    mine, theirs = outcomes
    assert "rating.low" in rules_of(mine)
    assert mine.interventions == theirs.interventions
    replayed = backtest(write_lines(records, tmp_path / "facts.jsonl"), tmp_path / "backtest")
    assert without_sources(replayed) == without_sources(mine.lines)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_backtest_of_the_demos_recording_gives_the_demos_interventions(tmp_path: Path) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith("EBB_")}
    done = subprocess.run(
        [sys.executable, "-m", "agents.cli", "demo"],
        cwd=tmp_path,
        env=own | {"PYTHONPATH": str(ROOT), "EBB_DATA_DIR": str(tmp_path / "demo")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert "Nothing is left over." in done.stdout
    published = (tmp_path / "demo" / "interventions.jsonl").read_bytes()
    assert published
    assert backtest(tmp_path / "demo" / "journal.parquet", tmp_path / "backtest") == published
