"""`ebb record`: the journal of a live cluster, or its inbound topics, as a file that `ebb backtest` replays."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agents.cli.backtest_options import instant
from agents.cli.surroundings import check_new_file

if TYPE_CHECKING:
    from agents.recordings import RecordingInfo

Bound = datetime | dict[tuple[str, int], int] | None
"""An instant, or offsets by topic ("" for the journal) and partition."""
_OFFSET = re.compile(r"(?:([a-z-]+)/)?([0-9]+)=([0-9]+)")


def _bound(context: click.Context, parameter: click.Parameter, value: str | None) -> Bound:
    """An instant, or offsets as ``0=100,1=250``, of inbound topics ``ratings/0=100``."""
    if value is None or "=" not in value:
        return instant(context, parameter, value)
    found = {}
    for one in value.split(","):
        match = _OFFSET.fullmatch(one.strip())
        if match is None:
            raise click.BadParameter(f"{one} is neither an instant nor offsets such as 0=100,1=250 or ratings/0=100")
        found[match[1] or "", int(match[2])] = int(match[3])
    return found


@click.command("record")
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Parquet file to write; must not exist.",
)
@click.option("--from", "begin", callback=_bound, help="Begin here: append time (RFC 3339), or offsets as 0=100,1=250.")
@click.option("--to", "end", callback=_bound, help="End before this append time, or these offsets.")
@click.option(
    "--resume",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Go on from an earlier recording, or from a snapshot of `ebb state snapshot`.",
)
@click.option("--topics", metavar="NAME,NAME,…", help="Record inbound topics as they were sent; `all` for all of them.")
@click.option("--json", "as_json", is_flag=True, help="Print what was recorded as JSON.")
def command(out: Path, begin: Bound, end: Bound, resume: Path | None, topics: str | None, as_json: bool) -> None:
    """Record the journal up to now, partition by partition, into a Parquet file.

    Brokers and topic prefix come from the settings (EBB_BROKERS, EBB_TOPIC_PREFIX, ebb.toml). Workers may go on
    writing; what they write after the start is not recorded. A recording that was cut off goes on where it stopped when
    the same command is given again. What was published for the entries is recorded, too, for `ebb backtest --against
    live`. Inbound topics (--topics) hold participants' own words; the journal does not.
    """
    from agents.host.process import Refusal
    from agents.recordings import RecordingError
    from agents.settings import SettingsError
    from streams.backtest.replay import ReplayError

    check_new_file(out)
    if resume is not None and (begin is not None or topics is not None):
        raise click.UsageError("--resume says where to begin: leave out --from and --topics.")
    begun = time.monotonic()
    try:
        with _progress(is_quiet=as_json) as told:
            info = _record(out, begin, end, resume, topics, told)
    except SettingsError as error:
        raise click.UsageError("\n".join(error.problems)) from error
    except Refusal as error:
        raise click.ClickException(error.sentence) from error
    except (RecordingError, ReplayError, OSError) as error:
        raise click.ClickException(str(error)) from error
    _show(info, out, time.monotonic() - begun, as_json)


def _record(
    out: Path, begin: Bound, end: Bound, resume: Path | None, topics: str | None, told: Callable[[int, int], None]
) -> RecordingInfo:
    from agents.inbound_recorder import InboundRange, record_inbound
    from agents.recorder import Range, record_journal
    from agents.recordings import Recording
    from agents.settings import load
    from schemas.topics import INBOUND

    settings = load()
    earlier = None if resume is None else Recording(resume)
    if topics is None and (earlier is None or earlier.info.topic != "inbound"):
        chosen = Range(_of_journal(begin), _of_journal(end))
        return record_journal(settings.kafka, settings.topics, out, told, chosen=chosen, earlier=earlier)
    names = (
        INBOUND if topics is None or topics == "all" else tuple(one.strip() for one in topics.split(",") if one.strip())
    )
    unknown = [name for name in names if name not in INBOUND]
    if unknown or not names:
        raise click.BadParameter(f"known are {', '.join(INBOUND)}", param_hint="--topics")
    if any(isinstance(bound, dict) and any(topic not in names for topic, _ in bound) for bound in (begin, end)):
        raise click.UsageError("offsets of inbound topics name the topic, one of those recorded: ratings/0=100.")
    return record_inbound(settings.kafka, settings.topics, names, out, told, InboundRange(begin, end), earlier)


def _of_journal(bound: Bound) -> datetime | dict[int, int] | None:
    if not isinstance(bound, dict):
        return bound
    if any(topic for topic, _ in bound):
        raise click.UsageError("offsets of the journal name no topic: 0=100,1=250.")
    return {number: offset for (_, number), offset in bound.items()}


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
    live = sum(one.live.rows for one in info.partitions if one.live is not None)
    if as_json:
        import msgspec

        told = {
            "file": str(out),
            "entries": info.entries,
            "partitions": [partition.entries for partition in info.partitions],
            "first_offsets": [partition.first_offset for partition in info.partitions],
            "interventions": live,
            "bytes": size,
            "hash": info.content_hash,
        }
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
        return
    click.echo(f"{info.entries:,} entries of {len(info.partitions)} partitions, {size / 1e6:,.1f} MB, {seconds:.1f} s.")
    if live:
        click.echo(f"With {live:,} records that were published for them.")
    if info.begins_late:
        click.echo("It begins in the middle of the journal, with the state of that point.")
    click.echo(f"Next: ebb backtest {out} --out backtest")
