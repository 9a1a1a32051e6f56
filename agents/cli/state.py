"""`ebb state show`: what the engine remembers of a program, a pair or a participant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from agents.cli.surroundings import failures, json_option, load_settings, print_json

if TYPE_CHECKING:
    from agents.settings import Settings

_YEAR_2000_MS: Final = 946_684_800_000


@click.group("state")
def command() -> None:
    """Look at what the engine remembers."""


@command.command("show")
@click.argument("program")
@click.option("--pair", help="Id of a pair of the program.")
@click.option("--participant", help="Id of a participant of the program.")
@json_option
def show(program: str, pair: str | None, participant: str | None, as_json: bool) -> None:
    """Show the record of PROGRAM, or of one of its pairs or participants, as last committed.

    Reads the program's partition of the state topic from its beginning, which takes a while where it is large.
    """
    if pair is not None and participant is not None:
        raise click.UsageError("give --pair or --participant, not both.")
    from streams.state.table import pair_key, participant_key, program_key

    key = program_key(program)
    if pair is not None:
        key = pair_key(program, pair)
    elif participant is not None:
        key = participant_key(program, participant)
    settings = load_settings()
    with failures(settings):
        found = _find(settings, program, key)
    if found is None:
        raise click.ClickException(f"There is no record of {key[1:].decode()} in {settings.topics.real('state')}.")
    if as_json:
        print_json(found)
    else:
        _print_lines(found, "")


def _find(settings: Settings, program: str, key: bytes) -> dict[str, Any] | None:
    from agents.host.process import Refusal
    from agents.reading import Reader
    from schemas.topics import STATE
    from streams.partitioner import partition_for
    from streams.state.table import decode_record

    name = settings.topics.real(STATE)
    with Reader(settings.kafka) as reader:
        count = reader.partitions().get(name, 0)
        if not count:
            raise Refusal(f"There is no topic {name} on this cluster: check the brokers and the topic prefix.")
        place = (name, partition_for(program.encode(), count))
        raw: bytes | None = None
        for message in reader.read(reader.stretches([place])):
            if message.key() == key:
                raw = message.value()
    return None if raw is None else {"partition": place[1], **_readable(decode_record(key, raw))}


def _readable(value: Any, name: str = "") -> Any:
    """A stored record as names and values; instants as text, timers by rule."""
    import msgspec

    from schemas.base import from_ms, instant_text
    from streams.rules import RULES_BY_CODE

    if isinstance(value, msgspec.Struct):
        return {field: _readable(getattr(value, field), field) for field in value.__struct_fields__}
    if isinstance(value, Mapping):
        if name == "timers":
            rules = {code: rule.id for code, rule in RULES_BY_CODE.items()} | {0: "housekeeping"}
            return {rules.get(code, f"retired rule {code}"): _readable(due, "due_ms") for code, due in value.items()}
        return {str(key): _readable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, int) and name.endswith("_ms") and value > _YEAR_2000_MS:
        return instant_text(from_ms(value))
    if name == "rule" and value in RULES_BY_CODE:
        return RULES_BY_CODE[value].id
    return getattr(value, "name", value) if hasattr(type(value), "__members__") else value


def _print_lines(tree: dict[str, Any], indent: str) -> None:
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            click.echo(f"{indent}{name}")
            _print_lines(value, indent + "  ")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for number, item in enumerate(value):
                click.echo(f"{indent}{name} {number}")
                _print_lines(item, indent + "  ")
        elif value not in ({}, [], ""):
            click.echo(f"{indent}{name:<24} {value}")
