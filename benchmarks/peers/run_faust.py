"""The pair job on stock Faust, as its documentation shows it: an agent, a `Table` with its changelog, an output topic.

HOPPING=6 adds a count in a hopping window of six days that moves by one, the table that is measured then.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import faust

from benchmarks.peers.rule import step


def build() -> Any:
    """The app, from the environment the harness gives."""
    given = os.environ
    partitions = int(given["PARTITIONS"])
    app = faust.App(
        given["RUN_ID"],
        broker=f"kafka://{given['BROKERS']}",
        store=given["STORE"],
        datadir=given["STATE_DIR"],
        topic_partitions=partitions,
        consumer_auto_offset_reset="earliest",
        value_serializer="json",
        web_enabled=False,
    )
    ratings = app.topic(
        given["IN_TOPIC"], key_type=str, key_serializer="raw", value_serializer="json", partitions=partitions
    )
    output = app.topic(given["OUT_TOPIC"], key_serializer="raw", value_serializer="json")
    days = int(given.get("HOPPING", "0"))
    if days:
        windows = app.Table("counts", default=int, partitions=partitions)
        counts = windows.hopping(size=timedelta(days=days), step=timedelta(days=1))
        states: Any = {}  # kept only to give the output that is checked
    else:
        states = app.Table("pairs", partitions=partitions)

    @app.agent(ratings)
    async def work(stream: Any) -> None:
        async for fact in stream:
            pair = fact["pair_id"]
            states[pair], found = step(states.get(pair), fact)
            if days:
                counts[pair] += 1
            if found is not None:
                await output.send(key=pair, value=found)

    return app


if __name__ == "__main__":
    build().main()
