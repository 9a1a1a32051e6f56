"""From settings to senders: how each line is reached."""

from __future__ import annotations

import ssl

from agents.notifier.channels.addresses import check_url
from agents.notifier.channels.chat import ChatSender
from agents.notifier.channels.email import EmailSender
from agents.notifier.channels.webhook import WebhookSender
from agents.notifier.config import Config, RecipientTable, reader
from agents.notifier.parcel import Sender
from streams.delivery.people import Line


def senders_of(config: Config) -> dict[Line, Sender]:
    """How each line is reached. Raises: ConfigError or PermanentError for what can be known to be wrong now."""
    found: dict[Line, Sender] = {}
    for one in config.recipients:
        found |= _ways(one, config)
    return found


def _ways(one: RecipientTable, config: Config) -> dict[Line, Sender]:
    found: dict[Line, Sender] = {}
    if one.email is not None and config.smtp is not None:
        password = config.smtp.password.read if config.smtp.password is not None else None
        found[one.id, "email"] = EmailSender(one.email.address, config.smtp, password)
    if one.chat is not None:
        found[one.id, "chat"] = ChatSender(one.chat.url.read)
        found[one.id, "chat"].endpoint  # noqa: B018  (its secret can be read)
    if one.webhook is not None:
        check_url(one.webhook.url, config.webhooks.allowed_hosts)
        reader(one.webhook.secrets)()
        found[one.id, "webhook"] = WebhookSender(
            one.webhook.url,
            reader(one.webhook.secrets),
            allowed=config.webhooks.allowed_hosts,
            trusted=config.webhooks.trusted_networks,
            tls=ssl.create_default_context(cafile=str(config.webhooks.ca_file) if config.webhooks.ca_file else None),
            timeout_s=config.webhooks.timeout_s,
        )
    return found
