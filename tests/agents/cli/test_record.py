"""`ebb record` as a person or a program meets it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer

from agents.cli.backtest import command as backtest
from agents.cli.record import command
from agents.embedded import EmbeddedBroker
from agents.recordings import Recording
from streams.backtest.replay import PARTITIONS
from streams.clock import DAY_MS
from tests.streams.backtest.lines import journals, pair, rating


@pytest.fixture(scope="module")
def brokers() -> Iterator[str]:
    """A cluster whose journal holds one low rating."""
    with EmbeddedBroker() as running:
        running.create_topic("cli-journal", PARTITIONS)
        producer = Producer({"bootstrap.servers": running.bootstrap, "linger.ms": 0})
        for partition, entries in enumerate(journals([pair(), rating(DAY_MS)])):
            for value in entries:
                producer.produce("cli-journal", value=value, partition=partition)
        assert producer.flush(10) == 0
        yield running.bootstrap


def run(*arguments: object, **settings: str) -> Result:
    environment = {f"EBB_{name.upper()}": value for name, value in settings.items()}
    return CliRunner().invoke(command, [str(each) for each in arguments], env=environment)


def test_a_journal_is_recorded_and_the_recording_replays(
    brokers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("--out", "r.parquet", "--json", brokers=brokers, topic_prefix="cli-")
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    info = Recording(tmp_path / "r.parquet").info
    assert (told["entries"], told["hash"]) == (info.entries, info.content_hash)
    replayed = CliRunner().invoke(backtest, ["r.parquet", "--out", "out", "--json"])
    assert json.loads(replayed.output)["interventions"]["rating.low"] == {"opened": 1}


def test_people_are_told_what_to_do_next(brokers: str, tmp_path: Path) -> None:
    result = run("--out", tmp_path / "r", brokers=brokers, topic_prefix="cli-")
    assert result.exit_code == 0
    assert "entries of 8 partitions" in result.stdout
    assert "ebb backtest" in result.stdout


def test_a_file_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "r").write_text("kept")
    result = run("--out", tmp_path / "r")
    assert result.exit_code == 2
    assert (tmp_path / "r").read_text() == "kept"
    assert run("--out", tmp_path / "no" / "folder").exit_code == 2


def test_settings_that_do_not_fit_are_wrong_usage(tmp_path: Path) -> None:
    result = run("--out", tmp_path / "r", topic_prefix="no spaces allowed")
    assert result.exit_code == 2
    assert "EBB_TOPIC_PREFIX" in result.output


def test_a_cluster_without_a_journal_fails_with_one_sentence(brokers: str, tmp_path: Path) -> None:
    result = run("--out", tmp_path / "r", brokers=brokers, topic_prefix="other-")
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert not (tmp_path / "r").exists()
