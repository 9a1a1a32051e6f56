"""The demo from beginning to end, with its first months only."""

import io
import json
from collections import Counter
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from agents.cli import main
from agents.demo.run import Demo, DemoError, Files
from agents.demo.screen import Screen
from examples.oulad.facts import facts

END = datetime(2026, 6, 1, tzinfo=UTC)

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "demo")


def test_what_the_demo_leaves_equals_a_backtest_of_its_recording_byte_for_byte(files: Files, tmp_path: Path) -> None:
    records = list(islice(facts(END, 400), 7_000))
    shown = io.StringIO()
    demo = Demo(files, Screen(Console(file=shown)))
    try:
        demo.start()
        result = demo.feed(records)
    finally:
        demo.stop()
    assert result.facts == len(records)
    live = files.interventions.read_bytes()
    told = Counter((json.loads(line)["rule"]["id"], json.loads(line)["change"]) for line in live.splitlines())
    assert result.counts == told
    assert sum(told.values()) > 10
    assert "feeding a year" in shown.getvalue()

    out = tmp_path / "out"
    done = CliRunner().invoke(main, ["backtest", str(files.recording), "--out", str(out), "--jobs", "1"])
    assert done.exit_code == 0, done.output
    assert (out / "interventions.jsonl").read_bytes() == live


def test_a_demo_that_is_stopped_leaves_no_recording_and_says_so(files: Files) -> None:
    demo = Demo(files, Screen(Console(file=io.StringIO())))
    try:
        demo.start()
        demo.ask_to_stop()
        with pytest.raises(DemoError, match="stopped before the end"):
            demo.feed(list(islice(facts(END, 10), 100)))
    finally:
        demo.stop()
    assert [path.name for path in files.folder.iterdir()] == ["worker.log"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    demo = Demo(Files(tmp_path / "file" / "demo"), Screen(Console(file=io.StringIO())))
    with pytest.raises(DemoError, match=r"cannot write into .*EBB_DATA_DIR"):
        demo.start()
    demo.stop()
