"""A load for the whole worker: seeded facts, bad records, erasures and switches of the rule set, sent at a steady rate.

A synthetic platform in fast motion (at 800 facts a second a day passes in five seconds), so that absences come due
while it runs. Answers carry comments with canaries in them, which nobody may ever see again. `Mischief` is what bad
producers do to good facts.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

import msgspec
from confluent_kafka import Producer

from benchmarks.synthetic import Platform, Record
from schemas.topics import RULESETS, Topics
from tests.faults.oracle import CANARIES

PAIRS, PROGRAMS = 3_000, 60
DAYS = 240
BAD_EVERY, ERASE_EVERY, SWITCH_EVERY = 120, 2_500, 15_000
COMMENT_EVERY = 3
_BLOCK = 50
_MARK = b'"occurred_at":"'
_COMMENT = b',"comment":"' + CANARIES[0] + b" told me of " + CANARIES[1] + b'"}'
_BAD = (
    b"not json",
    b"",
    b"{}",
    b"\xff\xfe",
    b'{"type":"rating.submitted","rating":NaN}',
    b"[" * 2_000,
    b'{"type":"no.such"}',
)


@dataclass(frozen=True, slots=True)
class Mischief:
    """What producers do to a stream of facts, each as a share of the facts, 0 to 1.

    Attributes:
        again: sent 2 to 5 times.
        late: dated 1 hour to 30 days before they arrive.
        future: dated 1 to 48 hours after they arrive; beyond 24 they are bad.
        window: facts change places with others at most so far away; 0: with none.
        skewed: come from a producer whose clock is an hour off, one way or the other: dates and record times.
    """

    again: float = 0.0
    late: float = 0.0
    future: float = 0.0
    window: int = 0
    skewed: float = 0.0

    def upon(self, records: Iterable[Record], dice: Random) -> Iterator[Record]:
        """The facts as they are sent."""
        waiting: list[Record] = []
        for record in records:
            waiting += self._bent(record, dice)
            while len(waiting) > self.window:
                yield waiting.pop(dice.randrange(min(len(waiting), self.window + 1)))

    def _bent(self, record: Record, dice: Random) -> list[Record]:
        topic, key, value, at_ms = record
        draw = dice.random()
        if (draw := draw - self.late) < 0:
            value = _dated(value, at_ms - dice.randint(3_600_000, 30 * 86_400_000))
        elif (draw := draw - self.future) < 0:
            value = _dated(value, at_ms + dice.randint(3_600_000, 48 * 3_600_000))
        elif draw - self.skewed < 0:
            at_ms += dice.choice((-3_600_000, 3_600_000))
            value = _dated(value, at_ms)
        return [(topic, key, value, at_ms)] * (dice.randint(2, 5) if dice.random() < self.again else 1)


class Load(threading.Thread):
    """Sends until stopped; reference facts first, at once, when it is made.

    Args:
        rate: facts a second.
        now_ms: the newest a fact may be; arrival begins `DAYS` earlier.
        switches: whether the rule set is switched now and then.

    Attributes:
        sent: records by topic, as named in the catalogue.
        failed: how many of them the broker refused for good.
        rate: may be changed while it runs.
    """

    def __init__(
        self,
        brokers: str,
        topics: Topics,
        *,
        rate: int,
        seed: int,
        now_ms: int,
        mischief: Mischief | None = None,
        switches: bool = True,
    ) -> None:
        super().__init__(name="load", daemon=True)
        self.rate = rate
        self._now_ms = now_ms
        self._mischief = mischief or Mischief()
        self._switches = switches
        self.sent: Counter[str] = Counter()
        self.failed = 0
        self._topics = topics
        self._dice = Random(seed)
        self._platform = Platform(PAIRS, PROGRAMS, seed, now_ms - DAYS * 86_400_000)
        self._stop_asked = threading.Event()
        self._producer = Producer(
            {
                "bootstrap.servers": brokers,
                "linger.ms": 5,
                "enable.idempotence": True,
                "message.timeout.ms": 600_000,  # a broker may be away for minutes; what is sent must be there one day
                "queue.buffering.max.messages": 1_000_000,
                "log_level": 0,
            }
        )
        for record in self._platform.reference():
            self._send(record)
        assert self._producer.flush(30) == 0

    def run(self) -> None:
        due = time.monotonic()
        records = self._mischief.upon(self._platform.facts(), self._dice)
        for facts, record in enumerate(records, 1):
            # A broker refuses what is dated an hour ahead of it.
            assert record[3] < self._now_ms, "the load has caught up with today: let it begin earlier"
            self._send(_commented(record) if facts % COMMENT_EVERY == 0 else record)
            if facts % BAD_EVERY == 0:
                self._send((record[0], record[1], self._dice.choice(_BAD), record[3]))
            if facts % ERASE_EVERY == 0:
                self._erase(record[3])
            if facts % SWITCH_EVERY == 0 and self._switches:
                self._switch(facts // SWITCH_EVERY, record[3])
            if facts % _BLOCK == 0:
                self._producer.poll(0)
                due = max(due + _BLOCK / self.rate, time.monotonic() - 1)
                if self._stop_asked.wait(max(0.0, due - time.monotonic())):
                    break
        assert self._producer.flush(60) == 0

    def burst(self, topic: str, values: Iterable[bytes], partition: int, key: bytes = b"program-0000") -> None:
        """Send records to one partition at once, dated now."""
        for value in values:
            self._producer.produce(self._topics.real(topic), key=key, value=value, partition=partition)
            self.sent[topic] += 1

    def send(self, topic: str, key: str, fact: Mapping[str, object] | bytes, at_ms: int) -> None:
        """Send a fact that arrives at an instant."""
        value = fact if isinstance(fact, bytes) else msgspec.json.encode(fact)
        self._deliver(topic, key.encode(), value, at_ms)
        if self.sent.total() % 1_000 == 0:
            self._producer.poll(0)

    def flush(self) -> None:
        """Wait until the broker has everything sent so far."""
        assert self._producer.flush(60) == 0

    def stop(self) -> None:
        self._stop_asked.set()
        if self.ident is not None:
            self.join(40)

    def _send(self, record: Record) -> None:
        topic, key, value, at_ms = record
        self._deliver(topic, key, value, at_ms)

    def _delivered(self, error: object, _message: object) -> None:
        self.failed += error is not None

    def _erase(self, at_ms: int) -> None:
        pair = self._dice.randrange(PAIRS)
        self._deliver("participants", b"program-%04d/mentee-%07d" % (pair % PROGRAMS, pair), None, at_ms)

    def _switch(self, number: int, at_ms: int) -> None:
        tree = {
            "event_id": f"switch-{number}",
            "type": "ruleset.activated",
            "occurred_at": _instant(at_ms),
            "scope": "*",
            "ruleset": {"rules": {"first_meeting.missing": {"not_scheduled_after": f"{7 + number % 3}d"}}},
            "backfill": "emit",
        }
        self._deliver(RULESETS, b"*", msgspec.json.encode(tree), at_ms)

    def _deliver(self, topic: str, key: bytes, value: bytes | None, at_ms: int) -> None:
        self._producer.produce(
            self._topics.real(topic), key=key, value=value, timestamp=at_ms, on_delivery=self._delivered
        )
        self.sent[topic] += 1


def _commented(record: Record) -> Record:
    """An answer with a comment; any other fact as it is."""
    topic, key, value, at_ms = record
    speaks = topic in ("ratings", "sentiment") and (b"rating.submitted" in value or topic == "sentiment")
    return (topic, key, value[:-1] + _COMMENT, at_ms) if speaks else record


def _dated(value: bytes, at_ms: int) -> bytes:
    """The same fact, said to have happened at another time."""
    start = value.index(_MARK) + len(_MARK)
    moment = datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    return value[:start] + moment.encode() + value[value.index(b'"', start) :]


def _instant(at_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_ms // 1_000)) + f".{at_ms % 1_000:03d}Z"


def signed_in(number: int, program: int = 0) -> bytes:
    """A sign-in that is one of its kind by its number."""
    return (
        b'{"event_id":"after-%d","type":"activity.signed_in","occurred_at":"2026-01-05T12:00:00.000Z",'
        b'"program_id":"program-%04d","participant_id":"mentee-%07d"}' % (number, program, program)
    )
