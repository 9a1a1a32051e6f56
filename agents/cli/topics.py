"""`ebb topics create|check`."""

from __future__ import annotations

import click

from agents.cli.surroundings import failures, json_option, load_settings, print_json


@click.group("topics")
def command() -> None:
    """Create or check the topics on a cluster. What exists is never changed."""


@command.command("create")
@click.option(
    "--partitions", type=click.IntRange(1, 10_000), default=8, show_default=True, help="Frozen once a worker has run."
)
@click.option("--replication-factor", type=click.IntRange(1), help="Copies of each partition.  [default: the broker's]")
@json_option
def create(partitions: int, replication_factor: int | None, as_json: bool) -> None:
    """Create every topic that is missing, with its settings."""
    settings = load_settings()
    if settings.kafka_embedded:
        raise click.UsageError("the embedded broker's topics are created by the process it lives in.")
    from agents import topics

    with failures(settings):
        created, there = topics.create(
            settings.kafka, settings.topics, partitions, -1 if replication_factor is None else replication_factor
        )
    if as_json:
        print_json({"created": created, "existing": there})
        return
    for name in created:
        click.echo(f"created   {name}")
    for name in there:
        click.echo(f"was there {name}")


@command.command("check")
@click.option("--partitions", type=click.IntRange(1, 10_000), help="Expected.  [default: as many as the journal has]")
@json_option
def check(partitions: int | None, as_json: bool) -> None:
    """Compare the topics with what Ebb needs; exit code 1 when something is wrong."""
    settings = load_settings()
    from agents import topics

    with failures(settings):
        problems = topics.check(settings.topics, topics.look(settings.kafka, settings.topics), partitions)
    if as_json:
        print_json({"problems": [problem._asdict() for problem in problems]})
    else:
        for problem in problems:
            click.echo(f"{problem.problem}\n    {problem.mend}")
        if not problems:
            click.echo("The topics are as they should be.")
    if problems:
        raise SystemExit(1)
