"""From the instant a rating was due to its output read back, at 500 a second: every fifth rating gives an output."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Final

from confluent_kafka import Consumer, TopicPartition

from benchmarks.harness.loading import Loader
from benchmarks.harness.processes import ROOT, cpu_s, pinned, stop
from benchmarks.harness.session import Session
from benchmarks.peers.data import PAIRS, PARTITIONS
from benchmarks.peers.systems import System
from benchmarks.peers.watching import topics_of

RATE: Final = 500
EVERY: Final = 5
WARM_UP_S: Final = 5
SECONDS: Final = 10
LEFT_OUT: Final = frozenset({"faust-hopping", "faust-rocksdb", "bytewax", "flink"})
"""Faust's tables differ in cost, not in when they answer; the other two were not asked for a low latency."""
_TEMPLATE: Final = (
    b'{"event_id":"due-%d","type":"rating","program_id":"p1","pair_id":"pair-%06d","participant_id":"u%d",'
    b'"rating":%d,"occurred_at":"2026-03-01T12:00:00.000Z","comment":null}'
)
_START_S: Final = 60.0
_HEAD_START_NS: Final = 500_000_000


def load(brokers: str, topic: str, seconds: int) -> None:
    """Send ratings as they are due; a process of its own."""
    begin_ns = time.monotonic_ns() + _HEAD_START_NS
    print(begin_ns, flush=True)
    with Loader(brokers, {"linger.ms": 0, "enable.idempotence": False, "partitioner": "murmur2_random"}) as loader:
        for number in range(RATE * seconds):
            due_ns, pair = begin_ns + number * 1_000_000_000 // RATE, (number * 7_919) % PAIRS
            if (ahead_ns := due_ns - time.monotonic_ns()) > 0:
                loader.producer.poll(0)
                time.sleep(ahead_ns / 1e9)
            rating = 4 if number % EVERY else 2
            loader.send(topic, _TEMPLATE % (due_ns, pair, pair * 2, rating), b"pair-%06d" % pair)


def measure(session: Session, system: System, name: str) -> tuple[dict[str, float], list[float]]:
    """Start a system, wait for its first answer, then run one open loop.

    Raises: RuntimeError when it does not answer.
    """
    topic = f"{name}-in"
    session.broker.create_topic(topic, PARTITIONS)
    with topics_of(session, name) as (out, environment), (session.folder / f"{name}.log").open("wb") as log:
        consumer = Consumer({
            "bootstrap.servers": session.brokers, "group.id": f"watch-{out}", "enable.auto.commit": False,
            "isolation.level": "read_committed", "fetch.wait.max.ms": 500, "log_level": 0,
        })  # fmt: skip
        consumer.assign([TopicPartition(out, number, 0) for number in range(PARTITIONS)])
        environment |= {"IN_TOPIC": topic} | dict(system.environment)
        with pinned(system.command(), log, environment) as process:
            _first_answer(session, consumer, topic)
            found = _one_loop(session, consumer, topic, process.pid)
            stop(process, 8)
        consumer.close()
    return found


def _first_answer(session: Session, consumer: Consumer, topic: str) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        with Loader(session.brokers, {"linger.ms": 0}) as loader:
            for partition in range(PARTITIONS):
                loader.send(topic, _TEMPLATE % (0, partition, 0, 2), b"pair-%06d" % partition, partition)
        message = consumer.poll(1.0)
        if message is not None and message.error() is None:
            return
    raise RuntimeError(f"nothing came out of {topic}")


def _one_loop(session: Session, consumer: Consumer, topic: str, pid: int) -> tuple[dict[str, float], list[float]]:
    seconds = WARM_UP_S + (2 if session.is_quick else SECONDS)
    command = [sys.executable, "-m", "benchmarks.peers.latency", session.brokers, topic, str(seconds)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as sender:
        assert sender.stdout is not None
        begin_ns = int(sender.stdout.readline())
        warm_ns, end_ns = begin_ns + WARM_UP_S * 1_000_000_000, begin_ns + seconds * 1_000_000_000
        expected, found = RATE // EVERY * (seconds - WARM_UP_S), dict[int, float]()
        before, used, deadline_ns = None, 0.0, end_ns + 20_000_000_000
        while len(found) < expected and time.monotonic_ns() < deadline_ns:
            message = consumer.poll(0.1)
            now_ns = time.monotonic_ns()
            if before is None and now_ns >= warm_ns:
                before = cpu_s(pid)
            if now_ns < end_ns:
                used = cpu_s(pid)
            if message is not None and message.error() is None:
                due_ns = int(json.loads(message.value() or b"{}")["event_id"][4:])
                if due_ns >= warm_ns:
                    found.setdefault(due_ns, (now_ns - due_ns) / 1e6)
    ordered = sorted(found.values())
    if len(ordered) < expected:
        raise RuntimeError(f"{topic}: only {len(ordered)} of {expected} outputs came back")
    curve = [ordered[min(expected - 1, expected * percent // 100)] for percent in range(101)]
    cost = (used - (before or used)) / (RATE * (seconds - WARM_UP_S)) * 1e6
    figures = {"p50_ms": curve[50], "p99_ms": curve[99], "worst_ms": ordered[-1], "samples": len(ordered)}
    return figures | {"expected": expected, "cpu_us": cost, "rate": RATE}, curve


def run(session: Session, systems: Mapping[str, System], rounds: int) -> None:
    """Measure the latency of those it says something about; `latency` in the results."""

    def case(name: str, system: System) -> Callable[[int], tuple[dict[str, float], list[float]]]:
        return lambda number: measure(session, system, f"calm-{name}-{number}")

    cases = {name: case(name, system) for name, system in systems.items() if name not in LEFT_OUT}
    setting = {"rate": RATE, "seconds": SECONDS, "warm_up_s": WARM_UP_S, "partitions": PARTITIONS}
    session.part("latency", cases, rounds=min(rounds, 2), setting=setting)


if __name__ == "__main__":
    load(sys.argv[1], sys.argv[2], int(sys.argv[3]))
