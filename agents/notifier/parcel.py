"""A message as channels take it: rendered, with the ids that let a receiver tell a repeat."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct


class Parcel(Struct, frozen=True, kw_only=True):
    """One rendered message.

    Attributes:
        message_id: of the policy; the same at every attempt.
        recipient: whom it is for; a pseudonym.
        subject, text, html: for people; empty for machines.
        body: for machines: JSON; empty for people.
        thread: the one intervention it is about, so that mail programs show it with what came before. A message about
            several has none: it would tie their threads together.
        answers_url: where a reader can see how to get fewer messages; empty where there is no such page.
    """

    message_id: str
    recipient: str
    subject: str = ""
    text: str = ""
    html: str = ""
    body: bytes = b""
    thread: str | None = None
    answers_url: str = ""


class Sender(Protocol):
    """What every channel can do."""

    @property
    def endpoint(self) -> str:
        """What fails together: a host, not a secret; also a metric label."""

    async def send(self, parcel: Parcel) -> None:
        """Hand the parcel over; returns once it is accepted.

        Raises: TransientError or PermanentError.
        """
