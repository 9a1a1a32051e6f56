"""`ebb notifier`: tell people, and see beforehand what they would be told."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from agents.cli.surroundings import failures, json_option, load_settings, print_json


@click.group("notifier", invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Tell people what needs them, until SIGTERM, which ends it with exit code 0 within 15 s.

    Who is told what, and how, stands in EBB_RECIPIENTS_FILE (recipients.toml). Of several notifiers one works, the
    others stand by. Health (/livez, /readyz) and /metrics are on EBB_HOST:EBB_PORT.
    """
    if context.invoked_subcommand is not None:
        return
    settings = load_settings()
    import logging
    import sys

    from agents import logs
    from agents.notifier.config import ConfigError
    from agents.notifier.outcome import PermanentError
    from agents.notifier.process import check, run_notifier
    from agents.settings import unknown_variables

    logs.set_up(settings.log_level, settings.log_format)
    for sentence in unknown_variables(os.environ):
        logging.getLogger("ebb.notifier").warning("%s", sentence)
    try:
        config = check(settings)
    except (ConfigError, PermanentError) as error:
        raise click.UsageError(_why(error)) from error
    sys.exit(run_notifier(settings, config))


@command.command("check")
def check_file() -> None:
    """Read the recipients' file, its secrets and its targets, and say what is wrong. Nothing is sent."""
    settings = load_settings()
    from agents.notifier.config import ConfigError
    from agents.notifier.outcome import PermanentError
    from agents.notifier.process import check

    try:
        config = check(settings)
    except (ConfigError, PermanentError) as error:
        raise click.ClickException(_why(error)) from error
    for one in config.recipients:
        ways = [name for name in ("email", "chat", "webhook") if getattr(one, name) is not None]
        click.echo(f"{one.id}: {', '.join(ways) or 'cannot be reached'}")
    click.echo(f"{len(config.recipients)} recipients.")


@command.command("rehearse")
@click.argument("interventions", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--programs",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON lines of program.changed, for who coordinates what; else one coordinator for each program.",
)
@click.option(
    "--from", "since", type=click.DateTime(["%Y-%m-%d"]), help="Count weeks that begin on this day or later (UTC)."
)
@json_option
def rehearse(interventions: Path, programs: Path | None, since: datetime | None, as_json: bool) -> None:
    """Say how many messages people would have got from the interventions.jsonl of a backtest. Nothing is sent.

    Recipients and policy are those of EBB_RECIPIENTS_FILE where it exists. Else everybody whom programs name gets
    mails, with the defaults, in the zone of the program. Nobody answers, so reminders and escalations count in full.
    """
    settings = load_settings()
    from agents.notifier.config import ConfigError
    from agents.notifier.rehearse import rehearse_file
    from schemas.base import to_ms

    try:
        with failures(settings):
            since_ms = 0 if since is None else to_ms(since.replace(tzinfo=UTC))
            table = rehearse_file(interventions, programs, settings.recipients_file, since_ms)
    except (ConfigError, ValueError) as error:
        raise click.ClickException(_why(error)) from error
    if as_json:
        print_json(table)
        return
    click.echo(table.text())


def _why(error: Exception) -> str:
    problems = getattr(error, "problems", None)
    return "\n  ".join(("the recipients' file cannot be used:", *problems)) if problems else str(error)
