"""`ebb dead-letters list|show|redrive`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from agents.cli.surroundings import failures, json_option, load_settings, print_json, yes_option

if TYPE_CHECKING:
    from agents.settings import Settings
    from schemas.dead_letters import DeadLetterHeaders

_WHERE: Final = re.compile(r"(\d+)@(\d+)")


class _Letter(NamedTuple):
    """A dead letter and what its headers say; `where` is PARTITION@OFFSET on dead-letters."""

    where: str
    message: Any
    said: DeadLetterHeaders

    def row(self) -> dict[str, Any]:
        said, value = self.said, self.message.value()
        return {
            "where": self.where,
            "source": f"{said.topic}/{said.partition}@{said.offset}",
            "reason": said.exception,
            "message": said.message,
            "attempt": said.attempt,
            "bytes": None if value is None else len(value),
        }


@click.group("dead-letters")
def command() -> None:
    """Look at records we could not use, and send them again once their cause is mended."""


@command.command("list")
@click.option("--topic", help="Only from this inbound topic, named without prefix.")
@click.option("--reason", help="Only with this reason.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Only the last so many.")
@json_option
def list_letters(topic: str | None, reason: str | None, limit: int, as_json: bool) -> None:
    """List dead letters, oldest first, with the reason each was refused for; never with their content."""
    settings = load_settings()
    with failures(settings):
        found = sorted(_matching(settings, topic, reason), key=lambda letter: letter.message.timestamp()[1])
    if as_json:
        print_json({"total": len(found), "dead_letters": [letter.row() for letter in found[-limit:]]})
        return
    for letter in found[-limit:]:
        row = letter.row()
        click.echo(f"{row['where']:<12} {row['source']:<34} {row['reason']:<20} {row['message']}")
    click.echo(f"{len(found):,} dead letters" + (f", the last {limit} shown." if len(found) > limit else "."))


@command.command("show")
@click.argument("where", metavar="PARTITION@OFFSET")
@click.option("--content", is_flag=True, help="Show key and value too: they may hold what a participant wrote.")
@json_option
def show(where: str, content: bool, as_json: bool) -> None:
    """Show one dead letter, by its place as `list` tells it."""
    place = _parse(where)
    settings = load_settings()
    with failures(settings):
        letter = next(_at(settings, [place]), None)
    if letter is None:
        raise click.ClickException(f"There is no dead letter at {where}.")
    tree = letter.row()
    if content:
        tree |= {"key": _text(letter.message.key()), "value": _text(letter.message.value())}
    if as_json:
        print_json(tree)
        return
    for name, value in tree.items():
        click.echo(f"{name:<10} {'null' if value is None else value}")


@command.command("redrive")
@click.argument("places", nargs=-1, metavar="[PARTITION@OFFSET]...")
@click.option("--all", "everything", is_flag=True, help="Every one, or those that --topic and --reason name.")
@click.option("--topic", help="With --all: only from this inbound topic, named without prefix.")
@click.option("--reason", help="With --all: only with this reason.")
@yes_option
@json_option
def redrive(
    places: tuple[str, ...], everything: bool, topic: str | None, reason: str | None, yes: bool, as_json: bool
) -> None:
    """Send dead letters back to the topic and partition they came from.

    They arrive as of now, with their attempt counted up should they fail again. A fact that did get through is
    recognised by its event_id for 7 days, so sending one twice does no harm. Nothing is removed from dead-letters.
    """
    if bool(places) == everything:
        raise click.UsageError("name dead letters by PARTITION@OFFSET, or give --all.")
    if (topic or reason) and not everything:
        raise click.UsageError("--topic and --reason choose among --all.")
    named = [_parse(place) for place in places]
    settings = load_settings()
    with failures(settings):
        found = list(_matching(settings, topic, reason) if everything else _at(settings, named))
    if len(found) < len(named):
        raise click.ClickException(f"Only {len(found)} of {len(named)} dead letters are there; nothing was sent.")
    # A crash may have written one twice: what it came from is what it is.
    once = list({(one.said.topic, one.said.partition, one.said.offset): one for one in found}.values())
    what = "1 record" if len(once) == 1 else f"{len(once):,} records"
    if once and not yes:
        click.confirm(f"Send {what} to {settings.brokers} again?", abort=True, err=True)
    with failures(settings):
        _send(settings, once)
    if as_json:
        print_json({"redriven": len(once)})
    else:
        click.echo(f"Sent {what} again.")


def _parse(where: str) -> tuple[int, int]:
    match = _WHERE.fullmatch(where)
    if match is None:
        raise click.BadParameter(f"{where!r} is no place: give PARTITION@OFFSET, as in 3@120", param_hint="PLACE")
    return int(match[1]), int(match[2])


def _matching(settings: Settings, topic: str | None, reason: str | None) -> Iterator[_Letter]:
    real = settings.topics.real(topic) if topic in _inbound() else topic
    for letter in _read(settings, None):
        if (real is None or letter.said.topic == real) and (reason is None or letter.said.exception == reason):
            yield letter


def _at(settings: Settings, places: list[tuple[int, int]]) -> Iterator[_Letter]:
    return _read(settings, places)


def _read(settings: Settings, places: list[tuple[int, int]] | None) -> Iterator[_Letter]:
    """Every dead letter, or those at certain places."""
    from agents.host.process import Refusal
    from agents.reading import Reader, Stretch
    from schemas.dead_letters import read_headers
    from schemas.topics import DEAD_LETTERS

    name = settings.topics.real(DEAD_LETTERS)
    with Reader(settings.kafka) as reader:
        count = reader.partitions().get(name, 0)
        if not count:
            raise Refusal(f"There is no topic {name} on this cluster: check the brokers and the topic prefix.")
        wanted = range(count) if places is None else sorted({partition for partition, _ in places})
        beyond = [partition for partition in wanted if partition >= count]
        if beyond:
            raise Refusal(f"{name} has {count} partitions, there is none numbered {beyond[0]}.")
        stretches = reader.stretches((name, partition) for partition in wanted)
        if places is not None:
            for partition in wanted:
                begin, end = stretches[name, partition]
                asked = [offset for number, offset in places if number == partition]
                stretches[name, partition] = Stretch(max(begin, min(asked)), min(end, max(asked) + 1))
        for message in reader.read(stretches):
            said = read_headers(message.headers() or [])
            if said is not None and (places is None or (message.partition(), message.offset()) in places):
                yield _Letter(f"{message.partition()}@{message.offset()}", message, said)


def _send(settings: Settings, letters: list[_Letter]) -> None:
    from confluent_kafka import KafkaException, Producer

    refused: list[Any] = []
    producer = Producer(settings.kafka.confluent() | {"acks": "all", "enable.idempotence": True, "log_level": 0})
    for letter in letters:
        producer.produce(
            letter.said.topic,
            key=letter.message.key(),
            value=letter.message.value(),
            headers=letter.message.headers(),  # ours stay: they carry the number of the attempt
            partition=letter.said.partition,
            on_delivery=lambda error, _message: refused.append(error) if error is not None else None,
        )
        producer.poll(0)
    if producer.flush(60):
        raise TimeoutError("not everything was taken within 60 s; sending again does no harm")
    if refused:
        raise KafkaException(refused[0])


def _inbound() -> tuple[str, ...]:
    from schemas.topics import INBOUND

    return INBOUND


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode("utf-8", errors="backslashreplace")
