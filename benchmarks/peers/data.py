"""The input of the pair job, the same for all: 178-byte ratings of 20,000 pairs, and what must come out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import Final, NamedTuple

from benchmarks.harness.loading import Loader

PAIRS: Final = 20_000
PARTITIONS: Final = 4
LOW_PERCENT: Final = 2
_BEGIN_S: Final = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp())
_TEMPLATE: Final = (
    b'{"event_id":"e-%010d","type":"rating","program_id":"p1","pair_id":"pair-%06d","participant_id":"u%d",'
    b'"rating":%d,"occurred_at":"%b.%03dZ","comment":null}'
)


class Expected(NamedTuple):
    """How many outputs a right answer has, and the sum over them of 31 · count + sum."""

    outputs: int
    checksum: int


def ratings(records: int, seed: int = 12_345) -> Iterator[tuple[int, int, bytes]]:
    """(pair, rating, value): ratings of 2 or less are `LOW_PERCENT` of them, 10 ms apart."""
    dice = Random(seed)
    second, text = -1, b""
    for number in range(records):
        pair = dice.randrange(PAIRS)
        rating = dice.choice((1, 2)) if dice.randrange(100) < LOW_PERCENT else dice.choice((3, 4, 5))
        seconds, rest = divmod(number * 10, 1_000)
        if seconds != second:
            second = seconds
            text = datetime.fromtimestamp(_BEGIN_S + second, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()
        yield pair, rating, _TEMPLATE % (number, pair, pair * 2 + (number & 1), rating, text, rest)


def fill(brokers: str, topic: str, records: int) -> Expected:
    """Load the topic, keyed by pair and spread as Kafka's own clients spread. Returns: what must come out."""
    counts, sums = [0] * PAIRS, [0] * PAIRS
    outputs = checksum = 0
    with Loader(brokers, {"partitioner": "murmur2_random", "batch.size": 131_072}) as loader:
        for pair, rating, value in ratings(records):
            counts[pair] += 1
            sums[pair] += rating
            if rating <= 2:
                outputs += 1
                checksum += 31 * counts[pair] + sums[pair]
            loader.send(topic, value, b"pair-%06d" % pair)
    return Expected(outputs, checksum)
