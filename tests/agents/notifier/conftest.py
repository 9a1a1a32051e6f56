"""Certificates and topics for the notifier's tests."""

import itertools
from pathlib import Path

import pytest

from deploy.kafka.broker import KafkaBroker
from deploy.kafka.tls import make_certificates
from tests.agents.notifier.harness import KEY_ONE, Cluster

_serial = itertools.count(1)


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(authority, server key and chain), for 127.0.0.1."""
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file with a webhook key."""
    file = tmp_path / "webhook.key"
    file.write_text(KEY_ONE)
    return file


@pytest.fixture
def cluster(kafka: KafkaBroker) -> Cluster:
    """New topics on a real broker."""
    return Cluster(kafka.bootstrap, f"notify{next(_serial)}-")
