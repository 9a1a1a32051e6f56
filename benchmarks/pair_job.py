"""The pair job: the smallest fold that still does what ours does, for measuring the host and for breaking it.

Parse JSON, keep count, sum and the last five ratings of each pair, put out a message when a rating is 2 or less. An id
covers the pair's whole history, so a lost, doubled or re-ordered entry shows in the messages as well as in the state.
"""

from __future__ import annotations

import hashlib

import msgspec

from agents.host.fold import POSITION_KEY, Flush, Message


class Rating(msgspec.Struct):
    """One journal value of the pair job."""

    pair: str
    rating: int
    at_ms: int
    note: str = ""


class PairState(msgspec.Struct, array_like=True):
    """What is remembered of a pair; the ring holds the last five ratings."""

    count: int
    total: int
    ring: list[int]
    low: int


_decode = msgspec.json.Decoder(Rating).decode
_encode = msgspec.msgpack.Encoder().encode
_decode_state = msgspec.msgpack.Decoder(PairState).decode
_decode_position = msgspec.msgpack.Decoder(tuple[int, int]).decode


def step(states: dict[str, PairState], value: bytes) -> tuple[str, Message | None]:
    """Fold one value into the states; returns the pair and the message it caused, if any."""
    fact = _decode(value)
    state = states.get(fact.pair)
    rating = fact.rating
    if state is None:
        state = states[fact.pair] = PairState(1, rating, [rating], 0)
    else:
        state.count += 1
        state.total += rating
        ring = state.ring
        ring.append(rating)
        if len(ring) > 5:
            del ring[0]
    if rating > 2:
        return fact.pair, None
    state.low += 1
    name = f"{fact.pair}|{state.count}|{state.total}|{state.low}".encode()
    digest = hashlib.blake2b(name, digest_size=16).hexdigest()
    body = b'{"id":"%b","pair":"%b"}' % (digest.encode(), fact.pair.encode())
    return fact.pair, Message(fact.pair.encode(), body, fact.at_ms, [("ce_id", digest.encode())])


class PairFold:
    """The pair job as a fold.

    Args:
        slice_messages: an entry whose turn comes when this many messages are pending is put off until after a flush
            (None: never); that is how the core cuts large work into slices, seen from outside.
    """

    __slots__ = ("_dirty", "_messages", "_slice_messages", "applied", "states")

    def __init__(self, slice_messages: int | None = None) -> None:
        self.applied = -1
        self.states: dict[str, PairState] = {}
        self._dirty: set[str] = set()
        self._messages: list[Message] = []
        self._slice_messages = slice_messages

    def restore(self, rows: dict[bytes, bytes]) -> None:
        states = self.states
        for key, value in rows.items():
            if key == POSITION_KEY:
                self.applied = _decode_position(value)[0]
            else:
                states[key.decode()] = _decode_state(value)

    def apply(self, offset: int, value: bytes) -> bool:
        if self._slice_messages is not None and len(self._messages) >= self._slice_messages:
            return False
        pair, message = step(self.states, value)
        self._dirty.add(pair)
        if message is not None:
            self._messages.append(message)
        self.applied = offset
        return True

    def pending(self) -> int:
        return len(self._dirty) + len(self._messages)

    def has_interventions(self) -> bool:
        return bool(self._messages)

    def flush(self) -> Flush:
        states = self.states
        rows: list[tuple[bytes, bytes | None]] = [
            (pair.encode(), _encode(states[pair])) for pair in sorted(self._dirty)
        ]
        rows.append((POSITION_KEY, _encode((self.applied, 0))))
        messages, self._messages = self._messages, []
        self._dirty = set()
        return Flush(messages, rows)
