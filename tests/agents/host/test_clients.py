from __future__ import annotations

import subprocess
from pathlib import Path

import faust
import pytest

from agents.host.clients import KafkaSettings


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("secret\n")
    return path


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=test"]
    subprocess.run([*command, "-keyout", str(tmp_path / "key.pem"), "-out", str(path)], check=True, capture_output=True)
    return path


def test_plain_settings_reach_the_three_dialects() -> None:
    settings = KafkaSettings(brokers="a:1, b:2")
    assert settings.aiokafka()["bootstrap_servers"] == ["a:1", "b:2"]
    assert settings.faust_brokers() == "kafka://a:1;kafka://b:2"
    assert settings.faust_credentials() is None
    assert settings.confluent() == {
        "bootstrap.servers": "a:1,b:2",
        "client.id": "ebb",
        "security.protocol": "PLAINTEXT",
    }


def test_consumers_read_only_what_is_committed() -> None:
    assert KafkaSettings(brokers="a:1").aiokafka_consumer()["isolation_level"] == "read_committed"


def test_sasl_over_tls_reaches_the_three_dialects(password_file: Path, ca_file: Path) -> None:
    settings = KafkaSettings(
        brokers="a:1",
        security_protocol="SASL_SSL",
        ca_file=ca_file,
        sasl_mechanism="SCRAM-SHA-512",
        sasl_user="ebb",
        sasl_password_file=password_file,
    )
    plain = settings.aiokafka()
    assert (plain["security_protocol"], plain["sasl_mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")
    assert (plain["sasl_plain_username"], plain["sasl_plain_password"]) == ("ebb", "secret")
    assert plain["ssl_context"].check_hostname
    credentials = settings.faust_credentials()
    assert isinstance(credentials, faust.SASLCredentials)
    assert (credentials.protocol.value, credentials.mechanism.value) == ("SASL_SSL", "SCRAM-SHA-512")
    assert (credentials.username, credentials.password) == ("ebb", "secret")
    native = settings.confluent()
    assert (native["sasl.mechanism"], native["sasl.password"]) == ("SCRAM-SHA-512", "secret")
    assert native["ssl.ca.location"] == str(ca_file)


def test_tls_alone_reaches_faust(ca_file: Path) -> None:
    credentials = KafkaSettings(brokers="a:1", security_protocol="SSL", ca_file=ca_file).faust_credentials()
    assert isinstance(credentials, faust.SSLCredentials)


def test_a_password_is_not_shown(password_file: Path) -> None:
    settings = KafkaSettings(
        brokers="a:1",
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_user="ebb",
        sasl_password_file=password_file,
    )
    assert "secret" not in repr(settings)
    assert settings.password() == "secret"


def test_settings_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one host:port"):
        KafkaSettings(brokers=" , ")
    with pytest.raises(ValueError, match="belong together"):
        KafkaSettings(brokers="a:1", security_protocol="SSL", cert_file=tmp_path)
    with pytest.raises(ValueError, match="certificates are given"):
        KafkaSettings(brokers="a:1", ca_file=tmp_path)
    with pytest.raises(ValueError, match="SASL_SSL needs"):
        KafkaSettings(brokers="a:1", security_protocol="SASL_SSL", sasl_user="ebb")
    with pytest.raises(ValueError, match="SASL settings are given"):
        KafkaSettings(brokers="a:1", sasl_user="ebb")
