"""A load for the whole worker: seeded facts, bad records, erasures and switches of the rule set, sent at a steady rate.

Forty days of a synthetic platform, so that absences come due while it runs.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from random import Random

import msgspec
from confluent_kafka import Producer

from benchmarks.synthetic import Platform, Record
from schemas.topics import RULESETS, Topics

PAIRS, PROGRAMS = 3_000, 60
DAYS = 45
BAD_EVERY, ERASE_EVERY, SWITCH_EVERY = 120, 2_500, 15_000
_BLOCK = 50
_BAD = (
    b"not json",
    b"",
    b"{}",
    b"\xff\xfe",
    b'{"type":"rating.submitted","rating":NaN}',
    b"[" * 2_000,
    b'{"type":"no.such"}',
)


class Load(threading.Thread):
    """Sends until stopped; reference facts first, at once, when it is made.

    Args:
        rate: facts a second.
        now_ms: the newest a fact may be; arrival begins `DAYS` earlier.

    Attributes:
        sent: records by topic, as named in the catalogue.
    """

    def __init__(self, brokers: str, topics: Topics, *, rate: int, seed: int, now_ms: int) -> None:
        super().__init__(name="load", daemon=True)
        self.sent: Counter[str] = Counter()
        self._topics = topics
        self._rate = rate
        self._dice = Random(seed)
        self._platform = Platform(PAIRS, PROGRAMS, seed, now_ms - DAYS * 86_400_000)
        self._stop_asked = threading.Event()
        self._producer = Producer(
            {"bootstrap.servers": brokers, "linger.ms": 5, "enable.idempotence": True, "log_level": 3}
        )
        for record in self._platform.reference():
            self._send(record)
        assert self._producer.flush(30) == 0

    def run(self) -> None:
        began = time.monotonic()
        for facts, record in enumerate(self._platform.facts(), 1):
            self._send(record)
            if facts % BAD_EVERY == 0:
                self._send((record[0], record[1], self._dice.choice(_BAD), record[3]))
            if facts % ERASE_EVERY == 0:
                self._erase(record[3])
            if facts % SWITCH_EVERY == 0:
                self._switch(facts // SWITCH_EVERY, record[3])
            if facts % _BLOCK == 0:
                self._producer.poll(0)
                if self._stop_asked.wait(max(0.0, began + facts / self._rate - time.monotonic())):
                    break
        assert self._producer.flush(30) == 0

    def stop(self) -> None:
        self._stop_asked.set()
        if self.ident is not None:
            self.join(40)

    def _send(self, record: Record) -> None:
        topic, key, value, at_ms = record
        self._deliver(topic, key, value, at_ms)

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
        self._producer.produce(self._topics.real(topic), key=key, value=value, timestamp=at_ms)
        self.sent[topic] += 1


def _instant(at_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_ms // 1_000)) + f".{at_ms % 1_000:03d}Z"
