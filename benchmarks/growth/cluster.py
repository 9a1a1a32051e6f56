"""More partitions, a second worker, a backlog while new facts come in: workers on a real Kafka."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Final

from benchmarks import engine, ingest, live
from benchmarks.harness.drain import Commit, commits_in, drain
from benchmarks.harness.loading import Loader
from benchmarks.harness.processes import MEASURED, REST, pinned, stop
from benchmarks.harness.results import Part
from benchmarks.harness.session import Session, Setting
from benchmarks.host import make_topics
from benchmarks.open_loop import PROBES, platform_at
from benchmarks.synthetic import Platform
from schemas.topics import Topics
from streams.partitioner import partition_for

_PARTITIONS: Final = 8
_SETTLE_S: Final = 3.0
"""After each has its partitions: what a last rebalance may take."""
_TIMEOUT_S: Final = 180.0
_FRESH_MS: Final = 1_500.0
"""What comes out no older than this is not behind."""
_FACTS_A_SECOND: Final = 1_000


def run_partitions(session: Session) -> Part:
    """The same facts over 1 to 64 journal partitions, one worker; `partitions`."""
    pairs, facts, rounds = (1_000, 10_000, 1) if session.is_quick else (20_000, 200_000, 3)
    platform, made = Platform(pairs, max(1, pairs // 200)), dict[int, tuple[int, int]]()
    for count in (1, 4, 16, 64):
        made[count] = engine.fill(session, f"journal-{count}", platform, facts, count)

    def once(count: int, number: int) -> dict[str, float]:
        prefix, (records, before) = f"p{count}-{number}.", made[count]
        make_topics(session, prefix, count)
        return drain(
            "benchmarks.engine_worker",
            session.brokers,
            prefix,
            records,
            session.folder,
            skip=before + facts // 10,
            environment={"BENCH_JOURNAL": f"journal-{count}"},
        )

    setting: Setting = {"facts": facts, "pairs": pairs}
    cases = {f"{count}": partial(once, count) for count in made}
    return session.part("partitions", cases, rounds=rounds, setting=setting)


def run_workers(session: Session) -> Part:
    """One worker process, then two that share the partitions; `workers`. The second shares its CPU with the broker."""
    pairs, facts, rounds = (1_000, 20_000, 1) if session.is_quick else (20_000, 400_000, 3)
    entries = list(engine.entries(Platform(pairs, max(1, pairs // 200)), facts))

    def once(workers: int, number: int) -> dict[str, float]:
        prefix = f"w{workers}-{number}."
        session.broker.create_topic(f"{prefix}journal", _PARTITIONS, {"retention.ms": "-1"})
        make_topics(session, prefix, _PARTITIONS)
        found = _together(session, prefix, workers, entries)
        return found | {"records": len(entries)}

    setting: Setting = {"facts": facts, "pairs": pairs, "partitions": _PARTITIONS}
    cases = {f"{workers}": partial(once, workers) for workers in (1, 2)}
    return session.part("workers", cases, rounds=rounds, setting=setting)


def _write(session: Session, topic: str, entries: list[tuple[bytes, bytes]]) -> None:
    """A whole journal, much faster than it is worked off."""
    with Loader(session.brokers) as loader:
        for partition in range(_PARTITIONS):
            loader.send(topic, engine.first_entry(), b"", partition)
        for program, value in entries:
            loader.send(topic, value, program, partition_for(program, _PARTITIONS))


def _together(session: Session, prefix: str, workers: int, entries: list[tuple[bytes, bytes]]) -> dict[str, float]:
    """Drain with several processes, which share the partitions before there is anything to do.

    Counted from when each of them has committed, until the first has nothing left.
    """
    command = [sys.executable, "-m", "benchmarks.engine_worker", session.brokers, prefix]
    logs = [session.folder / f"worker-{number}.log" for number in range(workers)]
    with ExitStack() as stack:
        processes = []
        for number, log in enumerate(logs):
            output = stack.enter_context(log.open("wb"))
            cpus = REST if number else MEASURED
            processes.append(stack.enter_context(pinned(command, output, cpus=cpus)))

        def wait(is_done: Callable[[], bool]) -> None:
            deadline = time.monotonic() + _TIMEOUT_S
            while not is_done():
                if time.monotonic() > deadline or any(process.poll() is not None for process in processes):
                    raise RuntimeError(f"the workers did not finish, see\n{logs[0].read_text()[-2_000:]}")
                time.sleep(0.2)

        wait(lambda: all("recovered " in log.read_text() for log in logs))
        time.sleep(_SETTLE_S)
        _write(session, f"{prefix}journal", entries)
        wait(lambda: sum(each.entries for log in logs for each in commits_in(log.read_text())) >= len(entries))
        for process in processes:
            stop(process)
    commits = [commits_in(log.read_text()) for log in logs]
    begin = max(found[0].moment for found in commits)
    end = min(found[-1].moment for found in commits)
    parts = [_between(found, begin, end) for found in commits]
    done = sum(amount for amount, _ in parts)
    cpu_us = sum(cpu for _, cpu in parts) / done * 1e6
    return {"rate": done / (end - begin), "cpu_us": cpu_us, "entries": done}


def _between(commits: list[Commit], begin: float, end: float) -> tuple[int, float]:
    """Entries and CPU seconds of one process between two moments."""
    inside = [each for each in commits if begin <= each.moment <= end]
    if len(inside) < 2:
        raise RuntimeError("the processes hardly worked at the same time")
    return inside[-1].applied - inside[0].applied, inside[-1].cpu - inside[0].cpu


def run_backlog(session: Session) -> Part:
    """Minutes of facts wait at a thousand a second, and a thousand a second go on coming; `backlog`."""
    waiting, seconds = (30, 20) if session.is_quick else (300, 60)
    facts, rounds = waiting * _FACTS_A_SECOND, 1 if session.is_quick else 2

    def once(number: int) -> dict[str, float]:
        topics = Topics(f"backlog{number}.")
        ingest.create(session, topics)
        now_ms = time.time_ns() // 1_000_000
        ingest.fill(session, topics, platform_at(now_ms - waiting * 1_000, _FACTS_A_SECOND), facts)
        with live.worker(session, topics) as process:
            began = time.monotonic()
            seen = live.offer(session, topics, process, _FACTS_A_SECOND, seconds, "late")
        behind = [
            due + latency / 1_000
            for due, latency in zip(seen.due_s, seen.latency_ms, strict=True)
            if latency > _FRESH_MS
        ]
        caught_up = seen.begin_s + max(behind, default=0.0) - began
        return {"facts": facts, "catch_up_s": caught_up, "seen": len(seen.due_s), "expected": seen.expected}

    setting: Setting = {"waiting_s": waiting, "rate": _FACTS_A_SECOND, "probes_a_second": PROBES, "partitions": 8}
    return session.part("backlog", {"worker": once}, rounds=rounds, setting=setting)
