"""The plots, as Vega-Lite by way of altair, drawn as SVG without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import altair as alt
import vl_convert

from benchmarks.harness.results import Part
from benchmarks.page.rows import spread_of
from benchmarks.page.targets import Results
from benchmarks.peers.systems import SYSTEMS

OURS: Final = "#1f6f8b"
OTHERS: Final = "#b9c4c9"
_WIDTH: Final = 560


def charts(results: Results) -> dict[str, dict[str, Any]]:
    """Vega-Lite trees by name, of what was measured."""
    return dict(_charts(results))


def svg(chart: dict[str, Any]) -> str:
    """Draw it."""
    return str(vl_convert.vegalite_to_svg(chart))


def _charts(results: Results) -> Iterator[tuple[str, dict[str, Any]]]:
    if part := results["peers"].get("drain"):
        yield "peers", _peers(part)
    if part := results["live"].get("latency"):
        yield "latency", _latency(part)
    for name, axis in (("pairs", "pairs"), ("programs", "pairs in a program"), ("partitions", "journal partitions")):
        if part := results["growth"].get(name):
            yield f"growth-{name}", _growth(part, axis)


def _bars(part: Part, names: dict[str, str]) -> list[dict[str, Any]]:
    found = []
    for case, title in names.items():
        if cost := spread_of(part, case, "cpu_us"):
            found.append({
                "system": title, "median": cost.median, "least": cost.least, "most": cost.most, "ours": case == "ebb",
            })  # fmt: skip
    return found


def _data(rows: list[dict[str, Any]]) -> alt.Data:
    made: alt.Data = alt.Data.from_dict({"values": rows})
    return made


def _tree(chart: alt.Chart | alt.LayerChart) -> dict[str, Any]:
    tree: dict[str, Any] = chart.configure_view(stroke=None).configure_axis(grid=True, gridColor="#eeeeee").to_dict()
    return tree


def _peers(part: Part) -> dict[str, Any]:
    rows = _bars(part, {name: system.title for name, system in SYSTEMS.items()})
    base = alt.Chart(_data(rows)).properties(
        width=_WIDTH, title="CPU for one record of the pair job, whole run (lower is better; logarithmic)"
    )
    order = alt.EncodingSortField("median")
    bars = base.mark_bar().encode(
        y=alt.Y("system:N", sort=order, title=None, axis=alt.Axis(labelLimit=260)),
        x=alt.X("median:Q", title="CPU µs a record", scale=alt.Scale(type="log", domainMin=1)),
        x2=alt.datum(1),
        color=alt.condition("datum.ours", alt.value(OURS), alt.value(OTHERS)),
    )
    whiskers = base.mark_rule().encode(y=alt.Y("system:N", sort=order), x="least:Q", x2="most:Q")
    return _tree(bars + whiskers)


def _latency(part: Part) -> dict[str, Any]:
    rows = [
        {"load": run.case, "run": f"{run.case} {run.round}", "percentile": percent, "ms": value}
        for run in part.runs
        for percent, value in enumerate(run.curve)
        if percent >= 1
    ]
    chart = (
        alt.Chart(_data(rows))
        .mark_line(strokeWidth=1.5, opacity=0.8)
        .encode(
            x=alt.X("percentile:Q", title="percentile", scale=alt.Scale(domain=[0, 100])),
            y=alt.Y("ms:Q", title="ms", scale=alt.Scale(type="log")),
            color=alt.Color("load:N", title=None, scale=alt.Scale(range=[OURS, "#d1495b"])),
            detail="run:N",
        )
        .properties(width=_WIDTH, height=260, title="From due to read back, each run a line")
    )
    return _tree(chart)


def _growth(part: Part, axis: str) -> dict[str, Any]:
    rows = [
        {"size": float(case), "median": cost.median, "least": cost.least, "most": cost.most}
        for case in part.cases()
        if (cost := spread_of(part, case, "cpu_us"))
    ]
    base = alt.Chart(_data(rows)).properties(width=_WIDTH, height=200, title=f"CPU a fact by {axis}")
    x = alt.X("size:Q", title=axis, scale=alt.Scale(type="log"))
    line = base.mark_line(point=True, color=OURS).encode(
        x=x, y=alt.Y("median:Q", title="CPU µs a fact", scale=alt.Scale(domainMin=0))
    )
    rules = base.mark_rule(color=OURS).encode(x=x, y="least:Q", y2="most:Q")
    return _tree(line + rules)
