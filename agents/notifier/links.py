"""Signed links: who may answer what, once, until when. The link is the permission, so it says no more than needed.

A token is payload and signature, base64url, short because plain mails show it. Its id becomes the `event_id` of the
answer, so that two presses of one button are one event for the engine, too.
"""

from __future__ import annotations

import hmac
import re
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
_HEX: Final = re.compile(r"([0-9a-f]{2})+")


class Grant(Struct, frozen=True):
    """What a link permits.

    Attributes:
        actor: who answers; a pseudonym.
        message: the message the link stood in (`question`): the same question asked again may be answered again.
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


_DECODER: Final = msgspec.msgpack.Decoder(tuple[int, bool, bytes, str, str, str, int])
_SIGNED: Final = 16
"""Bytes of a signature: nobody can try 2^128 links."""


def question(message_id: str) -> str:
    """A short name for a message."""
    return blake2b(message_id.encode(), digest_size=6).hexdigest()


def sign(grant: Grant, keys: Callable[[], Sequence[str]]) -> str:
    """Make a token with the newest key."""
    payload = _payload(grant)
    return _text(payload + _signature(payload, keys()[0]))


def verify(token: str, keys: Callable[[], Sequence[str]], now_s: float) -> Grant:
    """Read a token that any active key has signed. Raises: LinkError."""
    if len(token) > _LONGEST:
        raise LinkError("bad")
    try:
        data = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        raise LinkError("bad") from None
    payload, signature = data[:-_SIGNED], data[-_SIGNED:]
    if not any(hmac.compare_digest(signature, _signature(payload, key)) for key in keys()):
        raise LinkError("bad")
    try:
        number, is_hex, name, program, actor, message, until_s = _DECODER.decode(payload)
        intervention_id = name.hex() if is_hex else name.decode()
        grant = Grant(PURPOSES[number], intervention_id, program, actor, message, until_s)
    except (msgspec.DecodeError, IndexError, UnicodeDecodeError):
        raise LinkError("bad") from None
    if _text(data) != token:  # base64 has more than one way to write the same bytes
        raise LinkError("bad")
    if now_s >= grant.until_s:
        raise LinkError("expired")
    return grant


def _payload(grant: Grant) -> bytes:
    is_hex = _HEX.fullmatch(grant.intervention_id) is not None  # the engine's ids are; half as long
    name = bytes.fromhex(grant.intervention_id) if is_hex else grant.intervention_id.encode()
    parts = (PURPOSES.index(grant.purpose), is_hex, name, grant.program_id, grant.actor, grant.message, grant.until_s)
    return msgspec.msgpack.encode(parts)


def check_key(key: str) -> None:
    """Raises: ValueError for a key that could be guessed."""
    if len(key) < _LEAST_KEY:
        raise ValueError(f"a key for answer links has at least {_LEAST_KEY} characters")


def _signature(payload: bytes, key: str) -> bytes:
    return hmac.new(key.encode(), b"ebb-answer\x00" + payload, sha256).digest()[:_SIGNED]


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
