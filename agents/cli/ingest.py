"""`ebb ingest resume|accept-gap`: decisions that only a person may take."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from agents.cli.surroundings import failures, json_option, load_settings, print_json, yes_option

if TYPE_CHECKING:
    from agents.ingest.merge import Source


@click.group("ingest")
def command() -> None:
    """Resume a stopped source, or accept that records are lost."""


def _source(text: str) -> Source:
    from agents.ingest.repair import parse_source

    try:
        return parse_source(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="SOURCE") from error


@command.command("resume")
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@json_option
def resume(sources: tuple[str, ...], as_json: bool) -> None:
    """Let stopped sources go on; without SOURCE, list those that are stopped.

    SOURCE is an inbound topic without its prefix and a partition, as in ratings/0. A source stops when more than 5 % of
    1,000 records, or 100 in a row, are bad. It takes up where it stopped, bad records go to dead-letters again.
    """
    from agents.ingest import repair

    named = [_source(text) for text in sources]
    settings = load_settings()
    with failures(settings):
        if named:
            stops = {one: asyncio.run(repair.resume(settings.kafka, settings.topics, one)) for one in named}
        else:
            stops = asyncio.run(repair.stopped_sources(settings.kafka, settings.topics))
    verb = "resumed" if named else "stopped"
    if as_json:
        print_json([{"source": str(one), "offset": stop.offset, "reason": stop.reason} for one, stop in stops.items()])
        return
    for one, stop in stops.items():
        click.echo(f"{verb} {one} at offset {stop.offset}: {stop.reason}")
    if not stops:
        click.echo("No source is stopped.")


@command.command("accept-gap")
@click.argument("source")
@yes_option
@json_option
def accept_gap(source: str, yes: bool, as_json: bool) -> None:
    """Give up records of SOURCE that are gone: removed before they were read, or their topic recreated.

    The journal is told between which times something is missing, and no absence is concluded from it. Stop every ingest
    worker first.
    """
    from agents.ingest import repair

    named = _source(source)
    settings = load_settings()
    if not yes:
        click.confirm(f"Give up for good what is missing from {named}?", abort=True, err=True)
    with failures(settings):
        gaps = asyncio.run(repair.accept_gap(settings.kafka, settings.topics, named))
    if as_json:
        print_json([{"source": str(gap.source), "lost": gap.lost, "from": gap.first, "to": gap.last} for gap in gaps])
        return
    for gap in gaps:
        lost = "an unknown number of" if gap.lost is None else f"{gap.lost:,}"
        click.echo(
            f"{gap.source}: {lost} records between {gap.first:%Y-%m-%d %H:%M} and {gap.last:%Y-%m-%d %H:%M} UTC "
            f"given up; reading goes on at offset {gap.position}."
        )
