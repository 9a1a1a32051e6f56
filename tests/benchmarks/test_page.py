"""The pages say what the committed results say."""

from pathlib import Path

import msgspec
import pytest

from benchmarks import page
from benchmarks.harness.machine import Machine
from benchmarks.harness.results import FOLDER, ROOT, Part, Run, Spread
from benchmarks.page import plots
from benchmarks.page.rows import number, spread
from benchmarks.page.targets import verdicts

RESULTS = page.results()


@pytest.mark.parametrize(
    ("path", "text"), page.texts(RESULTS).items(), ids=lambda value: value if len(value) < 60 else ""
)
def test_each_page_is_what_the_results_give(path: str, text: str) -> None:
    assert (ROOT / path).read_text("utf-8") == text, "run python -m benchmarks.page"


def test_each_plot_was_drawn_from_the_results() -> None:
    wanted = page.charts(RESULTS)
    there = {str(path.relative_to(ROOT)) for path in (ROOT / page.PLOTS).glob("*.svg")}
    assert there == set(wanted)
    assert [
        path for path, chart in wanted.items() if not (ROOT / path).read_text("utf-8").endswith(page.digest(chart))
    ] == []


def test_a_plot_can_be_drawn() -> None:
    results = {suite: dict[str, Part]() for suite in page.SUITES}
    runs = [Run(case, 1, {"cpu_us": 20.0}) for case in ("10000", "100000")]
    results["growth"]["pairs"] = msgspec.structs.replace(_part(), runs=runs)
    (chart,) = plots.charts(results).values()
    assert plots.svg(chart).startswith("<svg")


def test_every_result_stands_under_its_suite_and_name() -> None:
    parts = [(suite, name, part) for suite, found in RESULTS.items() for name, part in found.items()]
    assert parts
    assert [(suite, name) for suite, name, part in parts if (part.suite, part.name) != (suite, name)] == []


def _part(*values: float) -> Part:
    machine = Machine(2, "", 1.0, "", "3.11", True, "", "", {}, 0.0)
    runs = [Run("engine", place, {"rate": value, "cpu_us": 25.0}) for place, value in enumerate(values, 1)]
    return Part("live", "engine", "abc", "2026-01-01 00:00", 1.0, machine, {}, runs)


def test_a_spread_leaves_no_run_out() -> None:
    assert Spread.of([3.0, 1.0, 100.0]) == Spread(3.0, 1.0, 100.0, 3)
    assert spread(_part(1.0, 2.0, 300.0), "engine", "rate") == "2 (1 to 300)"
    assert spread(_part(), "engine", "rate") == "–"


def test_a_number_has_three_digits_that_mean_something() -> None:
    assert [number(value) for value in (0.01234, 3.14159, 42.42, 512.3, 4_711, 123_456)] == [
        "0.0123", "3.14", "42.4", "512", "4,710", "123,000",
    ]  # fmt: skip


def test_a_figure_that_falls_short_is_called_missed() -> None:
    results = {suite: dict[str, Part]() for suite in page.SUITES}
    results["live"]["engine"] = _part(49_000.0)
    told = {name: verdict for name, _, _, verdict in verdicts(results)}
    assert told["engine, all rules, exactly once"] == "MISSED"
    assert told["ingest"] == "open"
    results["live"]["engine"] = _part(51_000.0)
    assert {name: verdict for name, _, _, verdict in verdicts(results)}["engine, all rules, exactly once"] == "held"


def test_results_are_read_back_as_they_were_written() -> None:
    for path in sorted(Path(FOLDER).glob("*/*.json")):
        assert path.stem in path.read_text("utf-8")
