"""A backtest's folder: what is in it, and that it is there whole or not at all."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agents.backtest import FILES, Ask, OutputError, Source, asking, backtest, backtest_facts, backtest_journal, sources
from agents.backtest.runs import Selection, Side
from agents.fact_files import FactFiles
from agents.recordings import Recording, RecordingWriter
from schemas.base import parse_instant, to_ms
from schemas.outbound import encode_intervention
from streams import ruleset
from streams.backtest.replay import PARTITIONS
from streams.clock import DAY_MS
from streams.engine import Engine
from streams.judging import EVERYWHERE
from tests.streams.backtest.lines import activation, clock, journals, pair, random_lines, rating


def write_lines(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(b"\n".join(lines))
    return path


def write_journal(path: Path, lines: list[bytes]) -> Path:
    with RecordingWriter(path, [0] * PARTITIONS) as writer:
        for partition, entries in enumerate(journals(lines)):
            for offset, value in enumerate(entries):
                writer.add(partition, offset, 0, None, value)
        writer.close()
    return path


def values(out: Path, name: str = "interventions.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / name).read_bytes().splitlines()]


def live(lines: list[bytes]) -> list[bytes]:
    """What a worker writes, by Kafka timestamp, partition, offset."""
    found = []
    for partition, entries in enumerate(journals(lines)):
        engine = Engine()
        for offset, value in enumerate(entries):
            assert engine.apply(offset, value)
        messages = engine.flush().interventions
        found += [(message.timestamp_ms, partition, number, message.value) for number, message in enumerate(messages)]
    return [value for _, _, _, value in sorted(found)]


def test_a_journal_gives_the_bytes_that_a_worker_writes(tmp_path: Path) -> None:
    lines = random_lines(7, 300)
    path = write_journal(tmp_path / "r", lines)
    summary = backtest_journal(Recording(path), tmp_path / "out", None)
    expected = live(lines)
    assert len(expected) > 20
    assert (tmp_path / "out" / "interventions.jsonl").read_bytes().splitlines() == expected
    assert summary["interventions_total"] == len(expected)
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == sorted(FILES)


@pytest.mark.slow
def test_several_processes_write_the_same_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "WORTH_PROCESSES", 0)
    path = write_journal(tmp_path / "r", random_lines(12, 300))
    rules = ruleset.parse({"rules": {"rating.low": {"cool_down": "1d"}}})
    told: list[int] = []
    one = backtest_journal(Recording(path), tmp_path / "one", rules)
    two = backtest_journal(Recording(path), tmp_path / "two", rules, jobs=2, progress=told.append)
    assert one == two
    assert sum(told) == Recording(path).info.entries
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.slow
def test_several_processes_read_lines_as_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rule sets, bad lines of every kind of owner, an activation that fails, comments: the folders are equal."""
    monkeypatch.setattr(sources, "WORTH_PROCESSES", 0)
    folder = tmp_path / "facts"
    folder.mkdir()
    lines = random_lines(31, 300)
    bad = [
        b"not JSON",
        rating(DAY_MS, 9),
        rating(DAY_MS, 7, program="elsewhere"),
        activation(DAY_MS, {"rules": {"x": {}}}),
    ]
    write_lines(folder / "a.jsonl", [*lines[:200:2], *bad, rating(2 * DAY_MS, comment="he hit me")])
    write_lines(folder / "b.jsonl", [*lines[1:200:2], *lines[200:]])
    there = ruleset.parse({"rules": {"rating.low": {"low": 1}}})
    ask = Ask(Side("here", None), Side("there", there.encoded()))
    for name, jobs in (("one", 1), ("two", 2)):
        told: list[int] = []
        backtest(Source(facts=FactFiles(folder)), tmp_path / name, ask, jobs, told.append)
        assert sum(told) == 2 * jobs * FactFiles(folder).size, "each process reads all lines for both runs"
    assert len(values(tmp_path / "one", "dead-letters.jsonl")) == len(bad)
    assert values(tmp_path / "one", "comparison.jsonl")
    for one in (tmp_path / "one").iterdir():
        assert one.read_bytes() == (tmp_path / "two" / one.name).read_bytes(), one.name


