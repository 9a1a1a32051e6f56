"""The pair job on Quix Streams, as its documentation shows state: RocksDB state with a changelog topic."""

from __future__ import annotations

import os
from typing import Any

from quixstreams import Application

from benchmarks.peers.rule import step


def main() -> None:
    """Run until SIGTERM."""
    given = os.environ
    app = Application(
        broker_address=given["BROKERS"],
        consumer_group=given["RUN_ID"],
        auto_offset_reset="earliest",
        state_dir=given["STATE_DIR"],
        processing_guarantee=given.get("GUARANTEE", "at-least-once"),
        loglevel="WARNING",
    )
    ratings = app.topic(given["IN_TOPIC"], value_deserializer="json", key_deserializer="str")
    output = app.topic(given["OUT_TOPIC"], value_serializer="json", key_serializer="str")

    def work(fact: Any, state: Any) -> Any:
        kept, found = step(state.get("pair"), fact)
        state.set("pair", kept)
        return found

    frame = app.dataframe(ratings).apply(work, stateful=True)
    frame = frame[frame.apply(lambda found: found is not None)]
    frame.to_topic(output)
    app.run()


if __name__ == "__main__":
    main()
