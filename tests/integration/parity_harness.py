"""Facts loaded before the start, a worker process on either broker that digests them, and what came out of it."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import msgspec
from click.testing import CliRunner
from confluent_kafka import KafkaError, KafkaException, Producer

from agents.cli.backtest import command as backtest_command
from agents.host.clients import KafkaSettings
from agents.ingest.sources import ORDER
from agents.reading import Place, Reader, Stretch
from agents.recorder import record_journal
from agents.recordings import Recording
from agents.topics import partitions_of
from deploy.kafka.broker import KafkaBroker
from deploy.ports import free_port
from schemas.base import to_ms
from schemas.journal import ProgressEntry, decode_entry
from schemas.outbound import decode_intervention
from schemas.topics import CATALOGUE, INTERVENTIONS, JOURNAL, Topic, Topics
from streams.clock import DAY_MS
from streams.partitioner import partition_for
from tests.conftest import Broker

ROOT: Final = Path(__file__).resolve().parent.parent.parent
PARTITIONS: Final = 8
_PATIENCE_S: Final = 60.0
_NO_LEADER_YET: Final = (KafkaError._UNKNOWN_PARTITION, KafkaError.NOT_LEADER_FOR_PARTITION)


class Inbound(Protocol):
    """A record as it would be sent; examples.oulad has them, too."""

    @property
    def topic(self) -> str: ...

    @property
    def key(self) -> bytes: ...

    @property
    def value(self) -> bytes: ...

    @property
    def arrived_ms(self) -> int: ...


AnyInbound = TypeVar("AnyInbound", bound=Inbound)


class Published(NamedTuple):
    """A record as it was read from Kafka."""

    timestamp_ms: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


class Outcome(NamedTuple):
    """What a run left: interventions by partition, in order, and the recorded journal."""

    interventions: list[list[Published]]
    recording: Path

    @property
    def lines(self) -> bytes:
        """All interventions as a backtest writes them: by time, then partition, then order."""
        merged = sorted(
            (message.timestamp_ms, partition, number, message.value)
            for partition, messages in enumerate(self.interventions)
            for number, message in enumerate(messages)
        )
        return b"".join(value + b"\n" for _, _, _, value in merged)


def partition_of(record: Inbound) -> int:
    """Where a record belongs: the partition of its program."""
    return partition_for(record.key.partition(b"/")[0], PARTITIONS)


def as_ingest_merges(records: Sequence[AnyInbound]) -> list[AnyInbound]:
    """Order records as ingest does when all are there before it starts: by arrival, topic, partition."""
    rank = {name: number for number, name in enumerate(ORDER)}
    return sorted(records, key=lambda record: (record.arrived_ms, rank[record.topic], partition_of(record)))


def run_live(broker: Broker, prefix: str, records: Sequence[Inbound], folder: Path) -> Outcome:
    """Load records, let a worker digest all of them, read what it published and record its journal."""
    topics = Topics(prefix)
    is_embedded = not isinstance(broker, KafkaBroker)
    kafka = KafkaSettings(brokers=broker.bootstrap, embedded=is_embedded, fetch_wait_ms=10)
    for topic in CATALOGUE:
        _create(broker, topics, topic)
    _load(kafka, topics, records)
    with _worker(kafka, prefix, folder) as process, closing(_Reader(kafka, topics)) as reader:
        port, log = process
        _wait_applied(reader, port, log, max(record.arrived_ms for record in records))
        interventions = reader.interventions()
    recording = folder / "journal.parquet"
    record_journal(kafka, topics, recording)
    return Outcome(interventions, recording)


def backtest(recording: Path, out: Path) -> bytes:
    """Run `ebb backtest` under the recorded rules; returns its interventions, as bytes of the file."""
    done = CliRunner().invoke(
        backtest_command, [str(recording), "--rules", "recorded", "--jobs", "1", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    return (out / "interventions.jsonl").read_bytes()


def without_sources(lines: bytes) -> list[Any]:
    """Interventions without the coordinates of the facts they rest on, which raw facts do not have."""
    return [_strip(msgspec.json.decode(line)) for line in lines.splitlines()]


def rules_of(outcome: Outcome) -> set[str]:
    """Which rules said anything."""
    return {decode_intervention(one.value).rule.id for messages in outcome.interventions for one in messages}


def entries_of(recording: Path) -> list[list[bytes]]:
    """The journal, by partition."""
    opened = Recording(recording)
    numbers = range(len(opened.info.partitions))
    return [[value for _, values in opened.entries(number) for value in values] for number in numbers]


def _strip(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: _strip(value) for name, value in tree.items() if name != "source"}
    return [_strip(value) for value in tree] if isinstance(tree, list) else tree


def _create(broker: Broker, topics: Topics, topic: Topic) -> None:
    name, partitions = topics.real(topic.name), partitions_of(topic, PARTITIONS)
    if isinstance(broker, KafkaBroker):
        # Facts arrive months ago, which retention by time would remove while they are read and compaction thin out, and
        # some months from now.
        for_ever = str(3_650 * DAY_MS)
        ages = {
            "retention.ms": "-1",
            "min.compaction.lag.ms": for_ever,
            "message.timestamp.after.max.ms": for_ever,
        }
        broker.create_topic(name, partitions, topic.settings() | ages)
    else:
        broker.create_topic(name, partitions)


def _load(kafka: KafkaSettings, topics: Topics, records: Sequence[Inbound]) -> None:
    refused: list[str] = []

    def delivered(error: object, _message: object) -> None:
        if error is not None:
            refused.append(str(error))

    producer = Producer(kafka.confluent() | {"linger.ms": 20, "enable.idempotence": True, "log_level": 0})
    for record in records:
        producer.produce(
            topics.real(record.topic),
            key=record.key,
            value=record.value,
            partition=partition_of(record),
            timestamp=record.arrived_ms,
            on_delivery=delivered,
        )
        producer.poll(0)
    assert producer.flush(30) == 0
    assert not refused, refused[0]


@contextmanager
def _worker(kafka: KafkaSettings, prefix: str, folder: Path) -> Iterator[tuple[int, Path]]:
    port, log = free_port(), folder / "worker.log"
    own = {name: value for name, value in os.environ.items() if not name.startswith("EBB_")} | {
        "PYTHONPATH": str(ROOT),
        "EBB_BROKERS": kafka.brokers,
        "EBB_KAFKA_EMBEDDED": str(kafka.embedded).lower(),
        "EBB_KAFKA_FETCH_WAIT_MS": str(kafka.fetch_wait_ms),
        "EBB_TOPIC_PREFIX": prefix,
        "EBB_CLOCK": "records",
        "EBB_PORT": str(port),
        "EBB_LOG_FORMAT": "text",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "agents.cli", "worker"],
            cwd=folder,
            env=own,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield port, log
        process.terminate()
        assert process.wait(20) == 0, log.read_text()[-4000:]
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)


def _wait_applied(reader: _Reader, port: int, log: Path, newest_ms: int) -> None:
    """Wait until the journal ends with word of the newest arrival, in every partition, and all of it is applied."""
    deadline = time.monotonic() + _PATIENCE_S
    while not (_positions(port) == reader.journal_ends() and reader.journal_is_whole(newest_ms)):
        assert time.monotonic() < deadline, log.read_text()[-4000:]
        time.sleep(0.1)


def _positions(port: int) -> list[int]:
    """The next entry to be applied, by partition; empty while nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with closing(connection):
        try:
            connection.request("GET", "/readyz")
            report = msgspec.json.decode(connection.getresponse().read())
        except (OSError, http.client.HTTPException):
            return []
    return [report["positions"].get(str(number), 0) for number in range(PARTITIONS)]


