"""A worker process that runs the pair job: `python -m benchmarks.pair_worker BROKERS PREFIX [SESSION_S]`.

Environment: EBB_FAILPOINT (agents/host/failpoints.py); PAIR_SLICE, see `PairFold`; PAIR_CUT, records of a flush
unit; PAIR_EMBEDDED for the embedded broker; BENCH_JOURNAL for a journal of another name; PAIR_MECHANISM, PAIR_CA,
PAIR_USER, PAIR_PASSWORD (a file) for SASL_SSL.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from agents.host.checks import LaneTopics
from agents.host.chunks import make_app
from agents.host.clients import KafkaSettings, SaslMechanism
from agents.host.lane import LaneOptions
from agents.host.lanes import Lanes
from agents.host.observer import SilentObserver
from agents.host.worker import host_lanes, run_apps
from benchmarks.pair_job import PairFold

log = logging.getLogger("ebb.host")


def pair_topics(prefix: str, journal: str | None = None) -> LaneTopics:
    """The topics of one pair job; several may read one journal."""
    return LaneTopics(
        journal=journal or f"{prefix}journal",
        state=f"{prefix}state",
        interventions=f"{prefix}interventions",
        prefix=prefix,
    )


class LoudObserver(SilentObserver):
    """Says what happened, for whoever reads the log of the process.

    Attributes:
        lanes: set once they are made; a commit says how many entries all of them together have applied by then.
    """

    lanes: Lanes

    def committed(self, partition: int, entries: int, rows: int, interventions: int, seconds: float) -> None:
        moment, cpu = time.monotonic(), time.process_time()
        applied = sum(lane.applied + 1 for lane in self.lanes.open_lanes.values())
        log.info(
            "committed %d %d %d %d %.4f %d %.6f %.6f",
            partition, entries, rows, interventions, seconds, applied, moment, cpu,
        )  # fmt: skip

    def recovered(self, partition: int, rows: int, seconds: float) -> None:
        log.info("recovered %d %d %.4f", partition, rows, seconds)

    def healed(self, partition: int, reason: str) -> None:
        log.info("healed %d %s", partition, reason)


def settings_from(brokers: str, environment: Mapping[str, str]) -> KafkaSettings:
    """PLAINTEXT, or SASL_SSL when PAIR_MECHANISM names a mechanism."""
    if "PAIR_MECHANISM" not in environment:
        return KafkaSettings(brokers=brokers, embedded=bool(environment.get("PAIR_EMBEDDED")))
    return KafkaSettings(
        brokers=brokers,
        security_protocol="SASL_SSL",
        ca_file=Path(environment["PAIR_CA"]),
        sasl_mechanism=cast("SaslMechanism", environment["PAIR_MECHANISM"]),
        sasl_user=environment["PAIR_USER"],
        sasl_password_file=Path(environment["PAIR_PASSWORD"]),
    )


def main() -> None:
    """Run until SIGTERM."""
    brokers, prefix = sys.argv[1:3]
    session_s = float(sys.argv[3]) if len(sys.argv) > 3 else 10.0
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(message)s", stream=sys.stderr
    )
    logging.Formatter.converter = time.gmtime
    for noisy in ("aiokafka", "faust", "mode"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    kafka = settings_from(brokers, os.environ)
    app = make_app(
        f"{prefix}ebb-engine", kafka, data_dir=Path(tempfile.gettempdir()) / "ebb-pair", session_timeout_s=session_s
    )
    slice_messages = int(os.environ["PAIR_SLICE"]) if "PAIR_SLICE" in os.environ else None
    observer = LoudObserver()
    observer.lanes = host_lanes(
        app,
        lambda _partition: PairFold(slice_messages),
        kafka=kafka,
        topics=pair_topics(prefix, os.environ.get("BENCH_JOURNAL")),
        options=LaneOptions(unit_records=int(os.environ.get("PAIR_CUT", "20000"))),
        observer=observer,
    )
    run_apps(app)


if __name__ == "__main__":
    main()
