"""`ebb backtest`: replay a recording under a rule set, and say what would have come out."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from agents.cli.backtest_options import days, instant, names, read_people, read_rules, read_sweep

if TYPE_CHECKING:
    from agents.backtest import Ask, Progress, Source
    from streams.backtest.load import People

LIVE = "live"
RECORDED = "recorded"


@click.command("backtest")
@click.argument("recording", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--rules",
    default=RECORDED,
    show_default=True,
    metavar="FILE|recorded",
    help="A rule set (TOML) in force from the first entry, or what the recording activates.",
)
@click.option(
    "--against",
    metavar="FILE|recorded|live",
    help="What to hold it against: another rule set, the recorded ones, or what was published (where recorded).",
)
@click.option(
    "--sweep",
    multiple=True,
    metavar="RULE.PARAMETER=V1,V2,…",
    help="Try values of a parameter, for example first_meeting.missing.not_scheduled_after=7d,10d; twice for a grid.",
)
@click.option("--from", "begin", callback=instant, help="Count only what is decided from this instant on (RFC 3339).")
@click.option("--to", "end", callback=instant, help="Stop at this instant.")
@click.option("--programs", callback=names, metavar="ID,ID,…", help="Replay only these programs.")
@click.option(
    "--horizon", default="60d", show_default=True, callback=days, help="How long before a bad end an alarm counts."
)
@click.option(
    "--capacity",
    default=20,
    show_default=True,
    type=click.IntRange(min=0),
    help="Messages a coordinator can take a week.",
)
@click.option(
    "--recipients",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A notifier's recipients file, for messages.  [default: everybody whom programs name, by mail]",
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder to write; an earlier backtest in it goes."
)
@click.option("--jobs", type=click.IntRange(min=1), help="Processes.  [default: one per processor]")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(
    recording: Path,
    rules: str,
    against: str | None,
    sweep: tuple[str, ...],
    begin: datetime | None,
    end: datetime | None,
    programs: frozenset[str] | None,
    horizon: int,
    capacity: int,
    recipients: Path | None,
    out: Path,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Replay RECORDING through the engine and write what comes out.

    RECORDING is a Parquet file made by `ebb record` or `ebb import`, or a .jsonl file, or a folder of them, with facts
    as lines. Writes interventions.jsonl, dead-letters.jsonl, summary.json and report.html into the folder --out, with
    --against comparison.jsonl, too. `--rules recorded --against live` fails unless both are equal to the byte.
    """
    from agents.backtest.output import OutputError
    from agents.recordings import RecordingError
    from streams.backtest.replay import ReplayError
    from streams.ruleset import RulesetError

    if begin is not None and end is not None and begin >= end:
        raise click.UsageError("--from must lie before --to.")
    if sweep and against:
        raise click.UsageError("give --sweep or --against, not both.")
    if programs is not None and against == LIVE:
        # What is withheld because of the whole platform depends on all programs.
        raise click.UsageError("--against live takes all programs: leave out --programs.")
    people = read_people(recipients)
    ask = _ask(rules, against, begin, end, programs, horizon, capacity, people, is_sweep=bool(sweep))
    begun = time.monotonic()
    try:
        with _ends_cleanly():
            summary = _replay(recording, ask, sweep, rules, out, jobs or os.cpu_count() or 1, is_quiet=as_json)
    except RulesetError as error:
        raise click.BadParameter("\n  ".join(error.problems), param_hint="--sweep") from error
    except (OutputError, RecordingError, ReplayError, OSError) as error:
        raise click.ClickException(str(error)) from error
    _show(summary, out, time.monotonic() - begun, as_json)
    if against == LIVE and rules == RECORDED and not _is_parity(summary["comparison"]):
        raise click.ClickException(f"The replay differs from what was published: see {out / 'report.html'}.")


@contextmanager
def _ends_cleanly() -> Iterator[None]:
    """Let SIGTERM end a backtest as Ctrl-C does: its processes end, and nothing half-written stays."""

    def end(number: int, _frame: object) -> NoReturn:
        sys.exit(128 + number)

    former = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _is_parity(comparison: dict[str, Any]) -> bool:
    return comparison["first_unequal"] is None and not set(comparison["total"]) - {"same"}


