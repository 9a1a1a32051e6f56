"""Follow `interventions` with aiokafka: `python -m examples.consumers.with_aiokafka --brokers 127.0.0.1:9092`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from aiokafka import AIOKafkaConsumer

from examples.consumers.tickets import Tickets
from schemas.outbound import Intervention, decode_intervention


async def follow(
    brokers: str, topic: str, group: str, tickets: Tickets, tell: Callable[[Intervention], None], stop: asyncio.Event
) -> None:
    """Read until told to stop.

    Args:
        tell: called with what is news and meant for somebody. A crash between the ticket and this call skips the call:
            what must not be lost belongs into the ticket's transaction.
    """
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=brokers,
        group_id=group,
        isolation_level="read_committed",  # without it, records of transactions that came to nothing show up
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        while not stop.is_set():
            for messages in (await consumer.getmany(timeout_ms=500)).values():
                for message in messages:
                    record = decode_intervention(message.value)
                    if tickets.take(record) and record.delivery != "none":
                        tell(record)
            await consumer.commit()  # after what was read is done, never before
    finally:
        await consumer.stop()


def say(record: Intervention) -> None:
    """Show where a message would go."""
    sys.stdout.write(
        f"{record.delivery:6} to {record.audience}: {record.change}, {record.severity}: {record.summary}\n"
    )
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.consumers.with_aiokafka", description=__doc__)
    parser.add_argument("--brokers", default="127.0.0.1:9092")
    parser.add_argument("--prefix", default="", help="EBB_TOPIC_PREFIX of the installation")
    parser.add_argument("--tickets", type=Path, default=Path("tickets.sqlite"))
    given = parser.parse_args()
    tickets = Tickets(given.tickets)
    follower = follow(given.brokers, f"{given.prefix}interventions", "tickets", tickets, say, asyncio.Event())
    try:
        asyncio.run(follower)
    except KeyboardInterrupt:
        pass
    finally:
        tickets.close()


if __name__ == "__main__":
    main()
