"""The real broker starts, breaks and comes back as asked."""

import asyncio
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from deploy.kafka import jars
from deploy.kafka.broker import KafkaBroker, KafkaBrokerError
from tests.conftest import start_kafka

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]  # the first run downloads the jars
_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def own() -> Iterator[KafkaBroker]:
    """A broker that these tests may break."""
    broker = start_kafka(KafkaBroker(secure=True))
    yield broker
    broker.stop()


async def send(broker: KafkaBroker, topic: str, value: bytes) -> int:
    """Append one record to partition 0; returns its offset."""
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, enable_idempotence=True) as producer:
        offset: int = (await producer.send_and_wait(topic, value, partition=0)).offset
        return offset


async def test_what_was_written_survives_a_kill_and_a_restart_on_the_same_address(own: KafkaBroker) -> None:
    own.create_topic("survivor", 1)
    address = own.bootstrap
    assert await send(own, "survivor", b"before") == 0
    own.kill()
    assert not own.is_alive()
    await asyncio.to_thread(own.restart)
    assert own.bootstrap == address
    assert await send(own, "survivor", b"after") == 1
    async with AIOKafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition("survivor", 0)])
        assert (await asyncio.wait_for(consumer.getone(), 20)).value == b"before"


async def test_a_paused_broker_answers_again_after_resume(own: KafkaBroker) -> None:
    own.create_topic("pausing", 1)
    async with AIOKafkaProducer(bootstrap_servers=own.bootstrap) as producer:
        own.pause()
        sending = asyncio.ensure_future(producer.send_and_wait("pausing", b"x", partition=0))
        await asyncio.sleep(0.5)
        assert not sending.done()
        own.resume()
        assert (await asyncio.wait_for(sending, 20)).offset == 0


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_the_secure_listener_lets_in_who_knows_the_password(own: KafkaBroker, mechanism: str) -> None:
    topic = f"secure-{mechanism.lower()}"
    own.create_topic(topic, 1)
    access = own.access

    def client(password: str) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            bootstrap_servers=access.bootstrap,
            security_protocol="SASL_SSL",
            ssl_context=ssl.create_default_context(cafile=str(access.ca_file)),
            sasl_mechanism=mechanism,
            sasl_plain_username=access.username,
            sasl_plain_password=password,
        )

    async with client(access.password) as producer:
        assert (await producer.send_and_wait(topic, b"x", partition=0)).offset == 0
    stranger = client("guessed")
    try:
        with pytest.raises(KafkaError):
            await stranger.start()
    finally:
        await stranger.stop()


def test_a_topic_is_created_once_and_the_second_time_says_so(kafka: KafkaBroker) -> None:
    kafka.create_topic("once", 2, {"cleanup.policy": "compact"})
    with pytest.raises(KafkaBrokerError, match="already exists"):
        kafka.create_topic("once", 2)


def test_a_setting_it_does_not_accept_is_reported_with_the_reason(kafka: KafkaBroker) -> None:
    assert kafka.is_alive()  # skips where there is no Java
    with pytest.raises(KafkaBrokerError, match=r"process\.roles"):
        KafkaBroker(properties={"process.roles": "spectator"}).start()


def test_the_command_prints_its_address_and_ends_cleanly_on_ctrl_c(kafka: KafkaBroker) -> None:
    assert kafka.is_alive()
    command = [sys.executable, "-m", "deploy.kafka.broker"]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline(), process.stdout.readline()]
        assert "Kafka listens on 127.0.0.1:" in lines[1]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert "Stopping Kafka" in process.stdout.read()


def test_without_java_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(jars.KafkaUnavailableError, match="no `java` on the PATH"):
        KafkaBroker().start()


def test_without_maven_and_without_jars_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(jars, "_CACHE", tmp_path)
    with pytest.raises(jars.KafkaUnavailableError, match="no `mvn` on the PATH"):
        jars.class_path()


def test_the_data_folder_is_removed_by_stop_unless_it_was_given(kafka: KafkaBroker, tmp_path: Path) -> None:
    assert kafka.is_alive()
    broker = KafkaBroker(data=tmp_path / "kept").start()
    pid = broker.pid
    broker.stop()
    assert (tmp_path / "kept" / "data" / "meta.properties").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
