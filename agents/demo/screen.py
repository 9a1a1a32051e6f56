"""What the demo shows: a live table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from schemas.base import from_ms
from schemas.outbound import Intervention

_CHANGES: Final = ("opened", "evidence_added", "escalated", "resolved", "expired", "retracted")
_CLOSING: Final = ("resolved", "expired", "retracted")
_WIDE: Final = 110  # columns of a terminal from which on each way of closing has a column of its own
_AROUND: Final = 9  # lines of the picture beside rules and latest: frame, head, titles, blank lines, stage
_COLOURS: Final = {"info": "dim", "notice": "cyan", "warning": "yellow", "high": "red", "critical": "bold red"}
_LINE_EVERY_S: Final = 5.0


class Look(Protocol):
    """What there is to see at a moment."""

    total: int
    sent: int
    at_ms: int
    seconds: float
    counts: Mapping[tuple[str, str], int]
    latest: list[Intervention]
    stage: str


def counts_table(counts: Mapping[tuple[str, str], int], width: int) -> Table:
    """Interventions by rule and change; where `width` (columns) is small, the ways of closing share one column."""
    seen = {change for _, change in counts}
    columns: dict[str, tuple[str, ...]] = {change.replace("_", " "): (change,) for change in _CHANGES if change in seen}
    if width < _WIDE:
        columns = {name: one for name, one in columns.items() if one[0] not in _CLOSING}
        columns |= {"closed": _CLOSING} if seen & set(_CLOSING) else {}
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("rule", min_width=28)
    for name in columns or {"opened": ()}:
        table.add_column(name, justify="right", min_width=9)
    for rule in sorted({rule for rule, _ in counts}):
        sums = (sum(counts.get((rule, change), 0) for change in changes) for changes in columns.values())
        table.add_row(rule, *(f"{count:,}" for count in sums))
    return table


def _latest(records: list[Intervention]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, expand=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="ellipsis", no_wrap=True, ratio=1)
    for record in records:
        colour = _COLOURS[record.severity]
        table.add_row(record.decided_at[:10], Text(record.severity, style=colour), record.summary)
    return table


def draw(look: Look, width: int, height: int) -> RenderableType:
    """The picture of a moment, for a terminal of so many columns and lines."""
    share = look.sent / look.total if look.total else 0.0
    head = Table.grid(padding=(0, 2), expand=True)
    head.add_column(no_wrap=True)
    head.add_column(ratio=1)
    head.add_column(justify="right", no_wrap=True)
    day = f"{from_ms(look.at_ms):%-d %b %Y}" if look.at_ms else ""
    head.add_row(
        f"{look.sent:>9,} of {look.total:,} facts" if look.total else look.stage,
        ProgressBar(total=1.0, completed=share),
        f"{day}  {look.seconds:4.0f} s",
    )
    parts: list[RenderableType] = [head]
    if look.counts:
        parts += [Text(), counts_table(look.counts, width)]
        room = max(0, height - _AROUND - len({rule for rule, _ in look.counts}))
        if room and look.latest:
            parts += [Text(), Text("latest, as a coordinator reads them", style="dim"), _latest(look.latest[-room:])]
    parts.append(Text(look.stage, style="dim"))
    return Panel(Group(*parts), title="ebb demo", title_align="left", border_style="dim")


class Screen:
    """Shows looks, on a terminal as a picture that changes, else as lines."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live = Live(console=console, refresh_per_second=8, transient=True) if console.is_terminal else None
        self._line_at = 0.0
        self._stage = ""

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, look: Look) -> None:
        """Show how it stands now."""
        if self._live is not None:
            self._live.update(draw(look, self.console.width, self.console.height))
            return
        now = time.monotonic()
        if look.stage != self._stage or now - self._line_at > _LINE_EVERY_S:
            self._stage, self._line_at = look.stage, now
            fed = f": {look.sent:,} of {look.total:,} facts, {sum(look.counts.values()):,} intervention records"
            self.console.print(f"{look.seconds:5.1f} s  {look.stage}{fed if look.sent else ''}", highlight=False)
