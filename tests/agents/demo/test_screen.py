"""The demo's picture on terminals of two sizes."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from agents.demo.screen import counts_table, draw
from streams.rules import RULES_BY_CODE

COUNTS = {
    (rule.id, change): 12_345
    for rule in list(RULES_BY_CODE.values())[:14]
    for change in ("opened", "evidence_added", "escalated", "resolved", "expired", "retracted", "woken")
}


def _lines(thing: object, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(thing)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize(("width", "closed"), [(80, "37,035"), (140, "12,345")])
def test_no_column_of_the_counts_is_cut_off(width: int, closed: str) -> None:
    header, *rows = _lines(counts_table(COUNTS, width), width)
    assert len(rows) == len({rule for rule, _ in COUNTS})
    assert header.split()[-1] == ("closed" if width == 80 else "retracted")
    assert all(row.split()[-1] == closed for row in rows)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 40)])
def test_the_picture_fits_the_terminal(width: int, height: int) -> None:
    said = SimpleNamespace(decided_at="2026-01-01T00:00:00.000Z", severity="high", summary="Something. " * 20)
    look = SimpleNamespace(total=9, sent=3, at_ms=0, seconds=1.0, counts=COUNTS, latest=[said] * 8, stage="feeding")
    lines = _lines(draw(look, width, height), width)
    assert len(lines) <= height
    assert any("feeding" in line for line in lines)
    assert sum("Something." in line for line in lines) == min(8, height - 9 - 14)
