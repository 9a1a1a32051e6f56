"""Chat and everything else that apprise can write to. No ids on the wire: a repeat after a crash may show twice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

import apprise

from agents.notifier.outcome import PermanentError, TransientError
from agents.notifier.parcel import Parcel

# Plain http, the machine itself, or files and programs on it: none of these is a chat.
FORBIDDEN: Final = frozenset(
    {
        "json",
        "xml",
        "form",
        "syslog",
        "dbus",
        "gnome",
        "kde",
        "qt",
        "glib",
        "macosx",
        "windows",
        "file",
        "exec",
        "macos",
    }
)
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
        text = parcel.text if len(parcel.text) <= _MOST_TEXT else parcel.text[:_MOST_TEXT].rsplit("\n", 1)[0] + "\n…"
        try:
            async with asyncio.timeout(self._timeout_s):
                accepted = await asyncio.to_thread(
                    services.notify, body=text, title=parcel.subject, body_format=apprise.NotifyFormat.TEXT
                )
        except TimeoutError:
            raise TransientError("timeout") from None
        if not accepted:
            raise TransientError("chat_refused")


def scheme_of(url: str) -> str:
    """The scheme of an apprise URL, without a secure variant's `s` where the plain one is forbidden too."""
    return url.partition(":")[0].strip().lower()
