"""The host by itself: the pair job on a real Kafka, exactly once, and how fast its state is read back.

    python -m benchmarks --only host

The worker has one CPU to itself. Warm-up: the first tenth of the records. Beside it runs the bare loop
(`benchmarks.harness.bare`), which only fetches and decodes.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks.harness import bare
from benchmarks.harness.drain import drain
from benchmarks.harness.processes import pinned, stop
from benchmarks.harness.results import Part
from benchmarks.harness.session import Session
from benchmarks.pair_worker import pair_topics

JOURNAL: Final = "pair-journal"
PARTITIONS: Final = bare.PARTITIONS
_RECOVERY_TIMEOUT_S: Final = 90.0


def make_topics(session: Session, prefix: str, partitions: int = PARTITIONS) -> None:
    """State and interventions of one run; the journal is shared."""
    topics = pair_topics(prefix)
    session.broker.create_topic(topics.state, partitions, {"cleanup.policy": "compact"})
    session.broker.create_topic(topics.interventions, partitions, {"retention.ms": "-1"})


def recovery(module: str, brokers: str, prefix: str, journal: str, folder: Path, partitions: int) -> dict[str, float]:
    """Start a worker on the state a former one left; ends when all partitions are read back.

    Returns: rows, rows a second from the first read to the last of all partitions together.
    Raises: RuntimeError when it does not recover in time.
    """
    log = folder / "recovery.log"
    command = [sys.executable, "-m", module, brokers, prefix]
    with log.open("wb") as output, pinned(command, output, {"BENCH_JOURNAL": journal}) as worker:
        deadline = time.monotonic() + _RECOVERY_TIMEOUT_S
        found: list[tuple[str, str]] = []
        while len(found) < partitions and worker.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
            found = re.findall(r"recovered \d+ (\d+) ([\d.]+)", log.read_text())
        stop(worker)
    if len(found) < partitions:
        raise RuntimeError(f"the worker did not recover, see\n{log.read_text()[-2000:]}")
    rows = sum(int(rows) for rows, _ in found)
    return {"rows": rows, "rate": rows / max(float(seconds) for _, seconds in found)}


def run(session: Session) -> Part:
    """Measure the pair job, `host` in the results."""
    records, rounds = (800_000, 2) if session.is_quick else (1_000_000, 5)
    session.broker.create_topic(JOURNAL, PARTITIONS, {"retention.ms": "-1"})
    bare.fill(session.brokers, JOURNAL, records)

    def pair_job(number: int) -> dict[str, float]:
        prefix = f"pair{number}."
        make_topics(session, prefix)
        return drain(
            "benchmarks.pair_worker",
            session.brokers,
            prefix,
            records,
            session.folder,
            skip=records // 10,
            environment={"BENCH_JOURNAL": JOURNAL},
        )

    setting = {"records": records, "pairs": bare.PAIRS, "partitions": PARTITIONS, "bytes": 200}
    return session.part("host", {"pair job": pair_job}, rounds=rounds, setting=setting)
