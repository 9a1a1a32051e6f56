"""`ebb rules activate`."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from agents.cli.rule_files import FILE, make_console, read_or_end, show_differences
from agents.cli.surroundings import failures, json_option, load_settings, print_json, yes_option

if TYPE_CHECKING:
    from agents.rules_in_force import InForce
    from agents.settings import Settings
    from streams.ruleset import RuleSet

_MOST_BYTES: Final = 64 * 1024
_BACKFILL: Final = {
    "none": "stays silent until it has been false",
    "silent": "opens without being sent",
    "emit": "opens and is sent",
}


@click.command("activate")
@click.argument("file", type=FILE)
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

    Shows what will be different from what is in force, and asks. The rule set is sent with every parameter written
    out, so what comes into force is what this version shows.
    """
    from agents.rules_in_force import read_in_force
    from streams.differences import differences

    rules = read_or_end(file)
    record = _record(rules, scope, backfill)
    settings = load_settings()
    with failures(settings):
        now = read_in_force(settings.kafka, settings.topics)
    found = differences(now.of(scope), rules)
    if not yes or not as_json:
        _show(file, scope, backfill, now, rules, [each.text for each in found])
    if not yes:
        question = "Activate it all the same?" if not found else "Put it in force?"
        click.confirm(f"{question} ({settings.brokers})", abort=True, err=True)
    with failures(settings):
        offset = _send(settings, scope, record)
    if as_json:
        print_json({
            "hash": rules.hash, "scope": scope, "backfill": backfill, "offset": offset,
            "differences": [each._asdict() for each in found],
        })  # fmt: skip
    else:
        click.echo(f"Sent as {settings.topics.real('rulesets')}/0@{offset}. It is in force once ingest has read it.")


def _show(file: Path, scope: str, backfill: str, now: InForce, rules: RuleSet, texts: list[str]) -> None:
    """What will be different, and what a rule owner may not have thought of."""
    console = make_console(stderr=True)
    where = "every program" if scope == "*" else f"program {scope}"
    former = now.of(scope)
    if texts:
        console.print(f"{file} in {where}, compared with what is in force ({former.hash[:8]}):", highlight=False)
        show_differences(console, texts)
        console.print(f"What is already true of it {_BACKFILL[backfill]} (--backfill {backfill}).", highlight=False)
    else:
        console.print(f"{file} means what is in force in {where} already (hash {rules.hash}).", highlight=False)
    apart = sorted(each for each in now.rules if each != "*")
    if scope == "*" and apart:
        console.print(f"Programs with a rule set of their own keep it: {', '.join(apart)}.", highlight=False)
    if scope in now.unread:
        console.print("What was activated last is not read by this version: its differences are not shown.")
    for name in sorted({scope, *rules.overridden()} - {"*"} - set(now.programs)):
        near = get_close_matches(name, now.programs, n=1)
        hint = f"did you mean {near[0]}?" if near else "its facts may not have come yet."
        console.print(f"No program {name} is known, {hint}", style="yellow", highlight=False)


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


def _send(settings: Settings, scope: str, value: bytes) -> int:
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
