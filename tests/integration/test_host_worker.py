"""A whole worker process on either broker: works, stops in order, goes on where it stopped, refuses with a sentence."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer

from benchmarks.pair_worker import pair_topics
from deploy.kafka.broker import KafkaBroker
from tests.conftest import Broker, NewTopics, start_kafka

ROOT = Path(__file__).resolve().parent.parent.parent


def write(options: dict[str, str], topic: str, entries: range, partition: int = 0) -> None:
    producer = Producer(options)
    for number in entries:
        value = b'{"pair":"pair-%d","rating":%d,"at_ms":%d}' % (number % 7, number % 5 + 1, time.time_ns() // 1_000_000)
        producer.produce(topic, key=b"p", value=value, partition=partition)
    assert producer.flush(20) == 0


@contextmanager
def worker(bootstrap: str, prefix: str, log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.pair_worker", bootstrap, prefix, "6"],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | environment,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def environment_of(broker: Broker) -> dict[str, str]:
    return {} if isinstance(broker, KafkaBroker) else {"PAIR_EMBEDDED": "1"}


def until(log: Path, true: Callable[[str], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true(log.read_text()):
        assert time.monotonic() < deadline, log.read_text()[-4000:]
        time.sleep(0.05)


def applied(text: str) -> int:
    return sum(int(entries) for entries in re.findall(r"committed \d+ (\d+)", text))


def test_a_worker_applies_stops_within_15_s_and_goes_on(broker: Broker, new_topics: NewTopics, tmp_path: Path) -> None:
    prefix = new_topics(broker, 2, "journal", "state", "interventions")
    options = {"bootstrap.servers": broker.bootstrap}
    journal = pair_topics(prefix).journal
    environment = environment_of(broker)
    write(options, journal, range(100))
    log = tmp_path / "worker.log"
    with worker(broker.bootstrap, prefix, log, **environment) as process:
        until(log, lambda text: applied(text) == 100)
        write(options, journal, range(100, 150), partition=1)
        until(log, lambda text: applied(text) == 150)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
        assert time.monotonic() - began < 15
    write(options, journal, range(10))
    again = tmp_path / "again.log"
    with worker(broker.bootstrap, prefix, again, **environment) as process:
        until(again, lambda text: applied(text) == 10)
        assert "lane 0 open at entry 100" in again.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0


def test_a_refusal_is_one_sentence_and_exit_code_1(broker: Broker, new_topics: NewTopics, tmp_path: Path) -> None:
    prefix = new_topics(broker, 2, "journal", "interventions")
    log = tmp_path / "worker.log"
    with worker(broker.bootstrap, prefix, log, **environment_of(broker)) as process:
        assert process.wait(20) == 1
    assert f"Topic {prefix}state does not exist. Create the topics first" in log.read_text()


def test_an_entry_that_cannot_be_folded_ends_the_process(broker: Broker, new_topics: NewTopics, tmp_path: Path) -> None:
    prefix = new_topics(broker, 1, "journal", "state", "interventions")
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    producer.produce(pair_topics(prefix).journal, key=b"p", value=b"no json", partition=0)
    assert producer.flush(20) == 0
    log = tmp_path / "worker.log"
    with worker(broker.bootstrap, prefix, log, **environment_of(broker)) as process:
        assert process.wait(20) == 1
    assert "ending: lane 0 failed after entry -1" in log.read_text()


@pytest.mark.integration
def test_every_client_of_a_worker_goes_through_tls_and_sasl(tmp_path: Path) -> None:
    broker = start_kafka(KafkaBroker(secure=True))
    try:
        for name in ("journal", "state", "interventions"):
            broker.create_topic(f"safe.{name}", 1)
        access = broker.access
        password = tmp_path / "password"
        password.write_text(access.password)
        write({"bootstrap.servers": broker.bootstrap}, "safe.journal", range(20))
        environment = {"PAIR_CA": str(access.ca_file), "PAIR_USER": access.username, "PAIR_PASSWORD": str(password)}
        for mechanism in access.mechanisms:
            log = tmp_path / f"{mechanism}.log"
            with worker(access.bootstrap, "safe.", log, PAIR_MECHANISM=mechanism, **environment) as process:
                until(log, lambda text: "lane 0 open" in text)
                write({"bootstrap.servers": broker.bootstrap}, "safe.journal", range(5))
                until(log, lambda text: applied(text) >= 5)
                process.send_signal(signal.SIGTERM)
                assert process.wait(15) == 0
    finally:
        broker.stop()
