"""Sizes follow from what was measured, and grow with what they depend on."""

import json

import pytest
from click.testing import CliRunner

from agents.cli import main
from agents.sizing import Choices, Measured, measured, rows, size

COSTS = Measured(
    ingest_us=10, engine_us=20, broker_us=5, pair_bytes=1_000, inbound_bytes=200, journal_bytes=300, state_bytes=400,
    intervention_bytes=50, stored_bytes=500, stored_rows=3, recovery_rows=150_000, commit="abc", python="3.11",
)  # fmt: skip


def test_a_laptop_needs_one_worker_and_eight_partitions() -> None:
    found = size(3_000, 1, COSTS)
    assert (found.workers, found.partitions) == (1, 8)
    assert found.worker_cpus == pytest.approx(30e-6)


def test_cpu_asks_for_workers_where_facts_are_many() -> None:
    found = size(1_000, 100_000, COSTS)
    assert found.worker_cpus == pytest.approx(3.0)
    assert (found.workers, found.partitions) == (6, 32)


def test_memory_asks_for_workers_where_pairs_are_many() -> None:
    found = size(100_000_000, 1, COSTS)
    assert found.state_gb == pytest.approx(100.0)
    assert found.workers == 13
    assert size(100_000_000, 1, COSTS, Choices(worker_gb=32)).workers == 4


def test_disk_holds_every_copy_of_every_topic() -> None:
    found = size(1_000_000, 100, COSTS)
    one_copy = found.journal_gb + found.inbound_gb + found.intervention_gb + found.state_topic_gb
    assert found.disk_gb == pytest.approx(3 * one_copy)
    daily = 1_000_000 * 40 / 30
    assert found.journal_gb == pytest.approx(daily * 400 * 300 / 1e9)
    assert found.state_topic_gb == pytest.approx(1.0)


def test_network_counts_followers_and_readers() -> None:
    written, read = 200 + 300 + 400 + 50, 200 + 300 + 50
    assert size(1_000, 1_000, COSTS).network_mb_s == pytest.approx(1_000 * (written * 5 + read) / 1e6)
    assert size(1_000, 1_000, COSTS, Choices(replication=1)).network_mb_s == pytest.approx(
        1_000 * (written + read) / 1e6
    )


@pytest.mark.parametrize(("pairs", "facts"), [(0, 1.0), (1, 0.0), (-5, 1.0)])
def test_nothing_has_no_size(pairs: int, facts: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        size(pairs, facts, COSTS)


def test_doctor_prints_every_line_for_a_size() -> None:
    answer = CliRunner().invoke(main, ["doctor", "--size", "200000", "60"], catch_exceptions=False)
    assert answer.exit_code == 0
    assert "200,000 active pairs" in answer.output
    assert [what for what, _ in rows(size(200_000, 60, measured())) if what not in answer.output] == []


def test_doctor_gives_a_size_as_json() -> None:
    answer = CliRunner().invoke(main, ["doctor", "--size", "200000", "60", "--json"], catch_exceptions=False)
    tree = json.loads(answer.output)
    assert tree["size"]["workers"] == size(200_000, 60, measured()).workers
    assert tree["measured"]["commit"] == measured().commit
