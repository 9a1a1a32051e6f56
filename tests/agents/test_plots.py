"""Plots of a report: whole SVG that loads nothing, takes its colours from the page, and is equal for equal numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from xml.etree import ElementTree

import pytest

from agents.backtest.plots import Point, frontier, histogram, weekly_bars, weekly_lines
from streams.clock import DAY_MS

MONDAY: Final = 1_767_571_200_000
WEEKS: Final = [(MONDAY + number * 7 * DAY_MS, number % 5, number % 3) for number in range(30)]
POINTS: Final = [Point(4.0, 30.0, "7d & less"), Point(2.0, 12.0, "21d")]
PLOTS: Final[dict[str, Callable[[], str]]] = {
    "lines": lambda: weekly_lines(WEEKS, "A <title>", both=True),
    "one line": lambda: weekly_lines(WEEKS, "A <title>", both=False),
    "one week": lambda: weekly_lines(WEEKS[1:2], "A <title>", both=False),
    "bars": lambda: weekly_bars(WEEKS, "A <title>"),
    "histogram": lambda: histogram([0.5, 3.0, 41.0], "A <title>", "days"),
    "frontier": lambda: frontier(POINTS, "A <title>", "alerts", "recall, %"),
}


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_is_whole_and_needs_nothing_but_its_page(name: str) -> None:
    drawn = PLOTS[name]()
    root = ElementTree.fromstring(drawn)
    assert root.tag == "svg"
    assert root.get("aria-label") == root.findtext("title") == "A <title>"
    assert root.get("viewBox")
    assert "http" not in drawn
    assert "<script" not in drawn
    colours = set(re.findall(r'(?:fill|stroke)="([^"]*)"', drawn)) - {"none", "transparent"}
    assert all(re.fullmatch(r"var\(--[a-z]+\)", one) for one in colours), colours
    assert drawn == PLOTS[name]()


def test_both_runs_are_drawn_where_there_are_two() -> None:
    assert "var(--there)" in PLOTS["lines"]()
    assert "var(--there)" not in PLOTS["one line"]()
    assert "stroke-dasharray" in PLOTS["lines"]()


def test_labels_of_a_frontier_stand_in_it() -> None:
    texts = [one.text for one in ElementTree.fromstring(PLOTS["frontier"]()).iter("text")]
    assert {"7d & less", "21d", "alerts", "recall, %"} <= set(texts)


def test_nothing_is_drawn_of_nothing() -> None:
    assert weekly_lines([(MONDAY, 0, 0)], "t", both=True) == ""
    assert weekly_bars([], "t") == ""
    assert histogram([], "t", "days") == ""
    assert frontier([], "t", "x", "y") == ""
