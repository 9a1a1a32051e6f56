"""How every Kafka client is opened: one set of settings, three dialects (aiokafka, Faust, librdkafka).

TLS and SASL are decided here and nowhere else, so a client that forgets them cannot be written by accident.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import faust

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSettings:
    """Where the brokers are and how we prove who we are.

    Args:
        brokers: comma-separated `host:port`.
        security_protocol: as everywhere in Kafka.
        ca_file: PEM of the authority that signed the brokers; None: the system's authorities.
        cert_file, key_file: PEM of our own certificate, for brokers that ask for one; both or neither.
        sasl_mechanism, sasl_user, sasl_password_file: required for the SASL protocols; the file's last line break is
            dropped.
        client_id: shown in the brokers' logs and quotas.
        fetch_wait_ms: how long a broker may hold a fetch when there is nothing new. Partitions of one broker share a
            fetch, so this also bounds how long a partition just released waits behind quiet ones.
        embedded: the embedded broker is meant. It writes transaction markers with a wrong checksum, so consumers do not
            verify any, and it leaves questions about topic ids unanswered, so nobody asks them.

    Raises: ValueError, with a sentence, when the parts do not fit together.
    """

    brokers: str
    security_protocol: SecurityProtocol = "PLAINTEXT"
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    sasl_mechanism: SaslMechanism | None = None
    sasl_user: str | None = None
    sasl_password_file: Path | None = None
    client_id: str = "ebb"
    fetch_wait_ms: int = 100
    embedded: bool = False

    def __post_init__(self) -> None:
        if not self.servers():
            raise ValueError("brokers is empty: give at least one host:port")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together: give both or neither")
        if not self.uses_tls() and (self.ca_file or self.cert_file):
            raise ValueError(
                f"certificates are given but security_protocol is {self.security_protocol}: use SSL or SASL_SSL"
            )
        given = (self.sasl_mechanism, self.sasl_user, self.sasl_password_file)
        if self.uses_sasl() and None in given:
            raise ValueError(f"{self.security_protocol} needs sasl_mechanism, sasl_user and sasl_password_file")
        if not self.uses_sasl() and any(part is not None for part in given):
            raise ValueError(f"SASL settings are given but security_protocol is {self.security_protocol}: use SASL_SSL")

    def servers(self) -> list[str]:
        """The brokers as a list of `host:port`."""
        return [part.strip() for part in self.brokers.split(",") if part.strip()]

    def uses_tls(self) -> bool:
        return self.security_protocol in ("SSL", "SASL_SSL")

    def uses_sasl(self) -> bool:
        return self.security_protocol in ("SASL_PLAINTEXT", "SASL_SSL")

    def password(self) -> str | None:
        """The SASL password, read anew at each call so that a rotated file takes effect at the next connection."""
        if self.sasl_password_file is None:
            return None
        return self.sasl_password_file.read_text("utf-8").rstrip("\r\n")

    def ssl_context(self) -> ssl.SSLContext | None:
        """A context that verifies the broker's certificate and host name; None without TLS."""
        if not self.uses_tls():
            return None
        context = ssl.create_default_context(
            ssl.Purpose.SERVER_AUTH, cafile=str(self.ca_file) if self.ca_file else None
        )
        if self.cert_file is not None and self.key_file is not None:
            context.load_cert_chain(str(self.cert_file), str(self.key_file))
        return context

    def aiokafka(self) -> dict[str, Any]:
        """Keyword arguments for any aiokafka producer, consumer or admin client."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.servers(),
            "client_id": self.client_id,
            "security_protocol": self.security_protocol,
            "ssl_context": self.ssl_context(),
        }
        if self.uses_sasl():
            options["sasl_mechanism"] = self.sasl_mechanism
            options["sasl_plain_username"] = self.sasl_user
            options["sasl_plain_password"] = self.password()
        return options

    def aiokafka_consumer(self) -> dict[str, Any]:
        """Keyword arguments for a consumer: read_committed, because all we write and much of what we read is
        transactional."""
        return self.aiokafka() | {
            "isolation_level": "read_committed",
            "fetch_max_wait_ms": self.fetch_wait_ms,
            "enable_auto_commit": False,
            "check_crcs": not self.embedded,
        }

    def faust_brokers(self) -> str:
        """The value of Faust's `broker` setting."""
        return ";".join(f"kafka://{server}" for server in self.servers())

    def faust_credentials(self) -> faust.SASLCredentials | faust.SSLCredentials | None:
        """The value of Faust's `broker_credentials` setting; None for PLAINTEXT."""
        context = self.ssl_context()
        if self.uses_sasl():
            return faust.SASLCredentials(
                username=self.sasl_user, password=self.password(), mechanism=self.sasl_mechanism, ssl_context=context
            )
        return faust.SSLCredentials(context) if context is not None else None

    def confluent(self) -> dict[str, Any]:
        """Configuration for any confluent_kafka (librdkafka) client."""
        options: dict[str, Any] = {
            "bootstrap.servers": ",".join(self.servers()),
            "client.id": self.client_id,
            "security.protocol": self.security_protocol,
        }
        if self.ca_file is not None:
            options["ssl.ca.location"] = str(self.ca_file)
        if self.cert_file is not None:
            options["ssl.certificate.location"] = str(self.cert_file)
            options["ssl.key.location"] = str(self.key_file)
        if self.uses_sasl():
            options["sasl.mechanism"] = self.sasl_mechanism
            options["sasl.username"] = self.sasl_user
            options["sasl.password"] = self.password()
        return options
