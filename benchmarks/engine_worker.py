"""A worker process with the engine alone, on a journal that stands there already:

    python -m benchmarks.engine_worker BROKERS PREFIX

Environment: BENCH_JOURNAL for a journal of another name; BENCH_PROFILE, a file for what cProfile saw; BENCH_RULES=four
for nothing on but the four rules Ebb began with; BENCH_UNIT, how many entries a commit holds.
"""

from __future__ import annotations

import cProfile
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from agents.engine import EngineFold, engines
from agents.host import lane
from agents.host.chunks import make_app
from agents.host.clients import KafkaSettings
from agents.host.lane import LaneOptions
from agents.host.worker import host_lanes, run_apps
from benchmarks.backtest import four_rules
from benchmarks.pair_worker import LoudObserver, pair_topics
from schemas.outbound import ce_source
from streams.engine import Engine


class _Observer(LoudObserver):
    """Takes from the folds what metrics would take."""

    def __init__(self, folds: dict[int, EngineFold]) -> None:
        self._folds = folds

    def committed(self, partition: int, entries: int, rows: int, interventions: int, seconds: float) -> None:
        super().committed(partition, entries, rows, interventions, seconds)
        self._folds[partition].committed()


def _with_four_rules(fold_of: Callable[[int], EngineFold], prefix: str) -> Callable[[int], EngineFold]:
    rules = four_rules()

    def make(partition: int) -> EngineFold:
        fold = fold_of(partition)
        fold.engine = Engine(ce_source(prefix), rules, partition)
        return fold

    return make


def main() -> None:
    """Run until SIGTERM."""
    brokers, prefix = sys.argv[1:3]
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for noisy in ("aiokafka", "faust", "mode"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    kafka = KafkaSettings(brokers=brokers)
    app = make_app(f"{prefix}ebb-engine", kafka, data_dir=Path(tempfile.gettempdir()) / "ebb-engine-bench")
    fold_of, folds = engines(prefix)
    if os.environ.get("BENCH_RULES") == "four":
        fold_of = _with_four_rules(fold_of, prefix)
    topics = pair_topics(prefix, os.environ.get("BENCH_JOURNAL"))
    observer = _Observer(folds)
    options = LaneOptions()
    if unit := os.environ.get("BENCH_UNIT"):
        lane.BLOCK = int(unit)
        options = LaneOptions(unit_records=1)
    observer.lanes = host_lanes(app, fold_of, kafka=kafka, topics=topics, options=options, observer=observer)
    if "BENCH_PROFILE" not in os.environ:
        run_apps(app)
    profiler = cProfile.Profile()
    try:
        profiler.runcall(run_apps, app)
    finally:
        profiler.dump_stats(os.environ["BENCH_PROFILE"])


if __name__ == "__main__":
    main()
