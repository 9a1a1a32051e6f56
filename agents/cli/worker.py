"""`ebb worker`: run ingest and engine until SIGTERM."""

from __future__ import annotations

import os
from typing import Literal

import click

from agents.cli.surroundings import load_settings


@click.command("worker")
@click.option("--only", type=click.Choice(["ingest", "engine"]), help="Leave the other half to another process.")
def command(only: Literal["ingest", "engine"] | None) -> None:
    """Run ingest and engine until SIGTERM, which ends them with exit code 0 within 15 s.

    Health (/livez, /readyz) and /metrics are on EBB_HOST:EBB_PORT. A worker that must not start says why in one
    sentence and ends with exit code 1. Several workers share the partitions of the same topics.
    """
    settings = load_settings()
    import logging
    import sys

    from agents import logs
    from agents.app import run_worker
    from agents.settings import unknown_variables

    logs.set_up(settings.log_level, settings.log_format)
    for sentence in unknown_variables(os.environ):
        logging.getLogger("ebb.worker").warning("%s", sentence)
    sys.exit(run_worker(settings, only))
