"""`ebb record`: the journal of a live cluster as a file that `ebb backtest` replays."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from agents.recordings import RecordingInfo


@click.command("record")
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Parquet file to write; must not exist.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was recorded as JSON.")
def command(out: Path, as_json: bool) -> None:
    """Record the whole journal up to now, partition by partition, into a Parquet file.

    Brokers and topic prefix come from the settings (EBB_BROKERS, EBB_TOPIC_PREFIX, ebb.toml). Workers may go on
    writing; what they write after the start is not recorded.
    """
    from agents.recorder import record_journal
    from agents.recordings import RecordingError
    from agents.settings import SettingsError, load

    if out.exists():
        raise click.BadParameter(f"{out} exists already", param_hint="--out")
    if not out.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {out.absolute().parent}", param_hint="--out")
    begun = time.monotonic()
    try:
        settings = load()
        with _progress(is_quiet=as_json) as told:
            info = record_journal(settings.kafka, settings.topics, out, told)
    except SettingsError as error:
        raise click.UsageError("\n".join(error.problems)) from error
    except (RecordingError, OSError) as error:
        raise click.ClickException(str(error)) from error
    _show(info, out, time.monotonic() - begun, as_json)


@contextmanager
def _progress(*, is_quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on the terminal; nothing where nobody looks."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("Recording"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=is_quiet or not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _show(info: RecordingInfo, out: Path, seconds: float, as_json: bool) -> None:
    size = out.stat().st_size
    if as_json:
        import msgspec

        told = {
            "file": str(out),
            "entries": info.entries,
            "partitions": [partition.entries for partition in info.partitions],
            "bytes": size,
            "hash": info.content_hash,
        }
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
        return
    click.echo(f"{info.entries:,} entries of {len(info.partitions)} partitions, {size / 1e6:,.1f} MB, {seconds:.1f} s.")
    click.echo(f"Next: ebb backtest {out} --out backtest")
