"""Plots as SVG text. Drawn by hand rather than by a library, so that one drawing obeys the page's light and dark
colours, weighs a few kilobytes, and equal numbers give equal bytes.
"""

from collections.abc import Sequence
from html import escape
from typing import Final

from msgspec import Struct

from schemas.base import from_ms

WIDTH: Final = 760
HEIGHT: Final = 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 14, 34


class Point(Struct, frozen=True):
    """A point of a frontier, with the words beside it."""

    x: float
    y: float
    label: str


def weekly_bars(rows: Sequence[tuple[int, int, int]], title: str) -> str:
    """Bars by week: (Monday in ms UTC, count above the axis, count below it)."""
    most = max((max(up, down) for _, up, down in rows), default=0)
    if not most:
        return ""
    below = max(down for _, _, down in rows)
    top = max(up for _, up, _ in rows)
    scale = (HEIGHT - _TOP - _BOTTOM) / ((top + below) or 1)
    zero = _TOP + top * scale
    step = (WIDTH - _LEFT - _RIGHT) / len(rows)
    marks = [_axis(_LEFT, zero, WIDTH - _RIGHT, zero)]
    for number, (_, up, down) in enumerate(rows):
        x, width = _LEFT + number * step + 0.1 * step, 0.8 * step
        if up:
            marks.append(f'<rect class="here" x="{x:.1f}" y="{zero - up * scale:.1f}" width="{width:.1f}" '
                         f'height="{up * scale:.1f}"/>')  # fmt: skip
        if down:
            marks.append(f'<rect class="there" x="{x:.1f}" y="{zero:.1f}" width="{width:.1f}" '
                         f'height="{down * scale:.1f}"/>')  # fmt: skip
    marks += [_text(_LEFT - 6, _TOP + 4, f"{top:,}", "end"), _text(_LEFT - 6, zero + 4, "0", "end")]
    if below:
        marks.append(_text(_LEFT - 6, zero + below * scale, f"{below:,}", "end"))
    return _svg([*marks, *_dates([week for week, _, _ in rows], step)], title)


def weekly_lines(rows: Sequence[tuple[int, int, int]], title: str, *, both: bool) -> str:
    """Lines by week: (Monday in ms UTC, count here, count there)."""
    most = max((max(here, there) for _, here, there in rows), default=0)
    if not most:
        return ""
    scale, step = (HEIGHT - _TOP - _BOTTOM) / most, (WIDTH - _LEFT - _RIGHT) / len(rows)
    bottom = HEIGHT - _BOTTOM

    def path(values: Sequence[int]) -> str:
        return " ".join(
            f"{_LEFT + (number + 0.5) * step:.1f},{bottom - one * scale:.1f}" for number, one in enumerate(values)
        )

    marks = [_axis(_LEFT, bottom, WIDTH - _RIGHT, bottom), _text(_LEFT - 6, _TOP + 4, f"{most:,}", "end")]
    marks.append(_text(_LEFT - 6, bottom, "0", "end"))
    if both:
        marks.append(f'<polyline class="there-line" points="{path([there for _, _, there in rows])}"/>')
    marks.append(f'<polyline class="here-line" points="{path([here for _, here, _ in rows])}"/>')
    return _svg([*marks, *_dates([week for week, _, _ in rows], step)], title)


def histogram(values: Sequence[float], title: str, unit: str, bins: int = 20) -> str:
    """Bars of how many values fall into equal bins from 0 to the largest."""
    if not values:
        return ""
    width = max(1.0, -(-max(values) // bins))
    counts = [0] * (int(max(values) // width) + 1)
    for value in values:
        counts[int(value // width)] += 1
    most, bottom = max(counts), HEIGHT - _BOTTOM
    scale, step = (bottom - _TOP) / most, (WIDTH - _LEFT - _RIGHT) / len(counts)
    marks = [_axis(_LEFT, bottom, WIDTH - _RIGHT, bottom), _text(_LEFT - 6, _TOP + 4, f"{most:,}", "end")]
    for number, count in enumerate(counts):
        x = _LEFT + number * step
        marks.append(f'<rect class="here" x="{x + 0.06 * step:.1f}" y="{bottom - count * scale:.1f}" '
                     f'width="{0.88 * step:.1f}" height="{count * scale:.1f}"/>')  # fmt: skip
        if number % max(1, len(counts) // 8) == 0:
            marks.append(_text(x, bottom + 16, f"{number * width:.0f}", "middle"))
    marks.append(_text(WIDTH - _RIGHT, HEIGHT - 4, unit, "end"))
    return _svg(marks, title)


def frontier(points: Sequence[Point], title: str, x_name: str, y_name: str) -> str:
    """Points with their labels; both axes begin at 0."""
    if not points:
        return ""
    bottom = HEIGHT - _BOTTOM
    x_most, y_most = max(one.x for one in points) or 1.0, max(one.y for one in points) or 1.0
    marks = [_axis(_LEFT, bottom, WIDTH - _RIGHT, bottom), _axis(_LEFT, _TOP, _LEFT, bottom)]
    placed: list[tuple[float, float]] = []
    for one in points:
        x = _LEFT + one.x / x_most * (WIDTH - _LEFT - _RIGHT - 90)
        y = bottom - one.y / y_most * (bottom - _TOP - 14)
        label_y = y - 8
        while any(abs(x - other_x) < 70 and abs(label_y - other_y) < 13 for other_x, other_y in placed):
            label_y += 13
        placed.append((x, label_y))
        marks.append(f'<circle class="here" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
        marks.append(f'<text class="label" x="{x + 7:.1f}" y="{label_y:.1f}">{escape(one.label)}</text>')
    marks += [
        _text(_LEFT - 6, _TOP + 18, f"{y_most:.3g}", "end"),
        _text(WIDTH - _RIGHT - 90, bottom + 16, f"{x_most:.3g}", "middle"),
        _text(_LEFT, bottom + 16, "0", "middle"),
        _text(WIDTH - _RIGHT, HEIGHT - 3, x_name, "end"),
        _text(_LEFT + 6, _TOP, y_name, "start"),
    ]
    return _svg(marks, title)


def _dates(weeks: Sequence[int], step: float) -> list[str]:
    every = max(1, -(-len(weeks) // 8))
    return [
        _text(min(_LEFT + (number + 0.5) * step, WIDTH - 30), HEIGHT - 12, from_ms(week).strftime("%d %b %y"), "middle")
        for number, week in enumerate(weeks)
        if number % every == 0
    ]


def _axis(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="axis" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(marks: Sequence[str], title: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}"><title>{escape(title)}</title>'
        + "".join(marks)
        + "</svg>"
    )
