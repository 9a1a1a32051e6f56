"""Grafana's own types accept the dashboards, and would not accept others."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import skipped_without
from tools.dashboards.__main__ import BOARDS, rendered
from tools.dashboards.types import TypesUnavailableError, complaints


def _complaints(boards: list[str], folder: Path) -> list[str]:
    with skipped_without(TypesUnavailableError):
        return complaints(boards, folder)


def _misspelt_option(board: dict[str, Any]) -> None:
    board["panels"][1]["options"]["legende"] = {}


def _unknown_word(board: dict[str, Any]) -> None:
    board["panels"][1]["options"]["tooltip"]["mode"] = "several"


def _no_expression(board: dict[str, Any]) -> None:
    del board["panels"][1]["targets"][0]["expr"]


def _wrong_field(board: dict[str, Any]) -> None:
    board["panels"][1]["fieldConfig"]["defaults"]["custom"]["lineWidth"] = "2"


def test_the_dashboards_are_what_grafana_publishes_as_its_types(tmp_path: Path) -> None:
    assert _complaints([rendered(board) for board in BOARDS], tmp_path) == []


def test_each_mistake_in_a_dashboard_is_noticed(tmp_path: Path) -> None:
    mistakes: list[Callable[[dict[str, Any]], None]] = [_misspelt_option, _unknown_word, _no_expression, _wrong_field]
    boards = []
    for spoil in mistakes:
        board = json.loads(rendered(BOARDS[0]))
        spoil(board)
        boards.append(json.dumps(board))
    found = _complaints(boards, tmp_path)
    assert {line.partition("(")[0] for line in found} == {f"boards/board{number}.ts" for number in range(len(mistakes))}
