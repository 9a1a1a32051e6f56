"""`ebb import`: facts from files of your own into a recording that `ebb backtest` replays."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from agents.cli.surroundings import check_new_file


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--mapping",
    "mappings",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Which column is which field: one mapping file for all CSV files, or one for each, in their order.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Parquet file to write; must not exist. Bad rows go to OUT.bad.jsonl.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was imported as JSON.")
def command(files: tuple[Path, ...], mappings: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Turn inbound facts into a recording.

    FILES are one .jsonl file or folder with a fact per line, or CSV files with a --mapping. Rows that are no good facts
    are left out and listed with their reasons; nothing is guessed. Exit code 1 when not a single row was good.
    """
    from agents.csv_facts import MappingError
    from agents.importing import import_lines

    check_new_file(out)
    try:
        lines = _lines(files, mappings)
        with _progress(lines.size, is_quiet=as_json) as told:
            info, importer = import_lines(lines, out, told)
    except MappingError as error:
        raise click.BadParameter(str(error), param_hint="--mapping") from error
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise click.ClickException(f"Nothing was imported: {error}.") from error
    bad = out.with_name(f"{out.name}.bad.jsonl")
    if importer.bad:
        with bad.open("wb") as file:
            for number, line, rejected in sorted(importer.bad, key=lambda one: one[:2]):
                tree = {
                    "file": lines.names[number],
                    "line": line,
                    "reason": rejected.reason,
                    "message": rejected.message,
                }
                file.write(msgspec.json.encode(tree) + b"\n")
    _show(info, importer, out, bad, as_json)
    if importer.bad and not importer.facts:
        out.unlink()
        raise click.ClickException(f"No row was a good fact: {bad} says why.")


def _lines(files: tuple[Path, ...], mappings: tuple[Path, ...]) -> Any:
    from agents.csv_facts import CsvFacts, read_mapping
    from agents.fact_files import FactFiles

    if not mappings:
        if len(files) != 1 or files[0].suffix == ".csv":
            raise click.UsageError("give one .jsonl file or folder, or CSV files with --mapping.")
        return FactFiles(files[0])
    if len(mappings) not in (1, len(files)):
        raise click.UsageError(f"{len(files)} files need one --mapping, or {len(files)}.")
    read = [read_mapping(path) for path in mappings]
    return CsvFacts(list(zip(files, read if len(read) > 1 else read * len(files), strict=True)))


@contextmanager
def _progress(total: int, *, is_quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar on the terminal; nothing where nobody looks."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("Importing"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=is_quiet or not console.is_terminal) as bar:
        task = bar.add_task("", total=total)
        yield lambda amount: bar.advance(task, amount)


def _show(info: Any, importer: Any, out: Path, bad: Path, as_json: bool) -> None:
    if as_json:
        told = {
            "file": str(out),
            "facts": importer.facts,
            "bad": len(importer.bad),
            "entries": info.entries,
            "hash": info.content_hash,
        }
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
        return
    click.echo(f"{importer.facts:,} facts, {out.stat().st_size / 1e6:,.1f} MB.")
    if importer.bad:
        click.echo(f"{len(importer.bad):,} rows could not be used; {bad} lists them.")
    if importer.facts:
        click.echo(f"Next: ebb backtest {out} --out backtest")
