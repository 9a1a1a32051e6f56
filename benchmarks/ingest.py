"""How fast ingest is: facts of all kinds on a real Kafka → journal, one worker on one CPU, with and without bad
records.

    python -m benchmarks --only ingest

Topics and partition counts are those of the catalogue, everything is loaded before the worker starts, so it merges
all of it oldest head first. Warm-up: the reference facts, rule sets and the first tenth of the facts. CPU is the
worker process's own (user and system).
"""

from __future__ import annotations

import asyncio
import cProfile
import os
import resource
import signal
import sys
import tempfile
import time
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

from agents.host.clients import KafkaSettings
from agents.host.worker import serve, tune_interpreter
from agents.ingest.agent import build_ingest, group_of
from agents.ingest.observer import SilentIngestObserver
from agents.ingest.options import IngestOptions
from benchmarks.harness.loading import Loader, disk_bytes, remove
from benchmarks.harness.processes import pinned
from benchmarks.harness.results import Part
from benchmarks.harness.session import Session, say
from benchmarks.synthetic import Platform
from schemas.topics import CATALOGUE, INBOUND, INGEST_CONTROL, JOURNAL, REFERENCE_TOPICS, Topics
from streams.partitioner import partition_for

PAIRS: Final = 20_000
PROGRAMS: Final = 400
BAD_EVERY: Final = 100
_WRITTEN: Final = (JOURNAL, INGEST_CONTROL, "dead-letters")
_TIMEOUT_S: Final = 180.0


class _Meter(SilentIngestObserver):
    """Prints once everything asked for has gone through, and ends the process."""

    def __init__(self, wanted: int, skip: int) -> None:
        self._wanted, self._skip = wanted, skip
        self._seen = self._counted = 0
        self._began = self._cpu = 0.0

    def _see(self, records: int) -> None:
        self._seen += records
        if not self._began:
            if self._seen >= self._skip:
                self._began, self._cpu = time.monotonic(), _cpu_s()
            return
        self._counted += records
        if self._seen >= self._wanted:
            elapsed, cpu = time.monotonic() - self._began, _cpu_s() - self._cpu
            print(f"done {self._counted / elapsed:.0f} {cpu / self._counted * 1e6:.4f} {self._counted}", flush=True)
            os.kill(os.getpid(), signal.SIGTERM)

    def forwarded(self, topic: str, records: int) -> None:
        if topic not in REFERENCE_TOPICS and topic != "rulesets":
            self._see(records)

    def dead_letter(self, topic: str, reason: str) -> None:  # noqa: ARG002 the observer's signature
        self._see(1)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def create(session: Session, topics: Topics, names: tuple[str, ...] | None = None) -> None:
    """Create the topics of the catalogue, or some of them."""
    for topic in CATALOGUE:
        if names is None or topic.name in names:
            # The facts are dated in the past: kept for 30 days only, the broker would remove them while we measure.
            settings = topic.settings() | {"retention.ms": "-1"}
            session.broker.create_topic(topics.real(topic.name), topic.partitions, settings)


def fill(session: Session, topics: Topics, platform: Platform, count: int, bad_every: int = 0) -> int:
    """Load programs, people, pairs and `count` facts; each `bad_every`th of the facts is no JSON.

    Returns: how many records were written.
    """
    partitions = {topic.name: topic.partitions for topic in CATALOGUE}
    written = 0
    with Loader(session.brokers) as loader:
        for records, may_spoil in ((platform.reference(), False), (islice(platform.facts(), count), True)):
            for number, (name, key, value, timestamp) in enumerate(records):
                broken = b"{" + value if may_spoil and bad_every and number % bad_every == 0 else value
                loader.send(topics.real(name), broken, key, partition_for(key, partitions[name]), timestamp)
                written += 1
    return written


def reset(session: Session, topics: Topics) -> None:
    """Forget what ingest has written and read, so that it begins anew on the same facts."""
    remove(session.brokers, [topics.real(name) for name in _WRITTEN], [group_of(topics.prefix)])
    create(session, topics, _WRITTEN)


def measure(session: Session, topics: Topics, count: int, profile: Path | None = None) -> dict[str, float]:
    """Run one worker on one CPU until all facts stand in the journal.

    Raises: RuntimeError with the end of its log.
    """
    command = [sys.executable, "-m", "benchmarks.ingest", session.brokers, topics.prefix, str(count)]
    log = session.folder / "ingest.log"
    environment = {} if profile is None else {"BENCH_PROFILE": str(profile)}
    with log.open("wb") as output, pinned(command, output, environment) as worker:
        worker.wait(_TIMEOUT_S)
    for line in log.read_text().splitlines():
        if line.startswith("done "):
            rate, cpu_us, counted = map(float, line.split()[1:])
            return {"rate": rate, "cpu_us": cpu_us, "entries": counted}
    raise RuntimeError(f"the worker did not finish:\n{log.read_text()[-2000:]}")


def run(session: Session) -> Part:
    """Measure ingest, `ingest` in the results."""
    count, rounds = (40_000, 2) if session.is_quick else (200_000, 5)
    say(f"{count:,} facts of {PAIRS:,} pairs, twice: once with {100 / BAD_EVERY:g} % bad records")
    cases = {"ingest": (Topics("clean."), 0), "ingest, 1 % bad": (Topics("bad."), BAD_EVERY)}
    written, inbound = dict[Topics, int](), dict[Topics, float]()
    for topics, bad_every in cases.values():
        create(session, topics)
        written[topics] = fill(session, topics, Platform(PAIRS, PROGRAMS), count, bad_every)
        size = sum(disk_bytes(session.broker, topics.real(name)) for name in INBOUND)
        inbound[topics] = size / written[topics]

    def once(topics: Topics, _number: int) -> dict[str, float]:
        reset(session, topics)
        return measure(session, topics, count) | {"records": written[topics], "inbound_bytes": inbound[topics]}

    return session.part(
        "ingest",
        {case: partial(once, topics) for case, (topics, _) in cases.items()},
        rounds=rounds,
        setting={"facts": count, "pairs": PAIRS, "programs": PROGRAMS, "partitions": 8, "bad_percent": 100 / BAD_EVERY},
    )


def _expand(tree: Any) -> tuple[dict[str, Any], str]:
    return dict(tree), "benchmark"


async def _work(brokers: str, prefix: str, count: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        options = IngestOptions(
            version="benchmark", shipped_ruleset={}, expand_ruleset=_expand, prefix=prefix, data_dir=Path(folder)
        )
        ingest = build_ingest(KafkaSettings(brokers=brokers), options, observer=_Meter(count, count // 10))
        return await serve(ingest.app)


def main() -> int:
    """A worker process with ingest alone: BROKERS PREFIX FACTS. BENCH_PROFILE: a file for what cProfile saw."""
    brokers, prefix, count = sys.argv[1:4]
    tune_interpreter()
    if "BENCH_PROFILE" not in os.environ:
        return asyncio.run(_work(brokers, prefix, int(count)))
    profiler = cProfile.Profile()
    code = profiler.runcall(asyncio.run, _work(brokers, prefix, int(count)))
    profiler.dump_stats(os.environ["BENCH_PROFILE"])
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
