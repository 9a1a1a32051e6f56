"""Follow `interventions` with FastStream: `python -m examples.consumers.with_faststream --brokers 127.0.0.1:9092`."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from pathlib import Path

from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaMessage

from examples.consumers.tickets import Tickets
from examples.consumers.with_aiokafka import say
from schemas.outbound import Intervention, decode_intervention


def broker_of(
    brokers: str, topic: str, group: str, tickets: Tickets, tell: Callable[[Intervention], None]
) -> KafkaBroker:
    """Make a broker with one subscriber.

    Args:
        tell: called with what is news and meant for somebody.
    """
    broker = KafkaBroker(brokers)

    @broker.subscriber(
        topic,
        group_id=group,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,  # an error reads the record again; the default would pass it over
    )
    async def take(message: KafkaMessage) -> None:
        record = decode_intervention(message.body)
        if tickets.take(record) and record.delivery != "none":
            tell(record)

    return broker


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.consumers.with_faststream", description=__doc__)
    parser.add_argument("--brokers", default="127.0.0.1:9092")
    parser.add_argument("--prefix", default="", help="EBB_TOPIC_PREFIX of the installation")
    parser.add_argument("--tickets", type=Path, default=Path("tickets.sqlite"))
    given = parser.parse_args()
    tickets = Tickets(given.tickets)
    broker = broker_of(given.brokers, f"{given.prefix}interventions", "tickets-faststream", tickets, say)
    asyncio.run(FastStream(broker).run())
    tickets.close()


if __name__ == "__main__":
    main()
