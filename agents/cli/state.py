"""`ebb state show|rebuild`: what the engine remembers of a program, a pair or a participant; making it anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from agents.cli.surroundings import check_new_file, failures, json_option, load_settings, print_json, yes_option

if TYPE_CHECKING:
    from agents.settings import Settings

_YEAR_2000_MS: Final = 946_684_800_000


@click.group("state")
def command() -> None:
    """Look at what the engine remembers, or make it anew from the journal."""


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


@command.command("rebuild")
@click.option("--partition", "partitions", type=click.IntRange(min=0), multiple=True, help="Only this one; repeatable.")
@yes_option
@json_option
def rebuild(partitions: tuple[int, ...], yes: bool, as_json: bool) -> None:
    """Make the state anew from the journal, where it was lost or cut.

    Folds the journal from its beginning, which must still be there. Interventions that stand on the topic are
    recognised and not published again. Stop every engine worker first.
    """
    import asyncio

    from agents.app import engine_group, lane_topics
    from agents.engine import engines
    from agents.rebuild import rebuild as work

    settings = load_settings()
    if not yes:
        click.confirm(f"Replace the state of {settings.topics.real('state')}?", abort=True, err=True)
    prefix = settings.topic_prefix
    with failures(settings):
        found = asyncio.run(
            work(
                settings.kafka,
                lane_topics(settings.topics),
                engine_group(prefix),
                engines(prefix)[0],
                partitions or None,
            )
        )
    if as_json:
        print_json([part._asdict() for part in found])
        return
    for part in found:
        click.echo(
            f"partition {part.partition}: {part.entries:,} entries folded into {part.rows:,} rows; "
            f"{part.known:,} interventions were there, {part.published:,} published."
        )


@command.command("snapshot")
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Parquet file to write; must not exist.",
)
@json_option
def snapshot(out: Path, as_json: bool) -> None:
    """Write all that the engine remembers now, so that a recording can begin here.

    `ebb record --resume FILE` then records what came after. Taken now and then, snapshots keep a journal replayable
    whose beginning has passed its retention.
    """
    from agents.recordings import RecordingError
    from agents.snapshots import take_snapshot

    check_new_file(out)
    settings = load_settings()
    with failures(settings):
        try:
            info = take_snapshot(settings.kafka, settings.topics, out)
        except RecordingError as error:
            raise click.ClickException(str(error)) from error
    rows = sum(one.snapshot.rows for one in info.partitions if one.snapshot is not None)
    told = {
        "file": str(out),
        "rows": rows,
        "after_offsets": [one.first_offset - 1 for one in info.partitions],
        "bytes": out.stat().st_size,
        "hash": info.content_hash,
    }
    if as_json:
        print_json(told)
        return
    click.echo(f"{rows:,} rows of {len(info.partitions)} partitions, {out.stat().st_size / 1e6:,.1f} MB.")
    if any(one.live_from is None for one in info.partitions):
        click.echo("The engine was busy all the time: --against live will not be possible from here.")
    click.echo(f"Next: ebb record --resume {out} --out recording.parquet")


def _find(settings: Settings, program: str, key: bytes) -> dict[str, Any] | None:
    from agents.host.process import Refusal
    from agents.reading import Reader
    from schemas.topics import STATE
    from streams.partitioner import partition_for
    from streams.state.parts import is_part, split_part_key
    from streams.state.table import decode_record

    name = settings.topics.real(STATE)
    with Reader(settings.kafka) as reader:
        count = reader.partitions().get(name, 0)
        if not count:
            raise Refusal(f"There is no topic {name} on this cluster: check the brokers and the topic prefix.")
        place = (name, partition_for(program.encode(), count))
        rows: dict[str, bytes | None] = {}
        for message in reader.read(reader.stretches([place])):
            row = message.key()
            owner, part = split_part_key(row) if is_part(row) else (row, "")
            if owner == key:
                rows[part] = message.value()
    stored = {part: value for part, value in rows.items() if value}
    if "" not in stored:
        return None
    return {"partition": place[1], **_readable(decode_record(key, stored[""], stored))}


def _readable(value: Any, name: str = "") -> Any:
    """A stored record as names and values; instants as text, timers by rule."""
    import msgspec

    from schemas.base import from_ms, instant_text
    from streams.rules import RULES_BY_CODE
    from streams.state.record import HOUSEKEEPING, LIFE

    if isinstance(value, msgspec.Struct):
        return {field: _readable(getattr(value, field), field) for field in value.__struct_fields__}
    if isinstance(value, Mapping):
        if name == "timers":
            rules = {code: rule.id for code, rule in RULES_BY_CODE.items()}
            rules |= {HOUSEKEEPING: "housekeeping", LIFE: "open episodes"}
            return {rules.get(code, _unlisted(code)): _readable(due, "due_ms") for code, due in value.items()}
        return {str(key): _readable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, int) and name.endswith("_ms") and value > _YEAR_2000_MS:
        return instant_text(from_ms(value))
    if name == "rule" and isinstance(value, int):
        return RULES_BY_CODE[value].id if value in RULES_BY_CODE else _unlisted(value)
    return getattr(value, "name", value) if hasattr(type(value), "__members__") else value


def _unlisted(code: int) -> str:
    """A rule that is not in the catalogue: one that a rule set defines, by its code, or one of the past."""
    from streams.custom import FIRST_CODE

    return f"custom rule {code}" if code >= FIRST_CODE else f"retired rule {code}"


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
            click.echo(f"{indent}{name:<26} {value}")
