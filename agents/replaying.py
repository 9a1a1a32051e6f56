"""A recording back into the inbound topics of a cluster, in the order of arrival, every record with its own timestamp.

Of a recording of inbound topics the records are what they were. Of the journal they are made again from its entries:
all that was accepted, without participants' words, which the journal does not keep; what the words were flagged for is
therefore not found again.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import msgspec
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource

from agents.host.clients import KafkaSettings
from agents.inbound_lines import InboundLines
from agents.reading import Reader
from agents.recordings import Recording, RecordingError
from schemas.base import instant_text, to_ms
from schemas.compact import encode_fact
from schemas.facts import PairDeleted, ProgramEnded
from schemas.journal import EraseEntry, FactEntry, RulesetEntry, decode_entry
from schemas.rejections import Rejected
from schemas.topics import INBOUND, RULESETS, Topics
from streams.backtest.lines import Arrival

ANSWER_S: Final = 10.0
_DAY_MS: Final = 86_400_000


class Inbound(NamedTuple):
    """A record for an inbound topic; sorts by arrival, then by where it stood."""

    at_ms: int
    place: tuple[int, int]
    topic: str
    key: bytes | None
    value: bytes | None


def inbound_of(recording: Recording) -> Iterator[Inbound]:
    """Yield a recording as records of inbound topics, in the order of their arrival.

    Raises: RecordingError when it is damaged.
    """
    if recording.info.topic == "inbound":
        for line in InboundLines(recording).lines():
            if isinstance(line.content, Rejected):  # cannot be: its rows carry their own times
                continue
            arrival: Arrival = line.content
            yield Inbound(line.at_ms, (line.file, line.number), arrival.topic, arrival.key, arrival.value)
        return
    yield from heapq.merge(*(_of_partition(recording, number) for number in range(len(recording.info.partitions))))


def replay(
    kafka: KafkaSettings,
    topics: Topics,
    recording: Recording,
    speed: float = 0.0,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Send a recording to the inbound topics of a cluster.

    Args:
        speed: so many times as fast as it was; 0: as fast as possible.
        progress: told of records sent.

    Returns: how many records were sent.
    Raises: RecordingError when a topic is missing, not empty, or would remove such old records at once.
    """
    first = next(inbound_of(recording), None)
    if first is None:
        raise RecordingError(f"{recording.path} holds no fact.")
    try:
        counts = _check(kafka, topics, first.at_ms)
        return _send(kafka, topics, inbound_of(recording), counts, first.at_ms, speed, progress)
    except KafkaException as error:
        raise RecordingError(f"The brokers at {kafka.brokers} did not answer: {error.args[0].str()}.") from error


def _of_partition(recording: Recording, number: int) -> Iterator[Inbound]:
    latest = 0  # what came late on one source must not overtake what stands before it
    for first, values in recording.entries(number):
        for offset, value in enumerate(values, first):
            entry = decode_entry(value)
            if isinstance(entry, FactEntry | EraseEntry):
                latest = max(latest, to_ms(entry.arrived_at))
                yield Inbound(latest, (number, offset), *_record(entry))
            elif isinstance(entry, RulesetEntry) and entry.source is not None and number == 0:
                assert entry.arrived_at is not None
                latest = max(latest, to_ms(entry.arrived_at))
                yield Inbound(latest, (number, offset), RULESETS, entry.scope.encode(), _activation(entry))


def _record(entry: FactEntry | EraseEntry) -> tuple[str, bytes, bytes | None]:
    if isinstance(entry, EraseEntry):
        return "participants", f"{entry.program_id}/{entry.participant_id}".encode(), None
    fact: Any = entry.fact
    topic = entry.source.topic
    names = {"pairs": ("pair_id",), "participants": ("participant_id",)}.get(topic, ())
    key = "/".join([fact.program_id, *(getattr(fact, name) for name in names)]).encode()
    return topic, key, None if isinstance(fact, PairDeleted | ProgramEnded) else encode_fact(fact)


