"""What a person can set: `EBB_*` environment variables over `ebb.toml` over the defaults below.

One flat list of names. In the file, `kafka_ca_file` may also stand as `ca_file` in a table `[kafka]`. A name in the
file that does not exist is an error; in the environment it is not, because a Kubernetes service called `ebb` puts
variables of its own there. What is secret never stands in a setting: it stands in a file, whose path does.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from agents.host.clients import KafkaSettings, SaslMechanism, SecurityProtocol
from schemas.topics import Topics

FILE: Final = "ebb.toml"
ENVIRONMENT: Final = "EBB_"
_KAFKA: Final = "kafka_"


class SettingsError(Exception):
    """Settings that cannot be used. `problems` has a sentence each, naming the place and never repeating the value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


Name = Annotated[str | None, BeforeValidator(lambda value: value or None)]
File = Annotated[Path | None, BeforeValidator(lambda value: value or None)]


class Settings(BaseModel):
    """All settings, checked. Read them with `load`.

    Whom we log in as is left out of `repr`, as are the places of keys and passwords.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    brokers: str = Field("127.0.0.1:9092", description="Kafka brokers, host:port separated by commas.")
    topic_prefix: str = Field("", description="Put before the name of every topic, group and transactional id.")
    data_dir: File = Field(None, description="Where files may be written.")
    host: str = Field("127.0.0.1", description="Address of the port for health and metrics.")
    port: int = Field(9464, ge=0, le=65_535, description="Port for health and metrics; 0 for none.")
    program_metrics: bool = Field(True, description="Whether each program gets series of its own, about 30.")
    clock: Literal["wall", "records"] = Field(
        "wall", description="What moves the engine's clock; `records` for ordered history into an empty cluster."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged.")
    log_format: Literal["auto", "json", "text"] = Field("auto", description="`auto` is text on a terminal, else JSON.")
    linger_ms: int = Field(
        10, ge=0, le=10_000, description="Milliseconds from a commit in which a decision waits for others."
    )
    session_timeout_s: float = Field(10.0, ge=6, le=30, description="How long a silent worker keeps its partitions.")
    instance_id: Annotated[str | None, BeforeValidator(lambda value: value or None)] = Field(
        None,
        pattern=r"^[A-Za-z0-9._-]{1,200}$",
        description="A name of this worker alone: under it, started again, it takes its partitions back at once.",
    )
    rebuild_lost_state: bool = Field(
        False, description="Start once with true where state was lost: folds the journal anew and publishes again."
    )
    recipients_file: Path = Field(
        Path("recipients.toml"), description="Who the notifier can tell, and how: deploy/recipients.example.toml."
    )
    kafka_security_protocol: SecurityProtocol = Field(
        "PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL."
    )
    kafka_ca_file: File = Field(None, description="PEM of the authority that signed the brokers' certificates.")
    kafka_cert_file: File = Field(None, description="PEM of our own certificate.")
    kafka_key_file: File = Field(None, repr=False, description="PEM of its key.")
    kafka_sasl_mechanism: Annotated[SaslMechanism | None, BeforeValidator(lambda value: value or None)] = Field(
        None, description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."
    )
    kafka_sasl_username: Name = Field(None, repr=False, description="Whom we log in as.")
    kafka_sasl_password_file: File = Field(None, repr=False, description="File with the password.")
    kafka_client_id: str = Field("ebb", min_length=1, description="Shown in the brokers' logs and quotas.")
    kafka_fetch_wait_ms: int = Field(100, ge=1, le=5_000, description="How long a broker may hold an empty fetch.")
    kafka_embedded: bool = Field(False, description="The broker is the embedded one, which leaves some questions open.")

    @field_validator("topic_prefix")
    @classmethod
    def _check_prefix(cls, prefix: str) -> str:
        return Topics(prefix).prefix

    @property
    def topics(self) -> Topics:
        """The catalogue under our prefix."""
        return Topics(self.topic_prefix)

    @property
    def kafka(self) -> KafkaSettings:
        """How every client is opened. Raises: SettingsError when the parts do not fit together."""
        try:
            return KafkaSettings(
                brokers=self.brokers,
                security_protocol=self.kafka_security_protocol,
                ca_file=self.kafka_ca_file,
                cert_file=self.kafka_cert_file,
                key_file=self.kafka_key_file,
                sasl_mechanism=self.kafka_sasl_mechanism,
                sasl_user=self.kafka_sasl_username,
                sasl_password_file=self.kafka_sasl_password_file,
                client_id=self.kafka_client_id,
                fetch_wait_ms=self.kafka_fetch_wait_ms,
                embedded=self.kafka_embedded,
            )
        except ValueError as error:
            raise SettingsError([f"Kafka settings: {error}"]) from error


_NAMES: Final = tuple(Settings.model_fields)


def load(environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Settings:
    """Read the settings.

    Args:
        environment: default: that of this process.
        folder: where `ebb.toml` may stand; default: the current one.

    Raises: SettingsError naming every problem.
    """
    environment = os.environ if environment is None else environment
    problems: list[str] = []
    values, where = _from_file((folder or Path.cwd()) / FILE, problems)
    for name in _NAMES:
        variable = ENVIRONMENT + name.upper()
        if variable in environment:
            values[name], where[name] = environment[variable], variable
    if "EBB_KAFKA_SASL_PASSWORD" in environment:
        problems.append(
            "EBB_KAFKA_SASL_PASSWORD is not read: put the password into a file, EBB_KAFKA_SASL_PASSWORD_FILE."
        )
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems += [_sentence(problem, where) for problem in error.errors(include_url=False, include_input=False)]
    if settings is not None:
        problems += _missing_files(settings, where)
        try:
            settings.kafka  # noqa: B018  (checks that its parts fit together)
        except SettingsError as error:
            problems += error.problems
    if problems or settings is None:
        raise SettingsError(problems)
    return settings


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Name variables that look like a misspelt setting of ours, a sentence each."""
    known = {ENVIRONMENT + name.upper() for name in _NAMES}
    found = []
    for variable in sorted(environment):
        if variable.startswith(ENVIRONMENT) and variable not in known:
            near = get_close_matches(variable, known, n=1, cutoff=0.85)
            if near:
                found.append(f"{variable} is no setting, did you mean {near[0]}?")
    return found


