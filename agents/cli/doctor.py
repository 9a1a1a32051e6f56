"""`ebb doctor`: what is wrong, and how to mend it."""

from __future__ import annotations

import os

import click

from agents.cli.surroundings import json_option, print_json


@click.command("doctor")
@click.option(
    "--size", nargs=2, type=click.FloatRange(min=0, min_open=True), metavar="PAIRS FACTS",
    help="Say instead what so many active pairs need, with so many facts a second at peak; asks no broker.",
)  # fmt: skip
@json_option
def command(size: tuple[float, float] | None, as_json: bool) -> None:
    """Say what is wrong with settings, broker, topics, clock, rule sets and state, and how to mend it.

    Exit code 0 whenever it could answer, whatever the answer is. The JSON holds `ready`, `lag` (`ingest` in records,
    `engine` in journal entries, null where nobody can tell) and `problems`, each with `problem` and `mend`.
    """
    if size is not None:
        _print_size(round(size[0]) or 1, size[1], as_json)
        return
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


def _print_size(pairs: int, facts_a_second: float, as_json: bool) -> None:
    from msgspec import to_builtins

    from agents.sizing import measured, rows, size

    costs = measured()
    found = size(pairs, facts_a_second, costs)
    if as_json:
        print_json({"size": to_builtins(found), "measured": to_builtins(costs)})
        return
    click.echo(f"For {pairs:,} active pairs and {facts_a_second:,g} facts a second at peak:")
    for what, amount in rows(found):
        click.echo(f"  {what:<50} {amount:>12}")
    click.echo(f"From figures of commit {costs.commit}, Python {costs.python}; the formulas are in docs/scaling.md.")
