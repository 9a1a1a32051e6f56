"""`ebb backtest`: replay a recording under a rule set, and say what would have come out."""

from __future__ import annotations

import os
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from agents.backtest import Progress
    from streams.ruleset import RuleSet


@click.command("backtest")
@click.argument("recording", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--rules",
    default="recorded",
    show_default=True,
    metavar="FILE|recorded",
    help="A rule set (TOML) in force from the first entry, or what the recording activates.",
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder to write; an earlier backtest in it goes."
)
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Processes for a Parquet recording.  [default: one per processor]"
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(recording: Path, rules: str, out: Path, jobs: int | None, as_json: bool) -> None:
    """Replay RECORDING through the engine and write what comes out.

    RECORDING is a Parquet file made by `ebb record`, or a .jsonl file, or a folder of them, with facts as lines.
    Writes interventions.jsonl, dead-letters.jsonl, summary.json and report.html into the folder --out.
    """
    from agents.backtest import OutputError
    from agents.recordings import RecordingError
    from streams.backtest.replay import ReplayError

    fixed = None if rules == "recorded" else _read_rules(Path(rules))
    begun = time.monotonic()
    try:
        summary = _replay(recording, fixed, out, jobs or os.cpu_count() or 1, is_quiet=as_json)
    except (OutputError, RecordingError, ReplayError, OSError) as error:
        raise click.ClickException(str(error)) from error
    _show(summary, out, time.monotonic() - begun, as_json)


def _read_rules(path: Path) -> RuleSet:
    from streams.ruleset import RulesetError, parse

    try:
        tree = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{path} cannot be read: {error}", param_hint="--rules") from error
    except tomllib.TOMLDecodeError as error:
        raise click.BadParameter(f"{path} is no TOML: {error}", param_hint="--rules") from error
    try:
        return parse(tree)
    except RulesetError as error:
        raise click.BadParameter("\n  ".join((f"{path}:", *error.problems)), param_hint="--rules") from error


def _replay(recording: Path, rules: RuleSet | None, out: Path, jobs: int, *, is_quiet: bool) -> dict[str, Any]:
    from agents.backtest import backtest_facts, backtest_journal
    from agents.fact_files import SUFFIX, FactFiles
    from agents.recordings import Recording, is_parquet

    if recording.is_dir() or recording.suffix == SUFFIX:
        files = FactFiles(recording)
        with _progress(files.size, is_quiet) as told:
            return backtest_facts(files, out, rules, told)
    if not is_parquet(recording):
        raise click.BadParameter(
            f"{recording} is neither a Parquet recording nor a {SUFFIX} file", param_hint="RECORDING"
        )
    journal = Recording(recording)
    with _progress(journal.info.entries, is_quiet) as told:
        return backtest_journal(journal, recording, out, rules, jobs, told)


@contextmanager
def _progress(total: int, is_quiet: bool) -> Iterator[Progress]:
    """A bar on the terminal; nothing where nobody looks."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("Replaying"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=is_quiet or not console.is_terminal) as bar:
        task = bar.add_task("", total=total)
        yield lambda amount: bar.advance(task, amount)


def _show(summary: dict[str, Any], out: Path, seconds: float, as_json: bool) -> None:
    if as_json:
        import msgspec

        sys.stdout.write(msgspec.json.encode(summary).decode() + "\n")
        return
    from streams.backtest.report import verdict

    click.echo(verdict(summary))
    for rule, changes in summary["interventions"].items():
        click.echo(f"  {rule:<32} " + ", ".join(f"{count:,} {change}" for change, count in changes.items()))
    if summary["ignored_activations"]:
        click.echo(f"{summary['ignored_activations']:,} activated rule sets of the recording were ignored.")
    rate = summary["facts"] / seconds if seconds > 0 else 0.0
    click.echo(f"{seconds:.1f} s, {rate:,.0f} facts a second. Read on in {out / 'report.html'}")
