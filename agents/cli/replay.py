"""`ebb replay`: a recording back into the inbound topics of a test cluster."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click


@click.command("replay")
@click.argument("recording", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--speed",
    type=click.FloatRange(min=0.0),
    default=0.0,
    show_default="as fast as possible",
    help="So many times as fast as it was: 1 is real time, 3600 an hour a second.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was sent as JSON.")
def command(recording: Path, speed: float, as_json: bool) -> None:
    """Send RECORDING to the inbound topics of a cluster, in order, with the timestamps it had.

    For test clusters: the topics must be empty, and must keep records as old as these. Run the workers there with
    EBB_CLOCK=records, so that their time is that of the records, and start them once this is done, or with --speed.
    Recordings of the journal hold no participants' words, so what comments were flagged for is not found again.
    """
    from agents.recordings import Recording, RecordingError
    from agents.replaying import replay
    from agents.settings import SettingsError, load

    try:
        settings = load()
        opened = Recording(recording)
        with _progress(opened.info.entries, is_quiet=as_json) as told:
            sent = replay(settings.kafka, settings.topics, opened, speed, told)
    except SettingsError as error:
        raise click.UsageError("\n".join(error.problems)) from error
    except (RecordingError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        sys.stdout.write(f'{{"sent":{sent}}}\n')
        return
    click.echo(f"{sent:,} records sent. Next: EBB_CLOCK=records ebb worker")


@contextmanager
def _progress(total: int, *, is_quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar on the terminal; nothing where nobody looks."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = (TextColumn("Replaying"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=is_quiet or not console.is_terminal) as bar:
        task = bar.add_task("", total=total)
        yield lambda amount: bar.advance(task, amount)
