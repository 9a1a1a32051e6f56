"""The worker end to end: facts in, interventions out, on both brokers, and on one that asks who we are."""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agents.embedded import EmbeddedBroker
from deploy.kafka.broker import KafkaBroker
from schemas.outbound import ce_source
from schemas.topics import DEAD_LETTERS, Topics
from tests.agents.worker_samples import FACTS, arrival_ms, key_of
from tests.conftest import Broker, start_kafka
from tests.integration.worker_harness import (
    ROOT,
    Sent,
    Worker,
    folded,
    interventions,
    make_topics,
    produce,
    written,
)

PROGRAMS = 20
_serial = itertools.count(1)

pytestmark = pytest.mark.timeout(180)

Run = Callable[..., Worker]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Starts workers that do not outlive the test."""
    workers: list[Worker] = []

    def start(settings: dict[str, str], *arguments: str) -> Worker:
        workers.append(Worker(tmp_path, settings, *arguments))
        return workers[-1]

    yield start
    for worker in workers:
        worker.kill()


def _prefix() -> str:
    return f"w{os.getpid()}-{next(_serial)}."


def _facts(programs: range) -> list[Sent]:
    """The sample facts for several programs, in order of arrival."""
    found = []
    for number, (topic, value) in enumerate(FACTS):
        for program in programs:
            own = value.replace(b'"program-1"', b'"program-%d"' % program)
            found.append(Sent(topic, key_of(topic, own), own, arrival_ms(number)))
    return found


def _settings(broker: Broker, prefix: str) -> dict[str, str]:
    settings = {"EBB_BROKERS": broker.bootstrap, "EBB_TOPIC_PREFIX": prefix}
    if isinstance(broker, EmbeddedBroker):
        settings |= {"EBB_KAFKA_EMBEDDED": "true", "EBB_KAFKA_FETCH_WAIT_MS": "20"}
    return settings


def _assert_parity(broker: Broker, topics: Topics, worker: Worker, facts: int) -> int:
    """What the worker wrote is what a single-threaded fold of its journal decides.

    Returns: how many records `rating.low` wrote.
    """
    journal = worker.wait_applied(broker.bootstrap, topics, facts)
    live = interventions(broker.bootstrap, topics)
    for partition, entries in enumerate(journal):
        assert live[partition] == folded(entries, ce_source(topics.prefix), partition)
    return sum(b'"id":"rating.low"' in row.value for rows in live for row in rows)


def test_facts_become_interventions_once_each_and_equal_a_fold_of_the_journal(broker: Broker, run: Run) -> None:
    prefix = _prefix()
    topics = make_topics(broker, prefix)
    worker = run(_settings(broker, prefix))
    worker.wait_ready()
    first = _facts(range(PROGRAMS))
    produce(broker.bootstrap, topics, [*first, Sent("ratings", b"k", b"not json", arrival_ms(5))])
    assert _assert_parity(broker, topics, worker, len(first)) == PROGRAMS

    told = [row for rows in interventions(broker.bootstrap, topics) for row in rows]
    assert len({dict(row.headers)["ce_id"] for row in told}) == len(told)
    rows = [row for row in told if b'"id":"rating.low"' in row.value]
    assert len({dict(row.headers)["ce_id"] for row in rows}) == PROGRAMS
    for row in rows:
        headers, record = dict(row.headers), json.loads(row.value)
        assert record["rule"]["id"] == "rating.low"
        assert row.key == record["program_id"].encode()
        assert headers == {
            "ce_specversion": b"1.0",
            "ce_id": f"{record['intervention_id']}.0".encode(),
            "ce_source": f"/ebb/{prefix}".encode(),
            "ce_type": b"ebb.intervention.opened.v1",
            "ce_time": record["decided_at"].encode(),
            "ce_subject": record["subject"]["id"].encode(),
            "content-type": b"application/json",
        }
    metrics = worker.ask("/metrics")
    assert f'ebb_facts_total{{topic="ratings"}} {2 * PROGRAMS}.0' in metrics
    assert 'ebb_dead_letters_total{reason="not_json",topic="ratings"} 1.0' in metrics
    assert [row.value for rows in written(broker.bootstrap, topics.real(DEAD_LETTERS)) for row in rows] == [b"not json"]

    code, seconds = worker.end()
    assert (code, seconds < 15) == (0, True), worker.log.read_text()
    log = worker.log.read_text()
    assert "mentee-1" not in log
    assert "Traceback" not in log

    again = run(_settings(broker, prefix))
    again.wait_ready()
    more = _facts(range(PROGRAMS, 2 * PROGRAMS))
    produce(broker.bootstrap, topics, more)
    assert _assert_parity(broker, topics, again, len(first) + len(more)) == 2 * PROGRAMS
    assert again.end()[0] == 0


def test_ingest_and_engine_may_run_apart(embedded: EmbeddedBroker, run: Run) -> None:
    prefix = _prefix()
    topics = make_topics(embedded, prefix)
    ingest = run(_settings(embedded, prefix), "--only", "ingest")
    ingest.wait_ready()
    assert set(ingest.report()["lag"]) == {"ingest"}
    engine = run(_settings(embedded, prefix), "--only", "engine")
    engine.wait_ready()
    assert set(engine.report()["lag"]) == {"engine"}
    facts = _facts(range(3))
    produce(embedded.bootstrap, topics, facts)
    assert _assert_parity(embedded, topics, engine, len(facts)) == 3
    assert [worker.end()[0] for worker in (ingest, engine)] == [0, 0]


def test_a_worker_without_topics_refuses_with_a_sentence(embedded: EmbeddedBroker, run: Run) -> None:
    worker = run(_settings(embedded, _prefix()))
    assert worker.process.wait(30) == 1
    assert "Create them with `ebb topics create`." in worker.log.read_text()


def test_a_worker_with_unequal_partition_counts_refuses_with_a_sentence(embedded: EmbeddedBroker, run: Run) -> None:
    prefix = _prefix()
    embedded.create_topic(f"{prefix}state", 5)
    with pytest.raises(Exception, match="state"):
        make_topics(embedded, prefix)
    for name in ("interventions", "dead-letters", "deliveries"):
        embedded.create_topic(prefix + name, 2)
    worker = run(_settings(embedded, prefix))
    assert worker.process.wait(30) == 1
    assert "need equal partition counts" in worker.log.read_text()


def test_a_worker_without_a_broker_refuses_with_a_sentence(run: Run) -> None:
    worker = run({"EBB_BROKERS": "127.0.0.1:1"})
    assert worker.process.wait(30) == 1
    assert "No broker at 127.0.0.1:1 answers" in worker.log.read_text()


def test_wrong_settings_are_wrong_usage(run: Run) -> None:
    worker = run({"EBB_CLOCK": "sun"})
    assert worker.process.wait(30) == 2
    assert "EBB_CLOCK" in worker.log.read_text()


@pytest.fixture(scope="module")
def secure() -> Iterator[KafkaBroker]:
    """A real broker that asks who we are, on its SASL_SSL listener."""
    broker = start_kafka(KafkaBroker(secure=True))
    yield broker
    broker.stop()


def _secure_settings(broker: KafkaBroker, prefix: str, mechanism: str, password: Path) -> dict[str, str]:
    access = broker.access
    return {
        "EBB_BROKERS": access.bootstrap,
        "EBB_TOPIC_PREFIX": prefix,
        "EBB_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "EBB_KAFKA_CA_FILE": str(access.ca_file),
        "EBB_KAFKA_SASL_MECHANISM": mechanism,
        "EBB_KAFKA_SASL_USERNAME": access.username,
        "EBB_KAFKA_SASL_PASSWORD_FILE": str(password),
    }


def _ebb(settings: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agents.cli", *arguments],
        cwd=ROOT,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.integration
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_every_client_of_a_worker_logs_in_over_tls(
    secure: KafkaBroker, run: Run, tmp_path: Path, mechanism: str
) -> None:
    prefix, password = _prefix(), tmp_path / "password"
    password.write_text(secure.access.password + "\n")
    settings = _secure_settings(secure, prefix, mechanism, password)
    created = _ebb(settings, "topics", "create", "--partitions", "2")
    assert created.returncode == 0, created.stderr
    assert _ebb(settings, "topics", "check").returncode == 0
    topics = Topics(prefix)
    worker = run(settings)
    worker.wait_ready()
    facts = _facts(range(3))
    produce(secure.bootstrap, topics, facts)
    assert _assert_parity(secure, topics, worker, len(facts)) == 3
    doctor = _ebb(settings | {"EBB_CLOCK": "records"}, "doctor", "--json")
    assert json.loads(doctor.stdout)["problems"] == []
    shown = _ebb(settings, "state", "show", "program-1", "--pair", "pair-1", "--json")
    assert "mentee-1" in shown.stdout
    shown = _ebb(settings, "state", "show", "program-1", "--json")
    assert sum(json.loads(shown.stdout)["counted"]["ratings"]) > 0  # it stands in a row of its own
    assert worker.end()[0] == 0
    doctor = _ebb(settings | {"EBB_CLOCK": "records"}, "doctor", "--json")
    assert "No worker runs the ingest" in json.loads(doctor.stdout)["problems"][0]["problem"]
    assert secure.access.password not in worker.log.read_text()


@pytest.mark.integration
def test_a_wrong_password_is_a_refusal_that_does_not_show_it(secure: KafkaBroker, run: Run, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("not-the-password\n")
    worker = run(_secure_settings(secure, _prefix(), "SCRAM-SHA-512", password))
    assert worker.process.wait(60) == 1
    log = worker.log.read_text()
    assert "Check EBB_BROKERS and the EBB_KAFKA_ settings" in log
    assert "not-the-password" not in log
