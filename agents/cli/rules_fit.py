"""`ebb rules fit`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.cli.rule_files import make_console
from agents.cli.surroundings import json_option, print_json

if TYPE_CHECKING:
    from agents.backtest.sources import Source
    from streams.backtest.priors import Proposal


@click.command("fit")
@click.argument("recording", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--answer-days",
    type=click.IntRange(7, 28),
    default=7,
    show_default=True,
    help="Age in days at which a survey is judged, as in the rule set.",
)
@json_option
def fit(recording: Path, answer_days: int, as_json: bool) -> None:
    """Propose what detectors should expect, from the history in RECORDING, with 95 % intervals.

    RECORDING is what `ebb backtest` reads. The table goes to standard error and the TOML to standard output, so that
    `ebb rules fit RECORDING > fit.toml` gives a rule file. Nothing is put in force.
    """
    from agents.backtest.sources import open_source
    from agents.recordings import RecordingError
    from schemas.base import from_ms, instant_text
    from streams.backtest.history import History
    from streams.backtest.priors import proposals

    history = History(answer_days)
    try:
        source = open_source(recording)
        if source is None:
            raise click.BadParameter(f"{recording} is neither a recording nor lines of facts", param_hint="RECORDING")
        for fact, arrived_ms in _facts(source):
            history.take(fact, arrived_ms)
    except (RecordingError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if not history.facts:
        raise click.ClickException(f"{recording} holds no facts.")
    found = proposals(history.units())
    first, last = (instant_text(from_ms(at)) for at in history.span)
    about = f"{history.facts:,} facts from {first[:10]} to {last[:10]}"
    if as_json:
        print_json({
            "recording": source.content_hash, "facts": history.facts, "from": first, "to": last,
            "proposals": [each._asdict() for each in found],
        })  # fmt: skip
        return
    _show(found, about)
    click.echo(toml(found, f"{recording.name}, {about}"), nl=False)


def _facts(source: Source) -> Iterator[tuple[Any, int]]:
    """The facts of a recording and their arrival (ms UTC), in the order in which they count."""
    from schemas.base import to_ms
    from schemas.codec import Accepted
    from schemas.journal import FactEntry, decode_entry
    from streams.backtest.lines import Arrival, read_record

    if source.journal is not None:
        for partition in range(source.partitions):
            for _, values in source.journal.entries(partition):
                for entry in map(decode_entry, values):
                    if isinstance(entry, FactEntry):
                        yield entry.fact, to_ms(entry.arrived_at)
        return
    assert source.facts is not None
    for line in source.facts.lines():
        told = line.content
        if isinstance(told, Arrival):
            decoded = read_record(told)
            if isinstance(decoded, Accepted):
                yield decoded.fact, told.arrived_ms


def toml(found: list[Proposal], about: str) -> str:
    """The proposals as a rule file; what history is too short for stands there as a comment."""
    lines = [f"# Priors fitted to {about}. Check with `ebb backtest` before you activate them."]
    rule = ""
    for each in found:
        if each.rule != rule:
            rule = each.rule
            lines += ["", f'[rules."{rule}"]']
        if each.value is None:
            lines.append(f"# {each.name}: {each.why}")
        else:
            lines.append(f"{f'{each.name} = {each.written}':<34} # {_range(each)}; shipped {_said(each, each.shipped)}")
    return "\n".join(lines) + "\n"


def _show(found: list[Proposal], about: str) -> None:
    from rich.table import Table

    console = make_console(stderr=True)
    table = Table(title=f"Priors from {about}", title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("parameter", no_wrap=True)
    table.add_column("shipped", justify="right")
    table.add_column("from history", justify="right")
    table.add_column("95 %", justify="right")
    table.add_column("rests on")
    rule = ""
    for each in found:
        if each.rule != rule:
            rule = each.rule
            table.add_row(f"[bold]{rule}[/bold]")
        proposed = "-" if each.value is None else _said(each, each.value)
        table.add_row(f"  {each.name}", _said(each, each.shipped), proposed, _range(each, bare=True), each.why)
    console.print(table)


def _range(each: Proposal, bare: bool = False) -> str:
    if each.low is None or each.high is None:
        return "-" if bare else "no interval"
    return ("" if bare else "95 %: ") + f"{each.low:.3g} to {each.high:.3g}"


def _said(each: Proposal, value: float) -> str:
    return f"{value:g} {each.unit}".strip()
