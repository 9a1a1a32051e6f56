"""Signed links: who may answer what, once, until when. The link is the permission, so it says no more than needed.

A token is `payload.signature`, both base64url. Its id becomes the `event_id` of the answer, so that two presses of one
button are one event for the engine, too.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from hashlib import blake2b, sha256
from typing import Final, Literal

import msgspec
from msgspec import Struct

Purpose = Literal["ack", "snooze", "false_alarm", "done"]
PURPOSES: Final[tuple[Purpose, ...]] = ("ack", "snooze", "false_alarm", "done")
EVENT_PREFIX: Final = "answer:"
_LEAST_KEY: Final = 16
_LONGEST: Final = 2_000


class Grant(Struct, frozen=True, array_like=True):
    """What a link permits.

    Attributes:
        actor: who answers; a pseudonym.
        message: the message the link stood in: the same question asked again may be answered again.
        until_s: when it ends, in seconds since 1970.
    """

    purpose: Purpose
    intervention_id: str
    program_id: str
    actor: str
    message: str
    until_s: int

    @property
    def event_id(self) -> str:
        """Id of the answer this link can give."""
        what = "\x00".join((self.purpose, self.intervention_id, self.program_id, self.actor, self.message))
        return EVENT_PREFIX + blake2b(what.encode(), digest_size=16).hexdigest()


class LinkError(Exception):
    """A token is not ours (`bad`), or too old (`expired`)."""

    def __init__(self, why: Literal["bad", "expired"]) -> None:
        super().__init__(why)
        self.why = why


_DECODER: Final = msgspec.json.Decoder(Grant)


def sign(grant: Grant, keys: Callable[[], Sequence[str]]) -> str:
    """Make a token with the newest key."""
    payload = msgspec.json.encode(grant)
    return f"{_text(payload)}.{_text(_signature(payload, keys()[0]))}"


def verify(token: str, keys: Callable[[], Sequence[str]], now_s: float) -> Grant:
    """Read a token that any active key has signed. Raises: LinkError."""
    if len(token) > _LONGEST:
        raise LinkError("bad")
    try:
        payload, signature = (urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split("."))
    except (ValueError, UnicodeEncodeError):
        raise LinkError("bad") from None
    if not any(hmac.compare_digest(signature, _signature(payload, key)) for key in keys()):
        raise LinkError("bad")
    try:
        grant = _DECODER.decode(payload)
    except msgspec.DecodeError:
        raise LinkError("bad") from None
    if now_s >= grant.until_s:
        raise LinkError("expired")
    return grant


def check_key(key: str) -> None:
    """Raises: ValueError for a key that could be guessed."""
    if len(key) < _LEAST_KEY:
        raise ValueError(f"a key for answer links has at least {_LEAST_KEY} characters")


def _signature(payload: bytes, key: str) -> bytes:
    return hmac.new(key.encode(), b"ebb-answer\x00" + payload, sha256).digest()


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
