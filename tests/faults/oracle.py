"""What the topics of a worker should hold: the single-threaded fold of its journal, with nothing of the host in it.

O1 the state is that of the fold. O2 the interventions are those of the fold: none missing, extra, repeated or out of
order, in the same bytes. O3 every inbound record is a fact of the journal or a dead letter, and not both. O4, that lag
returns to 0 by itself, is waited for by the arena. O5 no word of a canary stands anywhere but in a dead letter's
original.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
from confluent_kafka import KafkaException

from agents.host.clients import KafkaSettings
from agents.host.fold import HOST_KEY, POSITION_KEY
from agents.ingest.agent import group_of
from agents.reading import Place, Reader, Stretch
from schemas.dead_letters import read_headers
from schemas.journal import EraseEntry, FactEntry, RulesetEntry, decode_entry
from schemas.outbound import ce_source
from schemas.topics import DEAD_LETTERS, INBOUND, INGEST_CONTROL, INTERVENTIONS, JOURNAL, RULESETS, STATE, Topics
from streams.engine import Engine
from streams.outcome import Message

CANARIES = (b"quagga-whispers", b"canary-person-5150")
"""A sentence of no dictionary, and an id that stands only inside comments."""

_FACT = b'{"kind":"fact"'
_PROGRESS = b'{"kind":"progress"'
Row = tuple[bytes, bytes, int, list[tuple[str, bytes]]]


class Standing(NamedTuple):
    """Where the worker stands, summed over partitions: entries applied and committed, journal entries, inbound records
    taken and committed, inbound records there are."""

    applied: int
    journal: int
    taken: int
    inbound: int

    @property
    def lag(self) -> int:
        return self.journal - self.applied

    @property
    def behind(self) -> int:
        """Entries not applied and records not taken."""
        return self.lag + self.inbound - self.taken

    @property
    def is_settled(self) -> bool:
        return self.lag == 0 and self.taken == self.inbound


class Figures(NamedTuple):
    """What was compared, and in what it differs: a sentence each. `faults` counts what rules and folds raised."""

    entries: int
    facts: int
    repeats: int
    dead_letters: int
    interventions: int
    rows: int
    changes: Counter[str]
    faults: int
    differences: list[str]


class Oracle:
    """Reads the topics of one prefix. Use from one thread; `close` it."""

    def __init__(self, brokers: str, topics: Topics, partitions: int) -> None:
        self._kafka = kafka = KafkaSettings(brokers=brokers, embedded=True)
        self._topics = topics
        self._partitions = partitions
        self._reader = Reader(kafka, group_of(topics.prefix))
        self._sources = [
            (topics.real(name), partition)
            for name in INBOUND
            for partition in range(1 if name == RULESETS else partitions)
        ]
        self._journal = [(topics.real(JOURNAL), partition) for partition in range(partitions)]
        self._tail = _Tail(kafka, topics.real(STATE), partitions)

    def close(self) -> None:
        self._tail.stop()
        self._reader.__exit__()

    def renew(self) -> None:
        """Ask by a new client from now on."""
        self._reader.__exit__()
        self._reader = Reader(self._kafka, group_of(self._topics.prefix))

    def _stretches(self, places: Iterable[Place], *, uncommitted: bool = False) -> dict[Place, Stretch]:
        """Where partitions begin and end; a client that asks a broker which led them once is exchanged."""
        asked = list(places)
        try:
            return self._reader.stretches(asked, uncommitted=uncommitted)
        except KafkaException:
            self.renew()
            return self._reader.stretches(asked, uncommitted=uncommitted)

    def positions(self) -> dict[int, int]:
        """Offset of the last entry applied and committed, by partition, as far as read."""
        return dict(self._tail.positions)

    def applied(self) -> int:
        """Entries wholly applied and committed, over all partitions, as far as read."""
        return sum(self._tail.positions.values()) + self._partitions

    def standing(self) -> Standing:
        """Ask the broker. The position comes from what is read of the state topic all the time."""
        ends = self._stretches(self._sources)
        committed = self._reader.committed(self._sources)
        applied = self.applied()
        return Standing(
            applied=applied,
            journal=sum(stretch.end for stretch in self._stretches(self._journal).values()),
            taken=sum(offset or 0 for offset in committed.values()),
            inbound=sum(stretch.end for stretch in ends.values()),
        )

    def ends(self, name: str) -> dict[int, int]:
        """Offset after the last record of each partition of a topic."""
        places = [(self._topics.real(name), partition) for partition in range(self._partitions)]
        return {place[1]: stretch.end for place, stretch in self._stretches(places).items()}

    def values(self, name: str) -> list[bytes]:
        """What a topic holds, partition by partition."""
        return [message.value() for part in self._read(name) for message in part]

    def bounds(self, name: str) -> list[tuple[int, int]]:
        """First offset, and the one after the last, of each partition of a topic."""
        places = [(self._topics.real(name), partition) for partition in range(self._partitions)]
        found = self._stretches(places)
        return [(found[place].begin, found[place].end) for place in places]

    def progress_entries(self) -> int:
        """How often the journal has been told how far sources are."""
        return sum(message.value().startswith(_PROGRESS) for part in self._read(JOURNAL) for message in part)

    def dead_reasons(self) -> Counter[str]:
        """Dead letters by reason."""
        letters = (read_headers(m.headers() or []) for part in self._read(DEAD_LETTERS) for m in part)
        return Counter(letter.exception for letter in letters if letter is not None)

    def compacted(self) -> tuple[int, int]:
        """How many offsets the state topic has used, and how many records are left of them."""
        places = [(self._topics.real(STATE), partition) for partition in range(self._partitions)]
        rows = sum(1 for _message in self._reader.read(self._stretches(places)))
        return sum(self.ends(STATE).values()), rows

    def judge(self, lost: Collection[tuple[str, int, int]] = ()) -> Figures:
        """Fold the journal and compare. Nobody may be writing.

        Args:
            lost: inbound records (topic, partition, offset) that were taken away from us on purpose.
        """
        journal, state, published = (self._read(name) for name in (JOURNAL, STATE, INTERVENTIONS))
        wrong: list[str] = []
        changes: Counter[str] = Counter()
        taken: dict[tuple[str, int], list[int]] = {}
        entries = facts = rows = interventions = faults = 0
        for partition in range(self._partitions):
            expected_rows, expected, raised = self._fold(partition, journal[partition], taken)
            faults += raised
            newest: dict[bytes, bytes | None] = {}
            for message in state[partition]:
                newest[message.key()] = message.value()
            position = journal[partition][-1].offset()
            if state[partition][-1].key() != POSITION_KEY:
                wrong.append(f"{partition}: the state does not end with the position")
            if (found := _position_of(newest[POSITION_KEY])) != position:
                wrong.append(f"{partition}: position {found}, the journal ends with {position}")
            newest.pop(HOST_KEY)
            stored = {key: value for key, value in newest.items() if value is not None}
            if stored != expected_rows:
                keys = sorted(
                    key for key in stored.keys() | expected_rows.keys() if stored.get(key) != expected_rows.get(key)
                )
                first = keys[0]
                wrong.append(
                    f"{partition}: {len(keys)} rows differ, first {first!r}: "
                    f"{_shown(stored.get(first))}, not {_shown(expected_rows.get(first))}"
                )
            sent: list[Row] = [(m.key(), m.value(), m.timestamp()[1], m.headers() or []) for m in published[partition]]
            if sent != [tuple(message) for message in expected]:
                pairs = enumerate(zip(sent, expected, strict=False))
                at = next((number for number, (one, other) in pairs if one != tuple(other)), "the end")
                wrong.append(f"{partition}: {len(sent)} interventions, not {len(expected)}, different from {at} on")
            ids = Counter(dict(row[3])["ce_id"] for row in sent)
            if repeated := [one for one, times in ids.items() if times > 1]:
                wrong.append(f"{partition}: {len(repeated)} interventions appear more than once, first {repeated[0]!r}")
            changes.update(dict(row[3])["ce_type"].decode() for row in sent)
            entries += len(journal[partition])
            facts += sum(message.value().startswith(_FACT) for message in journal[partition])
            rows += len(stored)
            interventions += len(sent)
        dead, headers = self._dead()
        wrong += self._unaccounted(taken, dead, set(lost))
        for name, texts in (
            (JOURNAL, _texts(journal)),
            (STATE, _texts(state)),
            (INTERVENTIONS, _texts(published)),
            (INGEST_CONTROL, _texts(self._read(INGEST_CONTROL, 1))),
            ("headers of dead letters", headers),
        ):
            wrong += [f"O5: {canary!r} stands in {name}" for canary in canaries_in(texts)]
        return Figures(
            entries=entries,
            facts=facts,
            repeats=sum(len(offsets) - len(set(offsets)) for name, offsets in taken.items() if name[0] != RULESETS),
            dead_letters=sum(map(len, dead.values())),
            interventions=interventions,
            rows=rows,
            changes=changes,
            faults=faults,
            differences=wrong,
        )

    def _fold(
        self, partition: int, journal: list[Any], taken: dict[tuple[str, int], list[int]]
    ) -> tuple[dict[bytes, bytes], list[Message], int]:
        """Fold one partition with a flush only where the engine asks for one, and once more at the end."""
        engine = Engine(source=ce_source(self._topics.prefix), partition=partition)
        rows: dict[bytes, bytes | None] = {}
        messages: list[Message] = []

        def flush() -> None:
            flushed = engine.flush()
            rows.update(flushed.rows)
            messages.extend(flushed.interventions)

        for message in journal:
            offset, value = message.offset(), message.value()
            entry = decode_entry(value)
            if isinstance(entry, FactEntry | EraseEntry | RulesetEntry) and entry.source is not None:
                taken.setdefault((entry.source.topic, entry.source.partition), []).append(entry.source.offset)
            while not engine.step(offset, entry):
                flush()
        flush()
        raised = sum(counted for key, counted in engine.state.counts.items() if key[0] == "faults")
        return {key: value for key, value in rows.items() if value is not None}, messages, raised

    def _dead(self) -> tuple[dict[tuple[str, int], set[int]], list[bytes]]:
        """Coordinates of dead letters, which may repeat, and their headers."""
        headers: list[bytes] = []
        found: dict[tuple[str, int], set[int]] = {}
        for messages in self._read(DEAD_LETTERS):
            for message in messages:
                headers += [value for _, value in message.headers() or []]
                letter = read_headers(message.headers() or [])
                assert letter is not None
                name = self._topics.catalogue(letter.topic) or letter.topic
                found.setdefault((name, letter.partition), set()).add(letter.offset)
        return found, headers

    def _unaccounted(
        self,
        taken: dict[tuple[str, int], list[int]],
        dead: dict[tuple[str, int], set[int]],
        lost: Collection[tuple[str, int, int]],
    ) -> list[str]:
        """Every inbound record stands in the journal or among the dead letters, and in one of them only."""
        wrong = []
        for (real, partition), stretch in self._stretches(self._sources).items():
            source = (self._topics.catalogue(real) or real, partition)
            good, bad = set(taken.get(source, ())), dead.get(source, set())
            if good & bad:
                wrong.append(f"{source}: {len(good & bad)} records are both facts and dead letters")
            expected = {offset for offset in range(stretch.end) if (*source, offset) not in lost}
            if missing := expected ^ (good | bad):
                wrong.append(f"{source}: {len(missing)} of {stretch.end} unaccounted for, first {min(missing)}")
        return wrong

    def _read(self, name: str, partitions: int | None = None) -> list[list[Any]]:
        places = [(self._topics.real(name), partition) for partition in range(partitions or self._partitions)]
        found: list[list[Any]] = [[] for _ in places]
        for message in self._reader.read(self._stretches(places, uncommitted=True)):
            found[message.partition()].append(message)
        return found


class _Tail(threading.Thread):
    """Follows the state topic as any reader would, and remembers each partition's newest position."""

    def __init__(self, kafka: KafkaSettings, topic: str, partitions: int) -> None:
        super().__init__(name="tail", daemon=True)
        self.positions = dict.fromkeys(range(partitions), -1)
        self._kafka = kafka
        self._topic = topic
        self._stop_asked = threading.Event()
        self.start()

    def run(self) -> None:
        from confluent_kafka import Consumer, TopicPartition

        consumer = Consumer(
            self._kafka.confluent()
            | {
                "group.id": "tail",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 20,
                "log_level": 0,
            }
        )
        consumer.assign([TopicPartition(self._topic, partition, 0) for partition in self.positions])
        while not self._stop_asked.is_set():
            for message in consumer.consume(2_000, timeout=0.05):
                if message.error() is None and message.key() == POSITION_KEY:
                    self.positions[message.partition() or 0] = _position_of(message.value())
        consumer.close()

    def stop(self) -> None:
        self._stop_asked.set()
        self.join(10)


def _position_of(value: object) -> int:
    assert isinstance(value, bytes)
    position: int = msgspec.msgpack.decode(value)[1]
    return position


def _shown(value: bytes | None) -> str:
    return "nothing" if value is None else repr(msgspec.msgpack.decode(value))[:1_500]


def canaries_in(texts: Iterable[bytes]) -> list[bytes]:
    """The canaries that stand somewhere in these."""
    found: set[bytes] = set()
    for text in texts:
        found.update(canary for canary in CANARIES if canary in text)
    return sorted(found)


def _texts(partitions: list[list[Any]]) -> Iterator[bytes]:
    for messages in partitions:
        for message in messages:
            yield message.key() or b""
            yield message.value() or b""
            for _, value in message.headers() or []:
                yield value if isinstance(value, bytes) else b""