def _ask(
    rules: str,
    against: str | None,
    begin: datetime | None,
    end: datetime | None,
    programs: frozenset[str] | None,
    horizon: int,
    capacity: int,
    people: People,
    *,
    is_sweep: bool,
) -> Ask:
    from agents.backtest import Ask
    from agents.backtest.runs import Selection, Side
    from schemas.base import to_ms
    from streams.ruleset import shipped

    mine = None if rules == RECORDED else read_rules(Path(rules), "--rules").encoded()
    if is_sweep and mine is None:
        mine = shipped().encoded()
    there = None
    if against is not None:
        is_file = against not in (LIVE, RECORDED)
        theirs = read_rules(Path(against), "--against").encoded() if is_file else None
        there = Side("there", theirs, is_live=against == LIVE)
    return Ask(
        Side("here", mine),
        there,
        Selection(None if begin is None else to_ms(begin), None if end is None else to_ms(end), programs),
        horizon,
        capacity,
        people,
    )


def _replay(
    recording: Path, ask: Ask, sweep: tuple[str, ...], rules: str, out: Path, jobs: int, *, is_quiet: bool
) -> dict[str, Any]:
    from agents import backtest
    from agents.fact_files import SUFFIX
    from agents.recordings import RecordingError

    source = backtest.open_source(recording)
    if source is None:
        raise click.BadParameter(
            f"{recording} is neither a Parquet recording nor a {SUFFIX} file", param_hint="RECORDING"
        )
    if ask.there is not None and ask.there.is_live and (source.journal is None or not source.journal.has_live):
        raise RecordingError(f"{recording} does not hold what was published: record the journal with `ebb record`.")
    parameters = [read_sweep(one) for one in sweep]
    if len(parameters) > 2:
        raise click.UsageError("--sweep takes one parameter, or two for a grid.")
    sides = 1 + (ask.there is not None and not ask.there.is_live)
    points = prod(len(one.values) for one in parameters) if parameters else 0
    with _progress(_run_size(source, jobs) * sides + source.size * points, is_quiet) as told:
        if not parameters:
            return backtest.backtest(source, out, ask, jobs, told)
        base = {} if rules == RECORDED else read_rules(Path(rules), "--rules").tree
        return backtest.sweep(source, out, ask, base, parameters, jobs, told)


def _run_size(source: Source, jobs: int) -> int:
    """How much progress one run in processes is: each of them reads all lines of facts."""
    return source.size if source.journal is not None else source.size * (jobs if source.is_worth(jobs) else 1)


@contextmanager
def _progress(total: int, is_quiet: bool) -> Iterator[Progress]:
    """A bar on the terminal; nothing where nobody looks. Once all is replayed, what came out is counted."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=is_quiet or not console.is_terminal) as bar:
        task = bar.add_task("Replaying", total=total)

        def tell(amount: int) -> None:
            bar.advance(task, amount)
            if bar.finished:
                bar.update(task, description="Counting what came out", total=None)

        yield tell


def _show(summary: dict[str, Any], out: Path, seconds: float, as_json: bool) -> None:
    if as_json:
        import msgspec

        sys.stdout.write(msgspec.json.encode(summary).decode() + "\n")
        return
    from streams.backtest.report import verdict

    click.echo(verdict(summary))
    if "comparison" in summary:
        for rule, counts in summary["comparison"]["by_rule"].items():
            click.echo(f"  {rule:<32} " + ", ".join(f"{count:,} {kind}" for kind, count in counts.items()))
    else:
        for rule, changes in summary["interventions"].items():
            click.echo(f"  {rule:<32} " + ", ".join(f"{count:,} {change}" for change, count in changes.items()))
    for point in summary.get("sweep", {}).get("points", ()):
        alerts, recall = point["alerts_per_50_pairs_and_month"], point["recall"]
        told = f"{'–' if alerts is None else f'{alerts:.2f}'} alerts per 50 pairs and month"
        click.echo(
            f"  {', '.join(map(str, point['values'])):<32} {told}, recall {'–' if recall is None else f'{recall:.1%}'}"
        )
    if summary["ignored_activations"]:
        click.echo(f"{summary['ignored_activations']:,} activated rule sets of the recording were ignored.")
    rate = summary["facts"] / seconds if seconds > 0 else 0.0
    click.echo(f"{seconds:.1f} s, {rate:,.0f} facts a second. Read on in {out / 'report.html'}")
