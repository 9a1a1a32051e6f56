"""What the queries of the dashboards returned, as a table for `docs/observability.md`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from tools.dashboards.__main__ import BOARDS

Answer = Mapping[tuple[tuple[str, str], ...], float]
_SHOWN: Final = 3
_TABLE: Final = re.compile(r"(<!-- answers: .* -->\n).*?(<!-- end of answers -->)", re.DOTALL)
_HIDDEN: Final = {"program", "window", "job", "instance"}


def table(ask: Callable[[str], Answer], program: str) -> Iterator[str]:
    """Lines of the table.

    Args:
        ask: executes an expression.
        program: stands in for `$program`.
    """
    for board in BOARDS:
        yield f"### {board.title}"
        yield ""
        yield "| panel | query | returned |"
        yield "|---|---|---|"
        for panel in board.panels():
            for query in panel.queries:
                answer = ask(query.expr.replace("$program", program))
                expression = query.expr.replace("|", "\\|")
                yield f"| {panel.title} ({query.legend}) | `{expression}` | {_said(answer)} |"
        yield ""


def put(path: Path, lines: Iterator[str]) -> None:
    """Put the table between its marks in a document."""
    text = "\n".join(lines)
    document, replaced = _TABLE.subn(lambda found: f"{found[1]}\n{text}\n{found[2]}", path.read_text("utf-8"))
    assert replaced == 1, f"{path} has no marks for the table"
    path.write_text(document, "utf-8")


def _said(answer: Answer) -> str:
    if not answer:
        return "nothing"
    found = sorted(answer.items(), key=lambda each: (-each[1] if math.isfinite(each[1]) else 0.0, each[0]))
    shown = [f"{_named(labels)}{_number(value)}" for labels, value in found[:_SHOWN]]
    left = len(found) - len(shown)
    return ", ".join(shown) + (f" … and {left} more" if left else "")


def _named(labels: tuple[tuple[str, str], ...]) -> str:
    programs = [value for name, value in labels if name == "program"]
    others = [value for name, value in labels if name not in _HIDDEN]
    name = " ".join(others or programs)
    return f"{name} " if name else ""


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "no number"
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 1_000 else f"{value:.3g}"
