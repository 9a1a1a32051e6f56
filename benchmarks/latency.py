"""From a rating on the inbound topic to its intervention read back: the whole worker on a real Kafka, open loop.

    python -m benchmarks.latency [--rate N] [--seconds N]

Every fifth fact is a rating of 1 by somebody who has not rated before, so that it opens an intervention. Latency
counts from the instant at which the fact was *due* to be sent, whether or not the sender was late; no sample is
dropped. The worker has one CPU to itself.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.host import ROOT
from deploy.kafka.broker import KafkaBroker
from schemas.base import from_ms, instant_text
from schemas.topics import CATALOGUE, INTERVENTIONS, Topics
from streams.partitioner import partition_for

PARTITIONS = 4
PROGRAMS = 50
WARM_UP_S = 5
EVERY = 5
TARGET_P50_MS, TARGET_P99_MS = 30.0, 150.0


class Figures(NamedTuple):
    """Milliseconds; how many interventions were expected and how many came."""

    p50: float
    p99: float
    worst: float
    expected: int
    seen: int


def _value(kind: str, number: int, person: str, pair: str, now_ms: int) -> bytes:
    fact: dict[str, str | int] = {
        "event_id": f"{kind}-{number}",
        "type": kind,
        "program_id": f"program-{number % PROGRAMS}",
        "occurred_at": instant_text(from_ms(now_ms)),
        "participant_id": person,
        "pair_id": pair,
    }
    if kind == "rating.submitted":
        fact |= {"kind": "mqs", "rating": 1}
    return json.dumps(fact).encode()


def _announce(producer: Producer, topics: Topics, count: int) -> None:
    now_ms = time.time_ns() // 1_000_000
    for number in range(count):
        program = f"program-{number % PROGRAMS}"
        pair = {
            "event_id": f"pair-{number}", "type": "pair.changed", "program_id": program, "pair_id": f"pair-{number}",
            "occurred_at": instant_text(from_ms(now_ms)), "matched_at": instant_text(from_ms(now_ms)),
            "kind": "one_to_one", "mentor_ids": [f"mentor-{number}"],
            "mentee_ids": [f"mentee-{number}"], "state": "active",
        }  # fmt: skip
        producer.produce(topics.real("pairs"), json.dumps(pair).encode(), f"{program}/pair-{number}".encode())
        producer.poll(0)
    producer.flush(30)


def measure(broker: KafkaBroker, rate: int = 500, seconds: int = 20) -> Figures:
    """Run one worker and one load."""
    topics = Topics("latency.")
    for topic in CATALOGUE:
        broker.create_topic(topics.real(topic.name), 1 if topic.partitions == 1 else PARTITIONS, dict(topic.settings()))
    producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 0, "partitioner": "murmur2_random"})
    total = rate * (WARM_UP_S + seconds)
    _announce(producer, topics, total // EVERY)
    environment = os.environ | {
        "EBB_BROKERS": broker.bootstrap, "EBB_TOPIC_PREFIX": "latency.", "EBB_PORT": "0", "EBB_LOG_LEVEL": "error",
    }  # fmt: skip
    cpus = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="ebb-latency-") as name:
        log = (Path(name) / "worker.log").open("wb")
        worker = subprocess.Popen(
            [sys.executable, "-m", "agents.cli", "worker"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
        os.sched_setaffinity(worker.pid, {cpus[-1]})
        os.sched_setaffinity(0, {cpus[0]})
        try:
            return _load(broker, topics, producer, rate, total)
        finally:
            os.sched_setaffinity(0, set(cpus))
            worker.terminate()
            worker.wait(20)
            log.close()


def _load(broker: KafkaBroker, topics: Topics, producer: Producer, rate: int, total: int) -> Figures:
    came: dict[str, float] = {}
    stop = threading.Event()

    def read() -> None:
        settings = {"bootstrap.servers": broker.bootstrap, "group.id": "latency", "isolation.level": "read_committed",
                    "enable.auto.commit": False, "fetch.wait.max.ms": 500}  # fmt: skip
        consumer = Consumer(settings)
        consumer.assign([TopicPartition(topics.real(INTERVENTIONS), partition, 0) for partition in range(PARTITIONS)])
        while not stop.is_set():
            message = consumer.poll(0.5)
            if message is not None and message.error() is None:
                moment = time.perf_counter()
                value = json.loads(message.value() or b"{}")
                if value["change"] == "opened":
                    came.setdefault(value["subject"]["id"], moment)
        consumer.close()

    reader = threading.Thread(target=read)
    reader.start()
    # A first rating goes ahead until it comes back: the worker has started and the rebalance is over.
    deadline = time.monotonic() + 90
    _send(producer, topics, "rating.submitted", 0)
    while "pair-0/mentee-0" not in came:
        if time.monotonic() > deadline:
            stop.set()
            raise RuntimeError("the worker did not answer")
        time.sleep(0.1)
    begin = time.perf_counter() + 0.2
    due: dict[str, float] = {}
    for number in range(1, total):
        at = begin + number / rate
        delay = at - time.perf_counter()
        if delay > 0:
            time.sleep(delay)
        if number % EVERY == 0:
            pair = number // EVERY
            if number >= rate * WARM_UP_S:
                due[f"pair-{pair}/mentee-{pair}"] = at
            _send(producer, topics, "rating.submitted", pair)
        else:
            _send(producer, topics, "activity.message_sent", number)
        producer.poll(0)
    producer.flush(30)
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and not all(subject in came for subject in due):
        time.sleep(0.1)
    stop.set()
    reader.join()
    found = sorted((came[subject] - at) * 1_000 for subject, at in due.items() if subject in came)
    p50, p99 = (found[min(len(found) - 1, int(len(found) * share))] for share in (0.5, 0.99))
    return Figures(p50, p99, found[-1], len(due), len(found))


def _send(producer: Producer, topics: Topics, kind: str, number: int) -> None:
    pair = number if kind == "rating.submitted" else number // EVERY
    topic = topics.real("ratings" if kind == "rating.submitted" else "participant-activity")
    program = f"program-{pair % PROGRAMS}"
    value = _value(kind, pair if kind == "rating.submitted" else number, f"mentee-{pair}", f"pair-{pair}",
                   time.time_ns() // 1_000_000)  # fmt: skip
    if kind != "rating.submitted":
        value = value.replace(f'"program-{number % PROGRAMS}"'.encode(), f'"{program}"'.encode())
    producer.produce(topic, value, program.encode(), partition_for(program.encode(), PARTITIONS))


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=20)
    options = parser.parse_args()
    with KafkaBroker() as broker:
        figures = measure(broker, options.rate, options.seconds)
    missed = figures.p50 > TARGET_P50_MS or figures.p99 > TARGET_P99_MS or figures.seen < figures.expected
    sys.stdout.write(
        f"rating to intervention at {options.rate} facts/s: p50 {figures.p50:.1f} ms, p99 {figures.p99:.1f} ms, "
        f"worst {figures.worst:.1f} ms ({figures.seen} of {figures.expected} seen)\n"
        f"target {TARGET_P50_MS:.0f} and {TARGET_P99_MS:.0f} ms: {'missed' if missed else 'held'}\n"
    )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
