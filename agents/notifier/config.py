"""`recipients.toml`: who can be told what, how, and through which servers. Secrets stand in files or the environment.

`deploy/recipients.example.toml` shows every setting.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from agents.notifier.breaker import BreakerSettings
from agents.notifier.channels.addresses import Network
from schemas.base import to_ms
from schemas.ids import Id
from schemas.interventions import Audience, Severity
from schemas.programs import TimeZone
from streams.clock import DAY_MS, HOUR_MS
from streams.delivery.people import Recipient, Way
from streams.delivery.policy import Policy

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_WEEKDAYS: Final[tuple[Weekday, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class ConfigError(Exception):
    """The file cannot be used. `problems` has a sentence each, naming the place and never repeating the value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def _minutes(value: object) -> object:
    if isinstance(value, str) and len(value) == 5 and value[2] == ":" and (value[:2] + value[3:]).isdigit():
        hours, minutes = int(value[:2]), int(value[3:])
        if hours < 24 and minutes < 60:
            return hours * 60 + minutes
    raise ValueError("a time of day is HH:MM")


def _https(url: str) -> str:
    if not url.startswith("https://"):
        raise ValueError("a webhook goes to https only")
    return url


ClockTime = Annotated[int, BeforeValidator(_minutes)]
_Networks = Annotated[tuple[Network, ...], BeforeValidator(lambda names: tuple(map(ipaddress.ip_network, names)))]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Secret(_Table):
    """Where one secret is read: a file, or an environment variable; anew each time, so that both can be rotated."""

    file: Path | None = None
    env: str | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.file is None) == (self.env is None):
            raise ValueError("a secret has a file or an env")
        return self

    def read(self) -> str:
        """The secret. Raises: ConfigError when it is not there."""
        try:
            text = self.file.read_text("utf-8").strip() if self.file is not None else os.environ[self.env or ""]
        except (OSError, KeyError, UnicodeDecodeError):
            text = ""
        if not text:
            raise ConfigError([f"the secret in {self.file or self.env} cannot be read, or is empty"])
        return text


class EmailWay(_Table):
    """A mailbox of a recipient."""

    address: Annotated[str, Field(pattern=r"^[^@\s<>,\r\n]+@[^@\s<>,\r\n]+$", repr=False)]
    floor: Severity = "info"


class ChatWay(_Table):
    """Anything apprise can write to; its URL holds a secret and so is one."""

    url: Secret
    floor: Severity = "info"


class WebhookWay(_Table):
    """A machine. Up to two keys are active, newest first."""

    url: Annotated[str, AfterValidator(_https)]
    secrets: Annotated[tuple[Secret, ...], Field(min_length=1, max_length=2)]
    floor: Severity = "info"


class RecipientTable(_Table):
    """One `[[recipients]]`."""

    id: Id
    timezone: TimeZone = "UTC"
    language: str = "en"
    programs: frozenset[str] = frozenset()
    audiences: frozenset[Audience] = frozenset()
    digest_at: ClockTime = 480
    digest_days: Annotated[frozenset[Weekday], Field(min_length=1)] = frozenset(_WEEKDAYS[:5])
    quiet: tuple[ClockTime, ClockTime] | tuple[()] = (1200, 420)
    per_day: Annotated[int, Field(ge=0)] = 6
    per_week: Annotated[int, Field(ge=0)] = 15
    email: EmailWay | None = None
    chat: ChatWay | None = None
    webhook: WebhookWay | None = None

    @model_validator(mode="after")
    def _quiet_has_an_end(self) -> Self:
        if self.quiet and self.quiet[0] == self.quiet[1]:
            raise ValueError("quiet hours begin and end at different times; [] for none")
        return self

    def recipient(self) -> Recipient:
        """What policy knows of it."""
        ways = [Way("email", "timed", self.email.floor)] if self.email else []
        ways += [Way("chat", "timed", self.chat.floor)] if self.chat else []
        ways += [Way("webhook", "each", self.webhook.floor)] if self.webhook else []
        return Recipient(
            id=self.id,
            ways=tuple(ways),
            timezone=self.timezone,
            language=self.language,
            programs=self.programs,
            audiences=self.audiences,
            digest_minute=self.digest_at,
            digest_weekdays=frozenset(map(_WEEKDAYS.index, self.digest_days)),
            quiet=self.quiet or None,
            per_day=self.per_day,
            per_week=self.per_week,
        )


