"""What a step leaves to be made durable: bytes for two topics, which belong into one transaction."""

from typing import NamedTuple


class Message(NamedTuple):
    """One record for the interventions topic."""

    key: bytes
    value: bytes
    timestamp_ms: int
    headers: list[tuple[str, bytes]]


class Flush(NamedTuple):
    """What has to become durable together, in one transaction.

    `rows` are (key, value) for the state topic; a value of None is a tombstone, the last row is the marker.
    """

    interventions: list[Message]
    rows: list[tuple[bytes, bytes | None]]
