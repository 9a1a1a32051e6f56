"""What a recording says of itself, and how its content is hashed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec
import pyarrow as pa

FORMAT: Final = 2
METADATA_KEY: Final = b"ebb"
JOURNAL: Final = "journal"
INBOUND: Final = "inbound"
SCHEMA: Final = pa.schema(
    [
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("timestamp_ms", pa.int64(), nullable=False),
        pa.field("key", pa.binary()),
        pa.field("value", pa.binary()),
    ]
)


class RecordingError(Exception):
    """A recording that cannot be made or read. The text is one sentence for the person who asked."""


class Section(msgspec.Struct, frozen=True):
    """Rows beside the entries of a partition: how many, their hash (`hash_rows`) and their row groups."""

    rows: int
    sha256: str
    groups: list[int]


class LiveSection(Section, frozen=True):
    """Published interventions; those of entries up to the offset `decided` are all there, later ones in part.

    Where `decided` lies behind the recording's end, the last of them belong to entries that were not recorded.
    """

    decided: int


class PartitionInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a recording holds of one partition.

    Of the journal: entries `first_offset` to `first_offset + entries - 1`. Of an inbound topic: so many records from
    `first_offset` on, with holes where the topic was compacted.

    Attributes:
        topic: catalogue name, where it is not the journal's.
        number: partition of that topic.
        snapshot: state before the first entry.
        live: interventions published for these entries.
        live_from: how many committed interventions this partition had before the first entry; None: not known.
        first_ms: append time of the first entry, as far as known.
        last_ms: append time of the last entry.
    """

    first_offset: int
    entries: int
    sha256: str
    groups: list[int]
    topic: str = JOURNAL
    number: int = -1
    snapshot: Section | None = None
    live: LiveSection | None = None
    live_from: int | None = None
    first_ms: int = -1
    last_ms: int = -1

    @property
    def end(self) -> int:
        """Offset after the last entry of a journal partition."""
        return self.first_offset + self.entries


class RecordingInfo(msgspec.Struct, frozen=True):
    """What a recording says of itself. `partitions` is indexed by the journal's partitions, or lists those of topics.

    Attributes:
        topic: `journal`, or `inbound` for records of inbound topics as they were sent.
    """

    format: int
    topic: str
    partitions: list[PartitionInfo]

    @property
    def entries(self) -> int:
        return sum(partition.entries for partition in self.partitions)

    @property
    def begins_late(self) -> bool:
        """Whether a partition begins after the beginning of the journal."""
        return self.topic == JOURNAL and any(partition.first_offset > 0 for partition in self.partitions)

    @property
    def content_hash(self) -> str:
        """SHA-256 of what is recorded, whatever the file looks like; equal entries give an equal hash.

        Of the entries, and of the state they begin with. What was published live is a result and does not count.
        """
        lines = []
        for number, one in enumerate(self.partitions):
            place = f"{number} " if one.topic == JOURNAL else f"{one.topic}/{one.number} "
            state = f" {one.snapshot.sha256}" if one.snapshot is not None else ""
            lines.append(f"{place}{one.first_offset} {one.entries} {one.sha256}{state}\n")
        return sha256("".join(lines).encode()).hexdigest()


def hash_values(hasher: Any, values: Sequence[bytes]) -> None:
    """Take in journal entries. They are compact JSON, so a line break can only be the one between them."""
    hasher.update(b"\n".join(values))
    hasher.update(b"\n")


def hash_rows(hasher: Any, rows: Iterable[tuple[int, bytes | None, bytes | None]]) -> None:
    """Take in rows of any bytes as (offset, key, value); how they are cut into calls makes no difference."""
    encode = msgspec.msgpack.encode
    hasher.update(b"".join(map(encode, rows)))