def _from_file(path: Path, problems: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    if not path.is_file():
        return {}, {}
    try:
        tree = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problems.append(f"{path} cannot be read: {error}")
        return {}, {}
    values: dict[str, Any] = {}
    where: dict[str, str] = {}
    kafka = tree.pop("kafka", {})
    if not isinstance(kafka, dict):
        problems.append(f"{FILE}: kafka is not a table")
        kafka = {}
    entries = [(name, name, value) for name, value in tree.items()]
    entries += [(f"kafka.{name}", _KAFKA + name, value) for name, value in kafka.items()]
    for shown, name, value in entries:
        if name not in _NAMES:
            near = get_close_matches(name, _NAMES, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(_NAMES)}."
            problems.append(f"{FILE}: {shown} is no setting, {hint}")
        elif name in values:
            problems.append(f"{FILE}: {shown} is set twice.")
        else:
            values[name], where[name] = value, f"{FILE}: {shown}"
    return values, where


def _sentence(problem: Any, where: Mapping[str, str]) -> str:
    name = str(problem["loc"][0]) if problem["loc"] else ""
    place = where.get(name, name)
    if place == "EBB_PORT" and problem["type"] == "int_parsing":
        return "EBB_PORT is no number. (Kubernetes sets it beside a service called ebb: name the service otherwise.)"
    return f"{place}: {problem['msg'].removeprefix('Value error, ')}."


def _missing_files(settings: Settings, where: Mapping[str, str]) -> list[str]:
    names = ("kafka_ca_file", "kafka_cert_file", "kafka_key_file", "kafka_sasl_password_file")
    return [
        f"{where[name]}: there is no such file."
        for name in names
        if getattr(settings, name) is not None and not getattr(settings, name).is_file()
    ]
