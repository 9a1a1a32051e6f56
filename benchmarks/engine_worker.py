"""A worker process with the engine alone: `python -m benchmarks.engine_worker BROKERS PREFIX`, on a journal that
stands there already."""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path

from agents.host.chunks import make_app
from agents.host.clients import KafkaSettings
from agents.host.worker import host_lanes, run_apps
from benchmarks.pair_worker import LoudObserver, pair_topics
from streams.engine import Engine


def main() -> None:
    """Run until SIGTERM."""
    brokers, prefix = sys.argv[1:3]
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for noisy in ("aiokafka", "faust", "mode"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    kafka = KafkaSettings(brokers=brokers)
    app = make_app(f"{prefix}ebb-engine", kafka, data_dir=Path(tempfile.gettempdir()) / "ebb-engine-bench")
    host_lanes(
        app,
        lambda partition: Engine(partition=partition),
        kafka=kafka,
        topics=pair_topics(prefix),
        observer=LoudObserver(),
    )
    run_apps(app)


if __name__ == "__main__":
    main()
