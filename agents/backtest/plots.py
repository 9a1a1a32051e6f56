"""Plots of a report, as SVG text that a page carries in itself: by altair, drawn by vl-convert without a browser.

Colours are left to the page: a chart is drawn with its style's variables (`var(--here)`), so that one drawing is
readable in light and in dark. Equal numbers give equal bytes. Both libraries take a while to load, so they are imported
when there is something to draw.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Any, Final

from msgspec import Struct

WIDTH: Final = 700
HEIGHT: Final = 210
_HERE, _THERE, _INK, _SOFT, _LINE = (f"var(--{name})" for name in ("here", "there", "ink", "soft", "line"))
_SIDES: Final = ("here", "there")
_NAMESPACE: Final = re.compile(r' xmlns(:\w+)?="[^"]*"')
_FONT: Final = "system-ui, sans-serif"


class Point(Struct, frozen=True):
    """A point of a frontier: cost, gain, the words beside it, and which line it stands on ("" for the only one)."""

    x: float
    y: float
    label: str
    line: str = ""


def weekly_lines(rows: Sequence[tuple[int, int, int]], title: str, *, both: bool) -> str:
    """Lines by week: (Monday in ms UTC, count here, count there). Returns: "" where there is nothing to draw."""
    if not any(here or there for _, here, there in rows):
        return ""
    alt = _altair()
    values = [
        {"week": week, "count": counts[side], "side": _SIDES[side]}
        for side in range(2 if both else 1)
        for week, *counts in rows
    ]
    chart = (
        alt.Chart(alt.Data(values=values))
        .mark_line(strokeWidth=2)
        .encode(
            x=_weeks(alt, rows),
            y=alt.Y("count:Q", title="messages", axis=alt.Axis(tickMinStep=1)),
            color=_by_side(alt),
            strokeDash=alt.StrokeDash(
                "side:N", legend=None, scale=alt.Scale(domain=list(_SIDES), range=[[1, 0], [5, 3]])
            ),
        )
    )
    return _svg(chart, title)


def weekly_bars(rows: Sequence[tuple[int, int, int]], title: str) -> str:
    """Bars by week: (Monday in ms UTC, count above the axis, count below it). Returns: "" without any."""
    if not any(up or down for _, up, down in rows):
        return ""
    alt = _altair()
    values = [
        {"week": week, "count": sign * count, "side": side}
        for week, up, down in rows
        for side, sign, count in (("here", 1, up), ("there", -1, down))
        if count
    ]
    width = max(1.5, min(22.0, 0.75 * WIDTH / (len(rows) + 1)))
    chart = (
        alt.Chart(alt.Data(values=values))
        .mark_bar(size=width)
        .encode(
            x=_weeks(alt, rows, padding=width),
            y=alt.Y(
                "count:Q",
                title="removed | added",
                axis=alt.Axis(tickMinStep=1, labelExpr="format(abs(datum.value), ',')"),
            ),
            color=_by_side(alt),
        )
    )
    return _svg(chart, title)


def histogram(values: Sequence[float], title: str, unit: str, bins: int = 20) -> str:
    """Bars of how many values fall into equal bins from 0 to the largest. Returns: "" without any."""
    if not values:
        return ""
    alt = _altair()
    step = max(1.0, -(-max(values) // bins))
    counts = [0] * (int(max(values) // step) + 1)
    for value in values:
        counts[int(value // step)] += 1
    rows = [{"from": number * step, "to": (number + 1) * step, "count": count} for number, count in enumerate(counts)]
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar(color=_HERE, binSpacing=1)
        .encode(
            x=alt.X("from:Q", bin="binned", title=unit),
            x2="to:Q",
            y=alt.Y("count:Q", title="pairs", axis=alt.Axis(tickMinStep=1)),
        )
    )
    return _svg(chart, title)


def frontier(points: Sequence[Point], title: str, x_name: str, y_name: str) -> str:
    """Points with their labels, joined in the order given; both axes begin at 0. Returns: "" without any."""
    if not points:
        return ""
    alt = _altair()
    rows = [
        {"x": one.x, "y": one.y, "label": one.label, "line": one.line, "place": place}
        for place, one in enumerate(points)
    ]
    most = max(one.x for one in points) or 1.0
    base = alt.Chart(alt.Data(values=rows)).encode(
        # Room to the right, where the labels stand.
        x=alt.X("x:Q", title=x_name, scale=alt.Scale(domain=[0, most * 1.15], nice=False)),
        y=alt.Y("y:Q", title=y_name, scale=alt.Scale(zero=True)),
    )
    lines = base.mark_line(color=_LINE, strokeWidth=1.5).encode(detail="line:N", order="place:O")
    dots = base.mark_circle(color=_HERE, size=60, opacity=1)
    words = base.mark_text(align="left", dx=7, dy=-6, color=_INK).encode(text="label:N")
    return _svg(alt.layer(lines, dots, words), title)


def _altair() -> Any:
    import altair

    return altair


def _weeks(alt: Any, rows: Sequence[tuple[int, int, int]], padding: float = 0.0) -> Any:
    """The axis of weeks: ticks on Mondays, at most ten of them."""
    weeks = [week for week, _, _ in rows]
    scale = alt.Scale(type="utc", padding=padding, domain=[weeks[0], weeks[-1]])
    axis = alt.Axis(format="%-d %b %y", values=weeks[:: -(-len(weeks) // 10)], labelFlush=False)
    return alt.X("week:T", title=None, scale=scale, axis=axis)


def _by_side(alt: Any) -> Any:
    return alt.Color("side:N", legend=None, scale=alt.Scale(domain=list(_SIDES), range=[_HERE, _THERE]))


def _svg(chart: Any, title: str) -> str:
    import vl_convert

    drawn: str = vl_convert.vegalite_to_svg(
        chart.properties(width=WIDTH, height=HEIGHT, background="transparent")
        .configure(aria=False, font=_FONT)
        .configure_view(stroke=None)
        .configure_axis(
            domainColor=_LINE,
            gridColor=_LINE,
            gridOpacity=0.6,
            labelColor=_SOFT,
            tickColor=_LINE,
            titleColor=_SOFT,
            titleFontWeight="normal",
            labelFontSize=12,
            titleFontSize=12,
            labelOverlap=True,
            labelSeparation=8,
        )
        .to_dict()
    )
    told = escape(title)
    head, _, rest = drawn.partition(">")
    assert head.startswith("<svg ")
    # Inside a page a drawing needs no name spaces, which look like addresses.
    head = _NAMESPACE.sub("", head)
    return f'{head} role="img" aria-label="{told}"><title>{told}</title>{rest}'
