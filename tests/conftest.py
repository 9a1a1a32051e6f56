"""Brokers for tests: `embedded` (in this process) and `kafka` (real, needs Java), each started once for the session."""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

import pytest

from agents.embedded import EmbeddedBroker
from deploy.kafka.broker import KafkaBroker
from deploy.kafka.cluster import KafkaCluster
from deploy.kafka.jars import KafkaUnavailableError

_serial = itertools.count(1)


class Broker(Protocol):
    """What a test may ask of either broker."""

    @property
    def bootstrap(self) -> str:
        """Address of the plain listener."""

    def create_topic(self, name: str, partitions: int) -> None:
        """Create a topic."""


Startable = TypeVar("Startable", KafkaBroker, KafkaCluster)
NewTopics = Callable[..., str]
"""`new_topics(broker, partitions, *names) -> prefix`: creates topics `prefix + name`, unique to the test."""


def pytest_report_header() -> str:
    """Say by what seed the fault suite and its simulation can be repeated."""
    return f"FAULTS_SEED={os.environ.get('FAULTS_SEED', '7')}"


@pytest.fixture(scope="session")
def embedded() -> Iterator[EmbeddedBroker]:
    """The in-process broker."""
    with EmbeddedBroker() as broker:
        yield broker


@contextmanager
def skipped_without(*unavailable: type[Exception]) -> Iterator[None]:
    """Skip a test with the reason when a tool is missing; on CI a missing tool is a failure."""
    try:
        yield
    except unavailable as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


def start_kafka(broker: Startable) -> Startable:
    """Start a real broker, or skip the test with the reason."""
    with skipped_without(KafkaUnavailableError):
        broker.start()
    return broker


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaBroker]:
    """A real broker. A test that kills or pauses one makes its own with `start_kafka`."""
    broker = start_kafka(KafkaBroker())
    yield broker
    broker.stop()


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.integration)])
def broker(request: pytest.FixtureRequest) -> Broker:
    """Both brokers, one after the other, for tests of what they have in common."""
    found: Broker = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def new_topics() -> NewTopics:
    """Topics no other test knows, see `NewTopics`."""

    def create(broker: Broker, partitions: int, *names: str) -> str:
        prefix = f"t{os.getpid()}-{next(_serial)}-"
        for name in names:
            broker.create_topic(prefix + name, partitions)
        return prefix

    return create
