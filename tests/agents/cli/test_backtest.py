"""`ebb backtest` as a person or a program meets it: exit codes, what is printed, what is refused."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agents.cli.backtest import command
from streams import ruleset
from streams.clock import DAY_MS
from tests.agents.test_backtest import write_journal, write_lines
from tests.streams.backtest.lines import pair, rating

LINES = [pair(), rating(DAY_MS)]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(each) for each in arguments])


@pytest.mark.parametrize("kind", ["journal", "file", "folder"])
def test_every_kind_of_recording_is_replayed(tmp_path: Path, kind: str) -> None:
    if kind == "journal":
        recording = write_journal(tmp_path / "recording.parquet", LINES)
    else:
        (tmp_path / "in").mkdir()
        recording = write_lines(tmp_path / "in" / "facts.jsonl", LINES)
    result = run(recording.parent if kind == "folder" else recording, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "2 facts led to " in result.stdout
    assert (tmp_path / "out" / "summary.json").exists()


def test_json_prints_the_summary_and_nothing_else(tmp_path: Path) -> None:
    recording = write_lines(tmp_path / "facts.jsonl", LINES)
    result = run(recording, "--out", tmp_path / "out", "--json")
    assert json.loads(result.output) == json.loads((tmp_path / "out" / "summary.json").read_bytes())


def test_a_rule_file_is_in_force_throughout(tmp_path: Path) -> None:
    rules = tmp_path / "quiet.toml"
    rules.write_text('[rules."rating.low"]\nenabled = false\n')
    result = run(write_lines(tmp_path / "f.jsonl", LINES), "--rules", rules, "--out", tmp_path / "out", "--json")
    summary = json.loads(result.output)
    assert "rating.low" not in summary["interventions"]
    assert summary["hashes"]["rulesets"] == [ruleset.parse({"rules": {"rating.low": {"enabled": False}}}).hash]


@pytest.mark.parametrize(
    ("text", "words"),
    [('[rules."rating.lo"]\n', "did you mean rating.low?"), ("rules = ", "is no TOML"), (None, "cannot be read")],
)
def test_a_bad_rule_file_is_wrong_usage_and_says_why(tmp_path: Path, text: str | None, words: str) -> None:
    if text is not None:
        (tmp_path / "rules.toml").write_text(text)
    recording = write_lines(tmp_path / "f.jsonl", LINES)
    result = run(recording, "--rules", tmp_path / "rules.toml", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()


def test_a_recording_that_is_neither_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("a,b\n")
    result = run(tmp_path / "r.csv", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "neither a Parquet recording nor a .jsonl file" in result.output
    assert run(tmp_path / "missing.jsonl", "--out", tmp_path / "out").exit_code == 2
    assert run(tmp_path / "r.csv").exit_code == 2


def test_a_damaged_recording_fails_with_one_sentence(tmp_path: Path) -> None:
    recording = write_journal(tmp_path / "r.parquet", LINES)
    recording.write_bytes(recording.read_bytes()[:-9])
    result = run(recording, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert "no complete Parquet file" in result.output
    assert not (tmp_path / "out").exists()
