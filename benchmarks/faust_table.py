"""The pair job on stock Faust, as its documentation shows it: an agent, a `Table` with its changelog, an output topic.

A worker process: `python -m benchmarks.faust_table BROKERS PREFIX`. At-least-once, in-memory store, no web server.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from typing import Any

import faust

from benchmarks.pair_worker import pair_topics

PARTITIONS = 4
REPORT_EVERY = 1_000


def build(brokers: str, prefix: str) -> Any:
    """Make the app; it writes `committed …` lines in the form of our own workers, one per `REPORT_EVERY` records."""
    app = faust.App(
        f"{prefix}stock",
        broker=f"kafka://{brokers}",
        store="memory://",
        datadir=tempfile.mkdtemp(prefix="ebb-stock-faust-"),
        topic_partitions=PARTITIONS,
        consumer_auto_offset_reset="earliest",
        value_serializer="json",
        web_enabled=False,
    )
    journal = app.topic(
        pair_topics(prefix).journal, key_serializer="raw", value_serializer="json", partitions=PARTITIONS
    )
    output = app.topic(f"{prefix}stock-output", key_serializer="raw", value_serializer="json")
    pairs = app.Table("pairs", partitions=PARTITIONS)
    done = 0

    @app.agent(journal)
    async def count(stream: Any) -> None:
        nonlocal done
        async for rating in stream:
            key = rating["pair"]
            number, total, ring = pairs.get(key) or (0, 0, [])
            ring = [*ring, rating["rating"]][-5:]
            pairs[key] = (number + 1, total + rating["rating"], ring)
            if rating["rating"] <= 2:
                await output.send(key=key, value={"pair": key, "count": number + 1, "sum": total + rating["rating"]})
            done += 1
            if done % REPORT_EVERY == 0:
                moment, cpu = time.monotonic(), time.process_time()
                # Faust turns the standard streams into log lines; this goes past it.
                os.write(2, b"committed 0 %d 0 0 0.0000 %.6f %.6f\n" % (REPORT_EVERY, moment, cpu))

    return app


if __name__ == "__main__":
    made = build(*sys.argv[1:3])
    sys.argv[1:] = ["worker", "-l", "error", "--without-web"]
    made.main()
