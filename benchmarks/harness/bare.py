"""The barest loop that could do anything with records: fetch with aiokafka and decode; keeps nothing, writes nothing.

What it costs, nobody who uses aiokafka can save. It runs for about a second before every measured run, so that each
figure stands beside what the machine could do in the same minute.

    python -m benchmarks.harness.bare BROKERS TOPIC RECORDS
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from typing import Final, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.host.clients import KafkaSettings
from benchmarks.harness.loading import Loader
from benchmarks.pair_job import Rating

PARTITIONS: Final = 4
PAIRS: Final = 20_000


class Figures(NamedTuple):
    """Records a second, and CPU microseconds a record."""

    rate: float
    cpu_us: float


def fill(brokers: str, topic: str, records: int, seed: int = 1) -> None:
    """Load a journal with ratings of about 200 bytes: 20,000 pairs in 500 programs, a quarter of them 2 or less."""
    dice = random.Random(seed)
    with Loader(brokers) as loader:
        for number in range(records):
            pair = dice.randrange(PAIRS)
            rating, at_ms = dice.choice((1, 2, 3, 3, 4, 4, 5, 5)), 1_700_000_000_000 + number
            value = b'{"pair":"pair-%06d","rating":%d,"at_ms":%d,"note":"%s"}' % (pair, rating, at_ms, b"x" * 136)
            loader.send(topic, value, b"program-%d" % (pair % 500), pair % PARTITIONS)


async def loop(brokers: str, topic: str, records: int) -> Figures:
    """Fetch and decode; counted from the second batch on."""
    consumer = AIOKafkaConsumer(**KafkaSettings(brokers=brokers).aiokafka_consumer(), auto_offset_reset="earliest")
    await consumer.start()
    decode = msgspec.json.Decoder(Rating).decode
    consumer.assign([TopicPartition(topic, partition) for partition in range(PARTITIONS)])
    seen, began, cpu = 0, 0.0, 0.0
    counted = 0
    while seen < records:
        for batch in (await consumer.getmany(timeout_ms=500, max_records=4_000)).values():
            for record in batch:
                decode(record.value)
            if not began:
                began, cpu = time.monotonic(), time.process_time()
            else:
                counted += len(batch)
            seen += len(batch)
    figures = Figures(counted / (time.monotonic() - began), (time.process_time() - cpu) / counted * 1e6)
    await consumer.stop()
    return figures


if __name__ == "__main__":
    found = asyncio.run(loop(sys.argv[1], sys.argv[2], int(sys.argv[3])))
    sys.stdout.write(f"{found.rate} {found.cpu_us}\n")
