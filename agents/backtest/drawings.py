"""Which plots a report shows: numbers of a summary, and what is too much for it, as drawings by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from agents.backtest.plots import Point, frontier, histogram, weekly_bars, weekly_lines
from schemas.base import to_ms
from streams.backtest.load import Load
from streams.clock import DAY_MS
from streams.delivery.rehearsal import WEEK_MS


def draw(
    summary: Mapping[str, Any], loads: Sequence[Load], span: tuple[int, int] | None, leads_ms: Sequence[int]
) -> dict[str, str]:
    """Draw a backtest.

    Args:
        loads: of the run asked about, and of the other if there is one.
        span: first and last instant counted, ms UTC.
        leads_ms: lead times of the alarm episodes that were right.
    """
    weekly: dict[int, list[int]] = {}
    if span is not None:
        for side, load in enumerate(loads):
            for _, week, count in load.cells(span):
                weekly.setdefault(week, [0, 0])[side] += count
    lines = [(week, here, there) for week, (here, there) in sorted(weekly.items())]
    days = [lead / DAY_MS for lead in leads_ms]
    return {
        "load": weekly_lines(lines, "Messages a week, all coordinators", both=len(loads) > 1),
        "leads": histogram(days, "Lead time of alarm episodes", "days before the end"),
        "differences": weekly_bars(_differences(summary), "Added and removed interventions by week"),
    }


def draw_sweep(sweep: Mapping[str, Any]) -> dict[str, str]:
    """Draw the frontiers of a sweep: recall and lead time against alerts. Of a grid, one line a first value."""
    recall, leads = [], []
    for one in sweep["points"]:
        alerts = one["alerts_per_50_pairs_and_month"]
        label = ", ".join(map(str, one["values"]))
        line = str(one["values"][0]) if len(one["values"]) > 1 else ""
        if alerts is not None and one["recall"] is not None:
            recall.append(Point(alerts, 100 * one["recall"], label, line))
        if alerts is not None and one["lead_days"]["median"] is not None:
            leads.append(Point(alerts, one["lead_days"]["median"], label, line))
    cost = "alerts per 50 pairs and month"
    return {
        "recall": frontier(recall, "Recall against alerts", cost, "recall, %"),
        "lead_times": frontier(leads, "Median lead time against alerts", cost, "days before the end"),
    }


def _differences(summary: Mapping[str, Any]) -> list[tuple[int, int, int]]:
    """Added and removed by week, weeks without either included."""
    found = {
        to_ms(datetime.fromisoformat(week).replace(tzinfo=UTC)): (counts.get("added", 0), counts.get("removed", 0))
        for week, counts in summary.get("comparison", {}).get("by_week", {}).items()
    }
    if not found:
        return []
    return [(week, *found.get(week, (0, 0))) for week in range(min(found), max(found) + 1, WEEK_MS)]
