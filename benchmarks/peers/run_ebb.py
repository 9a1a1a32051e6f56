"""The pair job on our own host, exactly once: the same records, the same rule, the same output."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from agents.host.checks import LaneTopics
from agents.host.chunks import make_app
from agents.host.clients import KafkaSettings
from agents.host.fold import POSITION_KEY, Flush, Message
from agents.host.worker import host_lanes, run_apps


class Rating(msgspec.Struct, gc=False):
    """What the rule reads of a record."""

    event_id: str
    pair_id: str
    rating: int
    occurred_at: str


class Pair(msgspec.Struct, array_like=True):
    """What is remembered of a pair."""

    count: int
    sum: int
    last: list[int]
    at: str


class Low(msgspec.Struct, gc=False):
    """One output."""

    event_id: str
    pair_id: str
    rating: int
    count: int
    sum: int
    last: list[int]
    at: str


_decode = msgspec.json.Decoder(Rating).decode
_encode_low = msgspec.json.Encoder().encode
_encode = msgspec.msgpack.Encoder().encode
_decode_pair = msgspec.msgpack.Decoder(Pair).decode


class PairRule:
    """The rule as a fold of the host (`agents.host.fold.Fold`)."""

    def __init__(self) -> None:
        self.applied = -1
        self._pairs: dict[str, Pair] = {}
        self._changed: set[str] = set()
        self._messages: list[Message] = []

    def restore(self, rows: dict[bytes, bytes]) -> None:
        for key, value in rows.items():
            if key == POSITION_KEY:
                self.applied = msgspec.msgpack.decode(value)
            else:
                self._pairs[key.decode()] = _decode_pair(value)

    def apply(self, offset: int, value: bytes) -> bool:
        fact = _decode(value)
        name, rating = fact.pair_id, fact.rating
        pair = self._pairs.get(name)
        if pair is None:
            pair = self._pairs[name] = Pair(1, rating, [rating], fact.occurred_at)
        else:
            pair.count += 1
            pair.sum += rating
            pair.at = fact.occurred_at
            pair.last.append(rating)
            if len(pair.last) > 5:
                del pair.last[0]
        self._changed.add(name)
        if rating <= 2:
            low = Low(fact.event_id, name, rating, pair.count, pair.sum, pair.last, pair.at)
            self._messages.append(Message(name.encode(), _encode_low(low), 0, []))
        self.applied = offset
        return True

    def pending(self) -> int:
        return len(self._changed) + len(self._messages)

    def has_interventions(self) -> bool:
        return bool(self._messages)

    def flush(self) -> Flush:
        rows: list[tuple[bytes, bytes | None]] = [(name.encode(), _encode(self._pairs[name])) for name in self._changed]
        rows.append((POSITION_KEY, _encode(self.applied)))
        messages, self._messages, self._changed = self._messages, [], set()
        return Flush(messages, rows)


def main() -> None:
    """Run until SIGTERM."""
    given = os.environ
    kafka, name = KafkaSettings(brokers=given["BROKERS"]), given["RUN_ID"]
    app = make_app(name, kafka, data_dir=Path(given["STATE_DIR"]))
    topics = LaneTopics(
        journal=given["IN_TOPIC"], state=given["CHANGELOG"], interventions=given["OUT_TOPIC"], prefix=f"{name}."
    )
    host_lanes(app, lambda _: PairRule(), kafka=kafka, topics=topics)
    run_apps(app)


if __name__ == "__main__":
    main()
