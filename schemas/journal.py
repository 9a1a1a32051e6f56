"""One entry of the ordered log, as `ingest` writes it and the engine reads it.

Beside facts and erasures the journal carries what else the engine must know in order: how far every source has been
read (`progress`), which sources there are (`sources`), rule sets, changes of code (`engine`) and what was lost (`gap`).
Topics are named without their prefix, so that a recording from one cluster equals that of another. Instants are aware
datetimes in UTC with milliseconds.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct, field

from schemas.base import to_ms
from schemas.compact import encode_fact, encode_tree, instant_bytes
from schemas.facts import Backfill, Fact, Moment
from schemas.ids import FastId

ENTRY_VERSION: Final = 1
"""Version of the entries written by this code; a newer one is refused."""

EntryVersion = Annotated[int, Meta(ge=1, le=1)]
Count = Annotated[int, Meta(ge=0)]
Clock = Literal["wall", "records"]


class Coordinates(Struct, frozen=True, kw_only=True, gc=False):
    """Where a record stands: topic without prefix, partition, offset."""

    topic: str
    partition: Count
    offset: Count


class CommentInfo(Struct, frozen=True, kw_only=True, gc=False):
    """What is kept of a participant's words: how many characters, in which language, and which word lists they hit."""

    length: Count
    language: str | None = None
    flags: list[str] = field(default_factory=list)


class FactEntry(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag_field="kind", tag="fact"):
    """An accepted fact; `arrived_at` is the timestamp of its source record."""

    v: EntryVersion
    source: Coordinates
    arrived_at: Moment
    fact: Fact
    comment: CommentInfo | None = None


class EraseEntry(Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="erase"):
    """A participant is to be forgotten, everywhere."""

    v: EntryVersion
    source: Coordinates
    arrived_at: Moment
    program_id: FastId
    participant_id: FastId


class ProgressEntry(Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="progress"):
    """How far in time source partitions (``topic/partition``) have been read; only what changed."""

    v: EntryVersion
    sources: dict[str, Moment]


class SourcesEntry(Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="sources"):
    """Every source partition to be waited for.

    `since` says from when on a source has been seen (None: from its beginning), `topic_ids` which incarnation of each
    topic was read, `clock` what the engine's clock follows.
    """

    v: EntryVersion
    expected: list[str]
    since: dict[str, Moment | None]
    clock: Clock
    topic_ids: dict[str, str]


class RulesetEntry(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag_field="kind", tag="ruleset"):
    """A rule set, fully expanded, comes into force; without `source` it is the shipped one of the first start."""

    v: EntryVersion
    ruleset: dict[str, Any]
    hash: str
    scope: str
    backfill: Backfill
    source: Coordinates | None = None
    arrived_at: Moment | None = None


class EngineEntry(Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="engine"):
    """From here on this version of the code writes."""

    v: EntryVersion
    version: str


class GapEntry(Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="gap"):
    """Records of `source` (``topic/partition``) between two instants were lost, and an operator accepted it."""

    v: EntryVersion
    source: str
    first: Moment = field(name="from")
    last: Moment = field(name="to")


Entry = FactEntry | EraseEntry | ProgressEntry | SourcesEntry | RulesetEntry | EngineEntry | GapEntry

ENTRY_KINDS: Final[tuple[type[Entry], ...]] = (
    FactEntry,
    EraseEntry,
    ProgressEntry,
    SourcesEntry,
    RulesetEntry,
    EngineEntry,
    GapEntry,
)

_DECODER: Final[msgspec.json.Decoder[Entry]] = msgspec.json.Decoder(Entry)
_ENCODE: Final = msgspec.json.Encoder().encode


def decode_entry(value: bytes) -> Entry:
    """Read one journal record.

    Raises: msgspec.DecodeError (of which msgspec.ValidationError is one) when it is none of ours or of a newer version.
    """
    return _DECODER.decode(value)


def encode_entry(entry: Entry) -> bytes:
    """Write one journal record: compact JSON, `kind` and `v` first, instants with milliseconds and ``Z``.

    Raises: ValueError when an instant is naive, or of a fact not UTC in whole milliseconds.
    """
    if isinstance(entry, FactEntry):
        source = entry.source
        encoded = encode_fact(entry.fact)
        arrived_ms = to_ms(entry.arrived_at)
        return encode_fact_entry(source.topic, source.partition, source.offset, arrived_ms, encoded, entry.comment)
    return encode_tree(entry)


def encode_fact_entry(
    topic: str, partition: int, offset: int, arrived_ms: int, encoded_fact: bytes, comment: CommentInfo | None
) -> bytes:
    """Write a fact's journal record around the bytes the codec already made; equals `encode_entry` of the same entry.

    Args:
        topic: catalogue name of the source topic.
        arrived_ms: the source record's timestamp, milliseconds since 1970.
        encoded_fact: `Accepted.encoded`.
        comment: what is kept of the comment, if there was one.
    """
    tail = b"}" if comment is None else b',"comment":%b}' % _ENCODE(comment)
    return b'{"kind":"fact","v":1,"source":{"topic":"%b","partition":%d,"offset":%d},"arrived_at":"%b","fact":%b%b' % (
        topic.encode(),
        partition,
        offset,
        instant_bytes(arrived_ms),
        encoded_fact,
        tail,
    )