class _Reader:
    """Reads whole topics, committed records only, whatever broker it is."""

    def __init__(self, kafka: KafkaSettings, topics: Topics) -> None:
        self._journal = [(topics.real(JOURNAL), number) for number in range(PARTITIONS)]
        self._interventions = [(topics.real(INTERVENTIONS), number) for number in range(PARTITIONS)]
        self._reader = Reader(kafka)

    def close(self) -> None:
        self._reader.__exit__()

    def journal_ends(self) -> list[int]:
        """Offset after the last entry, by partition; empty while a topic just made has no leaders yet."""
        try:
            return [stretch.end for stretch in self._reader.stretches(self._journal).values()]
        except KafkaException as error:
            if error.args[0].code() not in _NO_LEADER_YET:
                raise
            return []

    def journal_is_whole(self, newest_ms: int) -> bool:
        """Whether each partition ends with the progress that ingest tells when all is forwarded."""
        ends = self.journal_ends()
        if min(ends, default=0) == 0:
            return False
        lasts = self._read({place: Stretch(end - 1, end) for place, end in zip(self._journal, ends, strict=True)})
        entries = [decode_entry(messages[-1].value) for messages in lasts]
        return all(isinstance(one, ProgressEntry) and newest_ms in map(to_ms, one.sources.values()) for one in entries)

    def interventions(self) -> list[list[Published]]:
        """All that are written by now and were committed."""
        return self._read(self._reader.stretches(self._interventions, uncommitted=True))

    def _read(self, stretches: Mapping[Place, Stretch]) -> list[list[Published]]:
        found: list[list[Published]] = [[] for _ in range(PARTITIONS)]
        for message in self._reader.read(stretches):
            found[message.partition()].append(_published(message))
        return found


def _published(message: Any) -> Published:
    return Published(message.timestamp()[1], message.key(), message.value(), tuple(message.headers() or ()))