def _activation(entry: RulesetEntry) -> bytes:
    assert entry.source is not None
    assert entry.arrived_at is not None
    return msgspec.json.encode(
        {
            "event_id": f"replayed-{entry.source.partition}-{entry.source.offset}",
            "type": "ruleset.activated",
            "occurred_at": instant_text(entry.arrived_at),
            "scope": entry.scope,
            "ruleset": entry.ruleset,
            "backfill": entry.backfill,
        }
    )


def _check(kafka: KafkaSettings, topics: Topics, first_ms: int) -> dict[str, int]:
    """Refuse a cluster on which a replay would not stay. Returns: partitions by inbound topic."""
    with Reader(kafka, "ebb-replay") as reader:
        known = reader.partitions()
        missing = [topics.real(name) for name in INBOUND if topics.real(name) not in known]
        if missing:
            raise RecordingError(f"There is no topic {missing[0]}: `ebb topics create` makes what is needed.")
        counts = {name: known[topics.real(name)] for name in INBOUND}
        places = [(topics.real(name), number) for name, count in counts.items() for number in range(count)]
        for (name, _), stretch in reader.stretches(places).items():
            if stretch.end > 0:
                raise RecordingError(f"{name} is not empty: replay into a cluster, or a topic prefix, of its own.")
    if not kafka.embedded:
        _check_retention(kafka, topics, first_ms)
    return counts


def _check_retention(kafka: KafkaSettings, topics: Topics, first_ms: int) -> None:
    """Refuse topics that would remove such old records, or give them times of their own."""
    age_ms = int(time.time() * 1_000) - first_ms
    admin = AdminClient(kafka.confluent())
    asked = [ConfigResource(ConfigResource.Type.TOPIC, topics.real(name)) for name in INBOUND]
    for resource, future in admin.describe_configs(asked, request_timeout=ANSWER_S).items():
        settings = {name: entry.value for name, entry in future.result().items()}
        if settings["message.timestamp.type"] != "CreateTime":
            raise RecordingError(
                f"{resource.name} gives records the time at which they are written (message.timestamp.type): "
                "what is sent would lose its times; set it to CreateTime."
            )
        retention_ms = int(settings["retention.ms"])
        if "delete" in settings["cleanup.policy"] and 0 <= retention_ms < age_ms:
            raise RecordingError(
                f"{resource.name} keeps records for {retention_ms / _DAY_MS:g} days, and the recording begins "
                f"{age_ms / _DAY_MS:.0f} days ago: what is sent would be removed at once; set its retention.ms to -1."
            )


def _send(
    kafka: KafkaSettings,
    topics: Topics,
    records: Iterator[Inbound],
    counts: dict[str, int],
    first_ms: int,
    speed: float,
    progress: Callable[[int], None],
) -> int:
    refused: list[str] = []

    def delivered(error: object, _message: object) -> None:
        if error is not None:
            refused.append(str(error))

    options = {"linger.ms": 20, "enable.idempotence": True, "partitioner": "murmur2_random", "log_level": 0}
    producer = Producer(kafka.confluent() | options)
    began, sent = time.monotonic(), 0
    for sent, record in enumerate(records, 1):
        if speed > 0:
            _wait(producer, began + (record.at_ms - first_ms) / 1_000 / speed)
        while True:
            try:
                # One key, one partition, whatever the topic: what belongs to a program stays in order.
                producer.produce(
                    topics.real(record.topic),
                    key=record.key,
                    value=record.value,
                    timestamp=record.at_ms,
                    on_delivery=delivered,
                )
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
        if sent % 1_000 == 0:
            progress(1_000)
        if refused:
            raise RecordingError(f"A record was refused: {refused[0]}.")
    if producer.flush(60) or refused:
        raise RecordingError(f"Not all records were taken{': ' + refused[0] if refused else ''}.")
    assert counts
    progress(sent % 1_000)
    return sent


def _wait(producer: Producer, until: float) -> None:
    while (left := until - time.monotonic()) > 0:
        producer.poll(min(left, 0.5))