@pytest.mark.parametrize("kind", ["journal", "lines"])
def test_chosen_programs_and_times_say_what_they_say_among_all(tmp_path: Path, kind: str) -> None:
    lines = random_lines(41, 250)
    if kind == "journal":
        source = Source(journal=Recording(write_journal(tmp_path / "r.parquet", lines)))
    else:
        source = Source(facts=FactFiles(write_lines(tmp_path / "f.jsonl", lines)))
    backtest(source, tmp_path / "all", Ask(Side("here", None)))
    everything = values(tmp_path / "all")
    chosen = frozenset(sorted({one["program_id"] for one in everything} - {EVERYWHERE})[:2])
    middle = sorted(one["decided_at"] for one in everything)[len(everything) // 2]
    from_ms = to_ms(parse_instant(middle))
    for selection, expected in (
        (Selection(programs=chosen | {"nobody"}), [one for one in everything if one["program_id"] in chosen]),
        (Selection(from_ms=from_ms), [one for one in everything if one["decided_at"] >= middle]),
        (Selection(to_ms=from_ms), [one for one in everything if one["decided_at"] < middle]),
    ):
        told: list[int] = []
        ask = Ask(Side("here", None), selection=selection)
        summary = backtest(source, tmp_path / "some", ask, progress=told.append)
        assert sum(told) == source.size, "all of it, even where the question ends earlier"
        assert summary["asked"]["unknown_programs"] == (["nobody"] if selection.programs else [])
        assert 0 < len(expected) < len(everything)
        assert values(tmp_path / "some") == expected
        assert sum(sum(one.values()) for one in summary["interventions"].values()) == len(expected)


def test_lines_give_interventions_counts_and_dead_letters(tmp_path: Path) -> None:
    lines = [pair(), rating(DAY_MS), rating(DAY_MS), b"nonsense", rating(DAY_MS, 9), clock(40 * DAY_MS)]
    summary = backtest_facts(FactFiles(write_lines(tmp_path / "f.jsonl", lines)), tmp_path / "out", None)
    assert summary == json.loads((tmp_path / "out" / "summary.json").read_bytes())
    assert {name: summary[name] for name in ("facts", "duplicates", "late", "dead_letters", "entries")} == {
        "facts": 3, "duplicates": 1, "late": 0, "dead_letters": 2, "entries": 6,
    }  # fmt: skip
    assert summary["interventions"]["rating.low"]["opened"] == 1
    assert summary["hashes"]["rulesets"] == [ruleset.shipped().hash]
    assert [(one["line"], one["reason"]) for one in values(tmp_path / "out", "dead-letters.jsonl")] == [
        (4, "not_json"),
        (5, "out_of_range"),
    ]
    decided = [one["decided_at"] for one in values(tmp_path / "out")]
    assert decided == sorted(decided)
    assert (summary["first_decided_at"], summary["last_decided_at"]) == (decided[0], decided[-1])


def test_a_dead_letter_of_a_folder_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_lines(tmp_path / "in" / "b.jsonl", [b"nonsense", clock(1)])
    write_lines(tmp_path / "in" / "a.jsonl", [clock(2), b"[]"])
    backtest_facts(FactFiles(tmp_path / "in"), tmp_path / "out", None)
    found = [(one["file"], one["line"], one["reason"]) for one in values(tmp_path / "out", "dead-letters.jsonl")]
    assert found == [("a.jsonl", 2, "not_an_object"), ("b.jsonl", 1, "not_json")]


@pytest.mark.parametrize("kind", ["journal", "facts"])
def test_a_fixed_rule_set_ignores_and_counts_activations_once(tmp_path: Path, kind: str) -> None:
    off = {"rules": {"rating.low": {"enabled": False}}}
    lines, rules = [pair(), activation(1, off), rating(DAY_MS)], ruleset.parse({})
    if kind == "journal":
        path = write_journal(tmp_path / "r", lines)
        summary = backtest_journal(Recording(path), tmp_path / "out", rules)
    else:
        summary = backtest_facts(FactFiles(write_lines(tmp_path / "f.jsonl", lines)), tmp_path / "out", rules)
    assert (summary["activations"], summary["ignored_activations"], summary["rules"]) == (0, 1, "fixed")
    assert summary["interventions"]["rating.low"] == {"opened": 1}
    assert summary["hashes"]["rulesets"] == [rules.hash]


def test_the_same_input_gives_the_same_folder_and_replaces_an_earlier_one(tmp_path: Path) -> None:
    files = FactFiles(write_lines(tmp_path / "f.jsonl", random_lines(3, 100)))
    backtest_facts(files, tmp_path / "out", None)
    before = {name: (tmp_path / "out" / name).read_bytes() for name in FILES}
    backtest_facts(files, tmp_path / "out", None)
    assert {name: (tmp_path / "out" / name).read_bytes() for name in FILES} == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["f.jsonl", "out"]


def test_a_folder_with_anything_else_in_it_is_not_touched(tmp_path: Path) -> None:
    files = FactFiles(write_lines(tmp_path / "f.jsonl", [clock(1)]))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="something other than the output of a backtest"):
        backtest_facts(files, tmp_path / "out", None)
    assert (tmp_path / "out" / "thesis.txt").read_text() == "years of work"


def test_what_a_killed_backtest_left_behind_goes_with_the_next_one(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    for pid in (ended.pid, os.getppid()):
        (tmp_path / f".out.partial-{pid}").mkdir()
        (tmp_path / f".out.partial-{pid}" / ".here-0").write_text("half")
    backtest_facts(FactFiles(write_lines(tmp_path / "f.jsonl", [pair()])), tmp_path / "out", None)
    assert {one.name for one in tmp_path.iterdir()} == {"f.jsonl", "out", f".out.partial-{os.getppid()}"}


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> str:
        raise OSError("no space left")

    monkeypatch.setattr(asking, "render", fail)
    files = FactFiles(write_lines(tmp_path / "f.jsonl", [pair(), rating(1)]))
    with pytest.raises(OSError, match="no space left"):
        backtest_facts(files, tmp_path / "out", None)
    assert [one.name for one in tmp_path.iterdir()] == ["f.jsonl"]


def test_the_report_tells_the_verdict_and_carries_no_script(tmp_path: Path) -> None:
    summary = backtest_facts(
        FactFiles(write_lines(tmp_path / "f.jsonl", [pair(), rating(DAY_MS), b"nonsense"])), tmp_path / "out", None
    )
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "2 facts led to " in page
    assert "1 line could not be used" in page
    assert summary["hashes"]["interventions"] in page
    assert "<script" not in page
    assert "http" not in page


def test_an_intervention_line_is_the_kafka_value() -> None:
    engine = Engine()
    for offset, value in enumerate(journals([pair(), rating(1)])[_partition_of("p")]):
        engine.apply(offset, value)
    twin = Engine()
    for offset, value in enumerate(journals([pair(), rating(1)])[_partition_of("p")]):
        twin.apply(offset, value)
    assert [encode_intervention(one.record) for one in engine.decisions()] == [
        message.value for message in twin.flush().interventions
    ]


def _partition_of(program: str) -> int:
    from streams.partitioner import partition_for

    return partition_for(program.encode(), PARTITIONS)
