"""`ebb import`: facts of other systems become a recording; what is no good fact is listed and never guessed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from agents.backtest import backtest_facts, backtest_journal
from agents.cli.import_ import command
from agents.fact_files import FactFiles
from agents.importing import import_lines
from agents.recordings import Recording
from tests.streams.backtest.lines import random_lines

MAPPING: Final = """
topic = "ratings"
arrived_at = "received"
timezone = "Europe/Berlin"
[constants]
type = "rating.submitted"
kind = "mqs"
[columns]
event_id = "id"
program_id = "program"
pair_id = "pair"
participant_id = "who"
rating = "stars"
occurred_at = "given"
comment = "words"
"""
HEAD: Final = "id,program,pair,who,stars,given,received,words"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(each) for each in arguments])


def bad_rows(path: Path) -> dict[int, str]:
    """Row number → message."""
    return {one["line"]: one["message"] for one in map(json.loads, path.read_bytes().splitlines())}


def without_places(path: Path) -> list[dict[str, Any]]:
    """Interventions without the coordinates of facts, which lines of facts have none of."""
    found = [json.loads(line) for line in path.read_bytes().splitlines()]
    for one in found:
        for item in one["evidence"]:
            item.pop("source", None)
    return found


def csv_import(folder: Path, rows: str, mapping: str = MAPPING) -> Result:
    (folder / "m.toml").write_text(mapping)
    (folder / "r.csv").write_text(rows)
    return run(folder / "r.csv", "--mapping", folder / "m.toml", "--out", folder / "r.parquet", "--json")


def test_lines_say_the_same_once_imported_as_they_do_by_themselves(tmp_path: Path) -> None:
    (tmp_path / "f.jsonl").write_bytes(b"\n".join([*random_lines(11, 250), b"not JSON"]))
    files = FactFiles(tmp_path / "f.jsonl")
    _, importer = import_lines(files, tmp_path / "r.parquet")
    assert len(importer.bad) == 1
    as_lines = backtest_facts(files, tmp_path / "lines", None)
    as_journal = backtest_journal(Recording(tmp_path / "r.parquet"), tmp_path / "journal", None)
    assert as_lines["interventions"] == as_journal["interventions"] != {}
    told = without_places(tmp_path / "lines" / "interventions.jsonl")
    assert len(told) > 20
    assert told == without_places(tmp_path / "journal" / "interventions.jsonl")


def test_rows_of_csv_become_facts_and_bad_ones_are_listed(tmp_path: Path) -> None:
    done = csv_import(
        tmp_path,
        f"{HEAD}\n"
        "a,p,q,x,2,2026-01-05 10:00,2026-01-05T10:00:01+01:00,\n"
        "b,p,q,x,4.0,2026-01-05 11:00,2026-01-05 11:00:01,\n"
        "c,p,q,x,5,yesterday,2026-01-05 11:00:01,\n"
        "d,p,q,x,9,2026-01-05 12:00,2026-01-05 12:00:01,\n"
        "e,p,q,x,1_0,2026-01-05 12:00,2026-01-05 12:00:01,\n"
        "f,p,q,x,3,2026-10-25 02:30,2026-10-26 12:00:01,\n"
        "g,p,q,x,3,2026-03-29 02:30,2026-03-30 12:00:01,\n"
        "h,p,q,x,3\n"
        "i,p,q,x,3,2026-01-05 12:00,2026-01-05 12:00:01,one,two\n"
        ",p,q,x,3,2026-01-05 12:00,2026-01-05 12:00:01,\n"
        'k,p,q,x,1,2026-01-05T12:00:00Z,2026-01-06 12:00:01,"I am scared, and alone"\n',
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert (told["facts"], told["bad"]) == (2, 9)
    assert bad_rows(tmp_path / "r.parquet.bad.jsonl") == {
        3: "`rating` is no whole number.",
        4: "`occurred_at` is no instant in ISO 8601.",
        5: "`rating` is out of range.",
        6: "`rating` is no whole number.",
        7: "`occurred_at` happens twice or never on that day's clocks: state the offset.",
        8: "`occurred_at` happens twice or never on that day's clocks: state the offset.",
        9: "The row has more or fewer cells than the head.",
        10: "The row has more or fewer cells than the head.",
        11: "`event_id` is missing.",
    }
    summary = backtest_journal(Recording(tmp_path / "r.parquet"), tmp_path / "out", None)
    assert summary["facts"] == 2
    assert summary["comments"]["read"] == 1
    assert b"scared" not in (tmp_path / "r.parquet").read_bytes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("stars", "points"), "has no column points"),
        (('rating = "stars"', 'ratng = "stars"'), "no fact of ratings has a field ratng"),
        (('topic = "ratings"', 'topic = "stars"'), "stars is no inbound topic"),
        (("Europe/Berlin", "Europe/Bern"), "there is no time zone Europe/Bern"),
        (("[columns]", "[column]"), "is no mapping file"),
    ],
)
def test_a_mapping_that_does_not_fit_is_wrong_usage_before_anything_is_read(
    tmp_path: Path, change: tuple[str, str], words: str
) -> None:
    done = csv_import(tmp_path, f"{HEAD}\n", MAPPING.replace(*change))
    assert done.exit_code == 2
    assert words in done.output
    assert not (tmp_path / "r.parquet").exists()


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    done = csv_import(tmp_path, f"{HEAD},stars\n")
    assert done.exit_code == 2
    assert "two columns of one name" in done.output


def test_lists_and_values_are_mapped(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(
        """
        topic = "pairs"
        [constants]
        type = "pair.changed"
        kind = "group"
        [columns]
        event_id = "id"
        program_id = "program"
        pair_id = "pair"
        mentor_ids = "mentors"
        mentee_ids = "mentees"
        state = "status"
        matched_at = "since"
        occurred_at = "since"
        [values.state]
        Ongoing = "active"
        [lists]
        mentor_ids = ";"
        mentee_ids = ";"
        """
    )
    (tmp_path / "p.csv").write_text(
        "id,program,pair,mentors,mentees,status,since\n"
        "a,p,q,m,n;o,Ongoing,2026-01-05T10:00:00Z\n"
        "b,p,r,m,n,Paused,2026-01-05T10:00:00Z\n"
    )
    done = run(tmp_path / "p.csv", "--mapping", tmp_path / "m.toml", "--out", tmp_path / "r.parquet", "--json")
    assert json.loads(done.output)["facts"] == 1
    assert list(bad_rows(tmp_path / "r.parquet.bad.jsonl")) == [3]
    values = b"".join(b"".join(block) for n in range(8) for _, block in Recording(tmp_path / "r.parquet").entries(n))
    assert b'"mentee_ids":["n","o"]' in values


def test_nothing_but_bad_rows_leaves_no_recording(tmp_path: Path) -> None:
    done = csv_import(tmp_path, f"{HEAD}\na,p,q,x,none,2026-01-05 10:00,2026-01-05 10:00,\n")
    assert done.exit_code == 1
    assert "No row was a good fact" in done.output
    assert not (tmp_path / "r.parquet").exists()


def test_a_file_that_is_not_utf_8_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(MAPPING)
    (tmp_path / "r.csv").write_bytes(HEAD.encode() + b"\na,p,q,x,1,2026-01-05 10:00,2026-01-05 10:00,\xff\n")
    done = run(tmp_path / "r.csv", "--mapping", tmp_path / "m.toml", "--out", tmp_path / "r.parquet")
    assert done.exit_code == 1
    assert "Nothing was imported" in done.output
    assert sorted(one.name for one in tmp_path.iterdir()) == ["m.toml", "r.csv"]