class PolicyTable(_Table):
    """`[policy]`: the same for everybody."""

    group_wait_s: Annotated[float, Field(ge=0, le=3_600)] = 30
    now_within_h: Annotated[float, Field(gt=0)] = 48
    remind_after_h: Mapping[Severity, float] = {"critical": 0.5, "high": 12, "warning": 48}
    reminders: Annotated[int, Field(ge=0, le=5)] = 2
    give_up_after_d: Annotated[float, Field(gt=0, le=14)] = 3
    queue_limit: Annotated[int, Field(ge=1)] = 1_000
    history_until: AwareDatetime | None = None

    def policy(self, *, replayed: bool) -> Policy:
        """What policy knows of it."""
        return Policy(
            group_wait_ms=int(self.group_wait_s * 1_000),
            now_within_ms=int(self.now_within_h * HOUR_MS),
            remind_after_ms={name: int(hours * HOUR_MS) for name, hours in self.remind_after_h.items()},
            reminders=self.reminders,
            give_up_after_ms=int(self.give_up_after_d * DAY_MS),
            queue_limit=self.queue_limit,
            replayed=replayed,
            history_until_ms=-1 if self.history_until is None else to_ms(self.history_until),
        )


class RetryTable(_Table):
    """`[retry]`: tries in quick succession, and the circuit breaker that rests an endpoint which goes on failing."""

    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    wait_initial_s: Annotated[float, Field(gt=0)] = 1.0
    wait_max_s: Annotated[float, Field(gt=0)] = 15.0
    failures: Annotated[int, Field(ge=1)] = 3
    rest_s: Annotated[float, Field(gt=0)] = 30.0
    rest_max_s: Annotated[float, Field(gt=0)] = 600.0
    at_a_time: Annotated[int, Field(ge=1, le=100)] = 4

    def breaker(self) -> BreakerSettings:
        """The circuit breaker's part."""
        return BreakerSettings(failures=self.failures, open_s=self.rest_s, open_max_s=self.rest_max_s)


class SmtpTable(_Table):
    """`[smtp]`: the mail server that takes our mails."""

    host: str
    port: Annotated[int, Field(ge=1, le=65_535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    ca_file: Path | None = None
    user: str | None = Field(None, repr=False)
    password: Secret | None = None
    sender: Annotated[str, Field(pattern=r"^[^\r\n]*[^@\s<>,]+@[^@\s<>,]+>?$")]
    unsubscribe: Annotated[str, Field(pattern=r"^(mailto:|https://)[^\s<>]+$")]
    timeout_s: Annotated[float, Field(gt=0, le=120)] = 20.0


class WebhooksTable(_Table):
    """`[webhooks]`: where webhooks may go."""

    allowed_hosts: frozenset[str] = frozenset()
    trusted_networks: _Networks = ()
    ca_file: Path | None = None
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 10.0


class AnswersTable(_Table):
    """`[answers]`: the pages behind links in mails. Up to two keys are active, newest first."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s?#]+$")]
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 9_465
    keys: Annotated[tuple[Secret, ...], Field(min_length=1, max_length=2)]
    valid_days: Annotated[int, Field(ge=1, le=21)] = 14


class Config(_Table):
    """The whole file."""

    policy: PolicyTable = PolicyTable()
    retry: RetryTable = RetryTable()
    smtp: SmtpTable | None = None
    webhooks: WebhooksTable = WebhooksTable()
    answers: AnswersTable | None = None
    recipients: tuple[RecipientTable, ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        names = [one.id for one in self.recipients]
        if len(set(names)) < len(names):
            raise ValueError("a recipient stands there twice")
        if self.smtp is None and any(one.email for one in self.recipients):
            raise ValueError("a recipient has an e-mail address but there is no [smtp]")
        return self


def load(path: Path) -> Config:
    """Read the file. Raises: ConfigError naming every problem."""
    try:
        tree = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError([f"{path} cannot be read: {error.strerror}"]) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError([f"{path} is not TOML: {error}"]) from error
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(
            [_sentence(path, one) for one in error.errors(include_url=False, include_input=False)]
        ) from error


def reader(secrets: Sequence[Secret]) -> Callable[[], list[str]]:
    """Make a function that reads secrets anew."""
    return lambda: [secret.read() for secret in secrets]


def _sentence(path: Path, problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"]) or "the file"
    return f"{path.name}: {place}: {problem['msg'].removeprefix('Value error, ')}."
