"""Chat and everything else that apprise can write to. No ids on the wire: a repeat after a crash may show twice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import apprise

from agents.notifier.outcome import PermanentError, TransientError
from agents.notifier.parcel import Parcel
from agents.notifier.threads import in_thread

# The machine itself, files and programs on it, and plain webhooks, which have a channel of their own with a list of
# hosts: none of these is a chat.
FORBIDDEN: Final = frozenset(
    {"json", "jsons", "xml", "xmls", "form", "forms", "syslog", "dbus", "gnome", "kde", "qt", "glib", "macosx",
     "windows", "file", "exec", "macos"}
)  # fmt: skip
_MOST_TEXT: Final = 3_500


class ChatSender:
    """One chat.

    Args:
        url: reads apprise's URL anew for each message; it holds a secret.
    """

    def __init__(self, url: Callable[[], str], timeout_s: float = 20.0) -> None:
        self._url = url
        self._timeout_s = timeout_s
        # Its log lines may quote what a service answers.
        logging.getLogger("apprise").setLevel(logging.CRITICAL)

    @property
    def endpoint(self) -> str:
        """The kind of service; the rest of the URL is secret."""
        return f"chat-{scheme_of(self._url())}"

    async def send(self, parcel: Parcel) -> None:
        """Hand the text over; apprise says only yes or no."""
        url = self._url()
        if scheme_of(url) in FORBIDDEN:
            raise PermanentError("chat_not_allowed")
        services = apprise.Apprise()
        if not services.add(url):
            raise PermanentError("chat_url_unknown")
        if not all(map(_is_protected, services)):
            raise PermanentError("chat_not_protected")
        text = parcel.text if len(parcel.text) <= _MOST_TEXT else parcel.text[:_MOST_TEXT].rsplit("\n", 1)[0] + "\n…"
        try:
            async with asyncio.timeout(self._timeout_s):
                await in_thread(lambda: _notify(services, parcel.subject, text), "chat")
        except TimeoutError:
            raise TransientError("timeout") from None


def _notify(services: apprise.Apprise, title: str, text: str) -> None:
    if not services.notify(body=text, title=title, body_format=apprise.NotifyFormat.TEXT):
        raise TransientError("chat_refused")


def _is_protected(service: Any) -> bool:
    """Whether what is said is encrypted on its way, to somebody whose certificate is checked.

    Services that know one protocol only, and hosted ones (`mode` is cloud), always use https.
    """
    has_choice = service.protocol is not None and service.secure_protocol is not None
    plain = has_choice and not service.secure and getattr(service, "mode", None) != "cloud"
    return service.verify_certificate and not plain


def scheme_of(url: str) -> str:
    """The scheme of an apprise URL."""
    return url.partition(":")[0].strip().lower()
