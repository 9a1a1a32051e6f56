"""`ebb rules check|activate`."""

from __future__ import annotations

import tomllib
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from agents.cli.surroundings import failures, json_option, load_settings, print_json, yes_option

if TYPE_CHECKING:
    from streams.ruleset import RuleSet

_MOST_BYTES: Final = 64 * 1024


@click.group("rules")
def command() -> None:
    """Check a rule set, or put one in force. An empty file is the shipped defaults."""


def _read(path: Path) -> tuple[RuleSet | None, list[str]]:
    """The rule set of a file, or what is wrong with it."""
    from streams.ruleset import RulesetError, parse

    try:
        return parse(tomllib.loads(path.read_text("utf-8"))), []
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return None, [f"{path} is no readable TOML: {error}"]
    except RulesetError as error:
        return None, error.problems


def _show_problems(path: Path, problems: list[str]) -> None:
    click.echo(f"{path} cannot come into force:", err=True)
    for problem in problems:
        click.echo(f"  {problem}", err=True)


@command.command("check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def check(file: Path, as_json: bool) -> None:
    """Check FILE (TOML); exit code 1 when it cannot come into force."""
    rules, problems = _read(file)
    if as_json:
        print_json({"valid": rules is not None, "hash": rules.hash if rules else None, "problems": problems})
    elif rules is None:
        _show_problems(file, problems)
    else:
        programs = len(rules.tree["programs"])
        click.echo(
            f"{file} is valid: {len(rules.tree['rules'])} rules"
            + (f", overrides for {programs} program{'s' * (programs > 1)}" if programs else "")
            + f". Hash {rules.hash}"
        )
    if rules is None:
        raise SystemExit(1)


@command.command("activate")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--scope", default="*", show_default=True, help="A program id, or * for every program without its own.")
@click.option(
    "--backfill",
    type=click.Choice(["none", "silent", "emit"]),
    default="silent",
    show_default=True,
    help="What becomes of conditions already true: nothing, open without delivery, open.",
)
@yes_option
@json_option
def activate(file: Path, scope: str, backfill: Literal["none", "silent", "emit"], yes: bool, as_json: bool) -> None:
    """Put FILE in force from one journal entry on, the same in every worker and every replay.

    The rule set is sent with every parameter written out, so what comes into force is what this version shows.
    """
    rules, problems = _read(file)
    if rules is None:
        _show_problems(file, problems)
        raise SystemExit(1)
    record = _record(rules, scope, backfill)
    settings = load_settings()
    where = "every program" if scope == "*" else scope
    if not yes:
        click.confirm(
            f"Put {file} (hash {rules.hash}) in force for {where} on {settings.brokers}, backfill {backfill}?",
            abort=True,
            err=True,
        )
    with failures(settings):
        offset = _send(settings, scope, record)
    if as_json:
        print_json({"hash": rules.hash, "scope": scope, "backfill": backfill, "offset": offset})
    else:
        click.echo(f"Sent as {settings.topics.real('rulesets')}/0@{offset}. It is in force once ingest has read it.")


def _record(rules: RuleSet, scope: str, backfill: str) -> bytes:
    import msgspec
    from pydantic import ValidationError

    from schemas.base import instant_text
    from schemas.rulesets import RulesetActivated

    tree: dict[str, Any] = {
        "event_id": uuid.uuid4().hex,
        "type": "ruleset.activated",
        "occurred_at": instant_text(datetime.now(UTC)),
        "ruleset": rules.tree,
        "scope": scope,
        "backfill": backfill,
    }
    value = msgspec.json.encode(tree)
    try:
        RulesetActivated.model_validate_json(value)
    except ValidationError as error:
        words = "; ".join(problem["msg"] for problem in error.errors(include_input=False, include_url=False))
        raise click.BadParameter(words, param_hint="--scope") from error
    if len(value) > _MOST_BYTES:
        raise click.ClickException(
            f"The rule set has {len(value):,} bytes written out, a record may have {_MOST_BYTES:,}: "
            "activate overrides of programs by --scope instead."
        )
    return value


def _send(settings: Any, scope: str, value: bytes) -> int:
    from confluent_kafka import KafkaException, Producer

    answers: list[tuple[Any, Any]] = []
    producer = Producer(settings.kafka.confluent() | {"acks": "all", "enable.idempotence": True, "log_level": 0})
    producer.produce(
        settings.topics.real("rulesets"),
        key=scope.encode(),
        value=value,
        partition=0,
        on_delivery=lambda error, message: answers.append((error, message)),
    )
    producer.flush(15)
    if not answers:
        raise TimeoutError("no answer within 15 s")
    error, message = answers[0]
    if error is not None:
        raise KafkaException(error)
    offset: int = message.offset()
    return offset
