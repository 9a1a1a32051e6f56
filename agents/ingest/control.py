"""What ingest workers and operators tell one another through `ingest-control`, a compacted topic of one partition.

It is there so that a decision survives a restart: a source that stopped stays stopped until somebody resumes it, word
lists of rule sets stay in force, it is known which sources the journal has been told of, and how far they were read is
not forgotten with the group (brokers forget the positions of a group a week after its last member left). Keys:
`stopped/<topic>/<partition>`, `words/<scope>`, `announced`, `position/<topic>/<partition>`; any other key is ignored
(workers write to it to read the broker's clock off the answer).
"""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from agents.ingest.merge import Source
from schemas.base import from_ms
from schemas.compact import encode_tree
from schemas.facts import Moment

VERSION: Final = 1
Words = Mapping[str, Mapping[str, list[str]]]


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """A source stopped before `offset`, or was resumed from there."""

    v: int
    state: Literal["stopped", "resumed"]
    offset: int
    reason: str
    at: Moment


class WordLists(msgspec.Struct, frozen=True, kw_only=True):
    """The word lists of the rule set in force for a scope: language → list name → words."""

    v: int
    words: dict[str, dict[str, list[str]]]


class Announced(msgspec.Struct, frozen=True, kw_only=True):
    """What every journal partition has been told: version of the code, sources, since when, by which clock, of which
    topics.
    """

    v: int
    version: str
    expected: list[str]
    since: dict[str, Moment | None]
    clock: Literal["wall", "records"]
    topic_ids: dict[str, str]


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """The next offset of a source to read, as it was at an instant: never ahead of what the group had committed."""

    v: int
    offset: int
    at: Moment


class ControlState:
    """The newest value of each key."""

    __slots__ = ("announced", "positions", "stops", "words")

    def __init__(self) -> None:
        self.stops: dict[Source, Stop] = {}
        self.words: dict[str, Words] = {}
        self.announced: Announced | None = None
        self.positions: dict[Source, int] = {}

    def apply(self, key: bytes | None, value: bytes | None) -> None:
        """Take over one record.

        Raises: msgspec.DecodeError when a value is none of ours, or of a newer version.
        """
        kind, _, name = (key or b"").decode("utf-8", errors="replace").partition("/")
        if kind == "position":
            source = _source(name)
            if value is None:
                self.positions.pop(source, None)
            else:
                self.positions[source] = msgspec.json.decode(value, type=Position).offset
        elif kind == "stopped":
            source = _source(name)
            if value is None:
                self.stops.pop(source, None)
            else:
                self.stops[source] = msgspec.json.decode(value, type=Stop)
        elif kind == "words":
            self.words[name] = {} if value is None else msgspec.json.decode(value, type=WordLists).words
        elif kind == "announced":
            self.announced = None if value is None else msgspec.json.decode(value, type=Announced)

    def remembered(self, source: Source, end: int) -> int | None:
        """How far a source was read by our own account; None where that is unknown, or beyond its `end`: then the topic
        is another one.
        """
        position = self.positions.get(source)
        return None if position is None or position > end else position

    def is_stopped(self, source: Source) -> bool:
        """Whether the source waits for somebody to resume it."""
        stop = self.stops.get(source)
        return stop is not None and stop.state == "stopped"


def _source(name: str) -> Source:
    topic, _, partition = name.rpartition("/")
    return Source(topic, int(partition))


def position_record(source: Source, offset: int, at_ms: int) -> tuple[bytes, bytes]:
    """Key and value of a `Position`."""
    return f"position/{source}".encode(), encode_tree(Position(v=VERSION, offset=offset, at=from_ms(at_ms)))


def stop_key(source: Source) -> bytes:
    """Key of a `Stop`."""
    return f"stopped/{source}".encode()


def stop_value(state: Literal["stopped", "resumed"], offset: int, reason: str, at_ms: int) -> bytes:
    """A `Stop` as it stands on the topic."""
    return encode_tree(Stop(v=VERSION, state=state, offset=offset, reason=reason, at=from_ms(at_ms)))


def words_record(scope: str, words: Words) -> tuple[bytes, bytes]:
    """Key and value of the word lists of a scope."""
    plain = {language: {name: list(phrases) for name, phrases in lists.items()} for language, lists in words.items()}
    return f"words/{scope}".encode(), msgspec.json.encode(WordLists(v=VERSION, words=plain))


def announced_record(announced: Announced) -> tuple[bytes, bytes]:
    """Key and value of what was announced."""
    return b"announced", encode_tree(announced)
