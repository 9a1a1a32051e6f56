"""Panels as the dashboards use them: a title, what it says, a unit, and queries that any Prometheus can run.

Queries use no macro of Grafana but `$program`, so that each can be parsed and executed as it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders import prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATA_SOURCE: Final = common.DataSourceRef(type_val="prometheus", uid="ebb-prometheus")
WEEK_S: Final = 604_800

Shape = Literal["lines", "number", "table"]
Unit = Literal["short", "percentunit", "s", "dtdurations", "none", "ops", "bytes", "dateTimeFromNow"]


@dataclass(frozen=True, slots=True)
class Query:
    """A query and what its series are called; `dashed` for what is expected rather than seen."""

    expr: str
    legend: str
    dashed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel.

    Attributes:
        about: what it says and what to do about it, for somebody who sees it for the first time.
        red_above: from here on the value is worth a look.
    """

    title: str
    about: str
    queries: Sequence[Query]
    unit: Unit = "short"
    shape: Shape = "lines"
    width: int = 12
    height: int = 8
    red_above: float | None = None
    red_below: float | None = None
    is_logarithmic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A dashboard. `of_program`: it shows one program, chosen at the top."""

    uid: str
    title: str
    about: str
    rows: Sequence[Row]
    of_program: bool = False

    def panels(self) -> list[Panel]:
        """All panels, in order."""
        return [panel for row in self.rows for panel in row.panels]


def build(board: Board) -> models.Dashboard:
    """Make the dashboard that Grafana reads."""
    made = (
        dashboards.Dashboard(board.title)
        .uid(board.uid)
        .description(board.about)
        .tags(["ebb"])
        .editable()
        .refresh("30s")
        .time("now-30d" if board.uid != "ebb-machinery" else "now-6h", "now")
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboards.DashboardLink("Ebb")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags(["ebb"])
            .as_dropdown(True)
            .keep_time(True)
        )
    )
    if board.of_program:
        made = made.with_variable(
            dashboards.QueryVariable("program")
            .label("Program")
            .datasource(DATA_SOURCE)
            .query("label_values(ebb_active_pairs, program)")
            .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(models.VariableSort.ALPHABETICAL_ASC)
        )
    for row in board.rows:
        made = made.with_row(dashboards.Row(row.title))
        for panel in row.panels:
            made = made.with_panel(_panel(panel))
    return made.build()


def _panel(panel: Panel) -> timeseries.Panel | stat.Panel | table.Panel:
    if panel.shape == "number":
        return _number(panel)
    return _table(panel) if panel.shape == "table" else _lines(panel)


def _lines(panel: Panel) -> timeseries.Panel:
    made = (
        timeseries.Panel()
        .title(panel.title)
        .description(panel.about)
        .datasource(DATA_SOURCE)
        .unit(panel.unit)
        .span(panel.width)
        .height(panel.height)
        .line_width(2)
        .fill_opacity(8)
        .show_points(common.VisibilityMode.NEVER)
        .legend(
            common_builders.VizLegendOptions()
            .show_legend(True)
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
        )
        .tooltip(
            common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
        )
    )
    if panel.is_logarithmic:
        scale = common_builders.ScaleDistributionConfig().type(common.ScaleDistribution.LOG).log(10)
        made = made.scale_distribution(scale)
    for letter, query in zip("ABCDEFGHIJ", panel.queries, strict=False):
        made = made.with_target(_target(letter, query).range())
        if query.dashed:
            style = {"fill": "dash", "dash": [8, 6]}
            made = made.override_by_query(letter, [models.DynamicConfigValue("custom.lineStyle", style)])
    return made


def _number(panel: Panel) -> stat.Panel:
    made = (
        stat.Panel()
        .title(panel.title)
        .description(panel.about)
        .datasource(DATA_SOURCE)
        .unit(panel.unit)
        .span(panel.width)
        .height(panel.height)
        .thresholds(_thresholds(panel))
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
        .graph_mode(common.BigValueGraphMode.NONE)
        .color_mode(common.BigValueColorMode.VALUE)
    )
    for letter, query in zip("ABCDEFGHIJ", panel.queries, strict=False):
        made = made.with_target(_target(letter, query).instant())
    return made


def _table(panel: Panel) -> table.Panel:
    made = (
        table.Panel()
        .title(panel.title)
        .description(panel.about)
        .datasource(DATA_SOURCE)
        .unit(panel.unit)
        .span(panel.width)
        .height(panel.height)
        .thresholds(_thresholds(panel))
        .cell_options(common.TableAutoCellOptions())
        .with_transformation(models.DataTransformerConfig("merge", options={}))
        .with_transformation(
            models.DataTransformerConfig(
                "organize", options={"excludeByName": {"Time": True}, "renameByName": _names(panel)}
            )
        )
    )
    for letter, query in zip("ABCDEFGHIJ", panel.queries, strict=False):
        made = made.with_target(_target(letter, query).instant().format(PromQueryFormat.TABLE))
    return made


def _names(panel: Panel) -> dict[str, str]:
    """Columns of a table are called by the letter of their query, unless there is only one."""
    letters = zip("ABCDEFGHIJ", panel.queries, strict=False)
    if len(panel.queries) == 1:
        return {"Value": panel.queries[0].legend}
    return {f"Value #{letter}": query.legend for letter, query in letters}


def _target(letter: str, query: Query) -> prometheus.Dataquery:
    return prometheus.Dataquery().datasource(DATA_SOURCE).ref_id(letter).expr(query.expr).legend_format(query.legend)


def _thresholds(panel: Panel) -> dashboards.ThresholdsConfig:
    steps = [models.Threshold(value=None, color="green")]
    if panel.red_above is not None:
        steps.append(models.Threshold(value=panel.red_above, color="red"))
    if panel.red_below is not None:
        steps = [models.Threshold(value=None, color="red"), models.Threshold(value=panel.red_below, color="green")]
    return dashboards.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)
