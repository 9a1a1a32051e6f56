"""The pages made of results: docs/performance.md with its plots, docs/scaling.md, the figures of the README.

    python -m benchmarks.page

Everything is a function of the committed results, so a test can make them anew and compare (`tests/benchmarks`).
Plots are compared by what they are made from, because fonts differ between machines: each SVG ends with a digest of it.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks.harness.results import FOLDER, ROOT, Part, load
from benchmarks.page import performance, plots, readme, scaling

SUITES: Final = ("live", "peers", "growth", "profiles")
PLOTS: Final = "docs/performance"
_BEGIN, _END = "<!-- figures: made by benchmarks.page -->\n", "<!-- end of figures -->\n"


def results(folder: Path = FOLDER) -> dict[str, dict[str, Part]]:
    """All committed results by suite and part."""
    return {suite: load(suite, folder) for suite in SUITES}


def texts(found: dict[str, dict[str, Part]]) -> dict[str, str]:
    """Files by their path: pages, and the constants of `agents.sizing`."""
    constants = scaling.measured(found)
    old = (ROOT / "README.md").read_text("utf-8")
    figures = _BEGIN + "\n" + readme.figures(found) + "\n" + _END
    return {
        "agents/sizing.json": msgspec.json.format(msgspec.json.encode(constants), indent=1).decode() + "\n",
        "docs/performance.md": performance.page(found),
        "docs/scaling.md": scaling.page(constants),
        "README.md": re.sub(f"{_BEGIN}.*?{_END}", lambda _: figures, old, flags=re.DOTALL),
    }


def charts(found: dict[str, dict[str, Part]]) -> dict[str, dict[str, Any]]:
    """What each plot is made from, by the path of its SVG."""
    return {f"{PLOTS}/{name}.svg": chart for name, chart in plots.charts(found).items()}


def digest(chart: dict[str, Any]) -> str:
    """The last line of a plot's SVG: what it was made from."""
    return f"<!-- {hashlib.sha256(json.dumps(chart, sort_keys=True).encode()).hexdigest()[:32]} -->\n"


def write() -> None:
    """Write everything that results say; nothing, and say why, while parts that sizes rest on were never measured."""
    found = results()
    try:
        pages = texts(found)
    except scaling.IncompleteError as error:
        print(f"no pages made: {error}")
        return
    for path, text in pages.items():
        (ROOT / path).write_text(text, "utf-8")
    wanted = charts(found)
    (ROOT / PLOTS).mkdir(exist_ok=True)
    for path, chart in wanted.items():
        (ROOT / path).write_text(plots.svg(chart) + "\n" + digest(chart), "utf-8")
    for old in (ROOT / PLOTS).glob("*.svg"):
        if f"{PLOTS}/{old.name}" not in wanted:
            old.unlink()
