"""Bad input of `ebb backtest`: one sentence, an exit code, and no half-written folder, in one process or in two."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from agents.backtest import sources
from agents.cli.backtest import command
from agents.recordings import METADATA_KEY, RecordingWriter
from streams.backtest.replay import PARTITIONS
from streams.clock import DAY_MS
from tests.agents.test_backtest import write_journal, write_lines
from tests.streams.backtest.lines import journals, line, pair, random_lines, rating

LINES: Final = [pair(), *(rating(day * DAY_MS, program=f"p{day}") for day in range(1, 20))]
Damage = Callable[[Path], None]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(each) for each in arguments])


def truncate(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def flip(path: Path) -> None:
    """Damage a page in the middle: the file opens, and fails once some of it has been replayed."""
    whole = bytearray(path.read_bytes())
    metadata = pq.read_metadata(path)
    column = metadata.row_group(metadata.num_row_groups - 1).column(4)
    whole[column.data_page_offset + column.total_compressed_size - 5] ^= 0xFF
    path.write_bytes(whole)


def make_hole(path: Path) -> None:
    """Leave out one row in the middle of the largest row group; everything else stays as it lies in the file."""
    file = pq.ParquetFile(path)
    groups = [file.read_row_group(number) for number in range(file.num_row_groups)]
    metadata = file.metadata.metadata[METADATA_KEY]
    largest = max(range(len(groups)), key=lambda number: groups[number].num_rows)
    rows = groups[largest].num_rows
    groups[largest] = pa.concat_tables([groups[largest].slice(0, rows // 2), groups[largest].slice(rows // 2 + 1)])
    with pq.ParquetWriter(path, groups[0].schema) as writer:
        for group in groups:
            writer.write_table(group)
        writer.add_key_value_metadata({METADATA_KEY: metadata})


def one_of_a_later_version(path: Path) -> None:
    """Write the recording anew with one entry in the middle that is of the next version."""
    with RecordingWriter(path, [0] * PARTITIONS) as writer:
        for partition, entries in enumerate(journals(LINES)):
            for offset, value in enumerate(entries):
                is_chosen = partition == 3 and offset == len(entries) // 2
                writer.add(partition, offset, 0, None, value.replace(b'"v":1', b'"v":2') if is_chosen else value)
        writer.close()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (truncate, "no complete Parquet file"),
        (flip, "record it again"),
        (make_hole, "has a hole in journal partition"),
        (one_of_a_later_version, "of partition 3 is none that this version can read"),
    ],
)
def test_a_bad_recording_ends_in_one_sentence_and_leaves_no_folder(tmp_path: Path, damage: Damage, words: str) -> None:
    recording = write_journal(tmp_path / "r.parquet", LINES)
    damage(recording)
    done = run(recording, "--out", tmp_path / "out", "--jobs", "1")
    assert done.exit_code == 1
    assert words in done.output
    assert done.output.startswith("Error: ")
    assert done.output.count("\n") == 1
    assert [one.name for one in tmp_path.iterdir()] == ["r.parquet"]


def test_an_earlier_report_stays_as_it_was_when_the_next_one_fails(tmp_path: Path) -> None:
    recording = write_journal(tmp_path / "r.parquet", LINES)
    assert run(recording, "--out", tmp_path / "out").exit_code == 0
    before = {one.name: one.read_bytes() for one in (tmp_path / "out").iterdir()}
    make_hole(recording)
    assert run(recording, "--out", tmp_path / "out").exit_code == 1
    assert {one.name: one.read_bytes() for one in (tmp_path / "out").iterdir()} == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out", "r.parquet"]


@pytest.mark.slow
def test_one_process_of_two_that_fails_leaves_no_folder_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "WORTH_PROCESSES", 0)
    recording = write_journal(tmp_path / "r.parquet", LINES)
    one_of_a_later_version(recording)
    done = run(recording, "--out", tmp_path / "out", "--jobs", "2")
    assert done.exit_code == 1
    assert "of partition 3 is none that this version can read" in done.output
    assert [one.name for one in tmp_path.iterdir()] == ["r.parquet"]


def test_an_unknown_rule_in_the_other_rule_set_is_named_before_anything_is_read(tmp_path: Path) -> None:
    recording = write_journal(tmp_path / "r.parquet", LINES)
    (tmp_path / "b.toml").write_text('[rules."rating.lowest"]\nenabled = true\n')
    done = run(recording, "--against", tmp_path / "b.toml", "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "Invalid value for --against" in done.output
    assert "rating.lowest" in done.output
    assert not (tmp_path / "out").exists()


def test_an_unknown_rule_that_the_recording_activates_is_named_with_its_entry(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "r.parquet", [0] * PARTITIONS) as writer:
        value = {"kind": "ruleset", "v": 1, "ruleset": {"rules": {"rating.lowest": {}}}, "hash": "0" * 64}
        writer.add(0, 0, 0, None, json.dumps(value | {"scope": "*", "backfill": "none"}).encode())
        writer.close()
    done = run(tmp_path / "r.parquet", "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "Entry 0 of partition 0 activates a rule set that this version does not know" in done.output
    assert not (tmp_path / "out").exists()


def test_facts_of_mixed_versions_are_counted_one_by_one(tmp_path: Path) -> None:
    """Of facts, a later version is a bad line like any other: the rest is replayed, and the report says so."""
    later = json.dumps(json.loads(rating(DAY_MS)) | {"schema_version": 99}).encode()
    recording = write_lines(tmp_path / "f.jsonl", [pair(), rating(DAY_MS), later, rating(2 * DAY_MS)])
    done = run(recording, "--out", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    summary = json.loads(done.output)
    assert (summary["facts"], summary["dead_letters"]) == (3, 1)
    (letter,) = (tmp_path / "out" / "dead-letters.jsonl").read_bytes().splitlines()
    assert json.loads(letter)["reason"] == "unknown_schema_version"
    assert "1 line could not be used" in (tmp_path / "out" / "report.html").read_text("utf-8")


@pytest.mark.parametrize("against", ["live", "recorded"])
def test_held_against_live_needs_what_was_published(tmp_path: Path, against: str) -> None:
    recording = write_journal(tmp_path / "r.parquet", random_lines(3, 50))
    done = run(recording, "--against", against, "--out", tmp_path / "out")
    assert done.exit_code == (1 if against == "live" else 0)
    if against == "live":
        assert "does not hold what was published" in done.output
        assert not (tmp_path / "out").exists()


def test_a_folder_without_facts_is_no_report_about_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    done = run(tmp_path / "in", "--out", tmp_path / "out")
    assert done.exit_code != 0
    assert not (tmp_path / "out").exists()


def test_a_range_that_ends_before_it_begins_is_wrong_usage(tmp_path: Path) -> None:
    recording = write_lines(tmp_path / "f.jsonl", [line("participants", 0)])
    done = run(recording, "--from", "2026-02-01", "--to", "2026-01-01", "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "--from must lie before --to" in done.output
