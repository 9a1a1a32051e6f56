"""`ebb doctor`: what is wrong, and how to mend it."""

from __future__ import annotations

import os

import click

from agents.cli.surroundings import json_option, print_json


@click.command("doctor")
@json_option
def command(as_json: bool) -> None:
    """Say what is wrong with settings, broker, topics, clock, rule sets and state, and how to mend it.

    Exit code 0 whenever it could answer, whatever the answer is. The JSON holds `ready`, `lag` (`ingest` in records,
    `engine` in journal entries, null where nobody can tell) and `problems`, each with `problem` and `mend`.
    """
    from agents.doctor import Diagnosis, diagnose
    from agents.settings import SettingsError, load, unknown_variables
    from agents.topics import Problem

    try:
        found = diagnose(load())
    except SettingsError as error:
        mend = "Correct it; ebb --help and the README name the settings."
        problems = [Problem(problem, mend) for problem in error.problems]
        found = Diagnosis(ready=False, lag={"ingest": None, "engine": None}, problems=problems)
    hints = unknown_variables(os.environ)
    if as_json:
        problems = found.problems + [Problem(hint, "Rename or unset it.") for hint in hints]
        tree = {"ready": found.ready, "lag": found.lag, "problems": [problem._asdict() for problem in problems]}
        print_json(tree)
        return
    for number, problem in enumerate(found.problems, 1):
        click.secho(f"{number}. {problem.problem}", fg="red")
        click.echo(f"   {problem.mend}")
    for hint in hints:
        click.secho(hint, fg="yellow")
    lag = ", ".join(f"{who} {'unknown' if count is None else format(count, ',')}" for who, count in found.lag.items())
    click.echo(f"{'Ready.' if found.ready else 'Not ready.'} Lag: {lag}.")
