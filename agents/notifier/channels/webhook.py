"""Webhooks by the Standard Webhooks scheme: `webhook-id`, `webhook-timestamp`, and a signature for each active key.

The id is the delivery's own, the same at each attempt, so a receiver that keeps ids it has seen takes each record once.
Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp
from standardwebhooks import Webhook

from agents.notifier.channels.addresses import Lookup, Network, Pinned, addresses_of, check_url
from agents.notifier.outcome import PermanentError, TransientError
from agents.notifier.parcel import Parcel
from agents.version import VERSION

MOST_BODY: Final = 256 * 1024
MOST_ANSWER: Final = 64 * 1024
MOST_RETRY_AFTER_S: Final = 3_600.0
_TRANSIENT: Final = frozenset({408, 425, 429})


def webhook_id(message_id: str) -> str:
    """Make the id on the wire. A full stop parts id, time and body in what is signed, so an id must not have one."""
    return message_id.replace(".", "%2E")


class WebhookSender:
    """One target.

    Args:
        secrets: reads the active keys, newest first; each signs, so that a receiver may know either.
        allowed: hosts, see `addresses.check_url`.
        trusted: networks that may be reached although they are not public.
        tls: verifies the target.
    """

    def __init__(
        self,
        url: str,
        secrets: Callable[[], Sequence[str]],
        *,
        allowed: frozenset[str],
        trusted: Sequence[Network] = (),
        tls: ssl.SSLContext | None = None,
        timeout_s: float = 10.0,
        lookup: Lookup | None = None,
    ) -> None:
        self._url = url
        self._secrets = secrets
        self._allowed = allowed
        self._trusted = trusted
        self._tls = tls or ssl.create_default_context()
        self._timeout_s = timeout_s
        self._lookup = lookup

    @property
    def endpoint(self) -> str:
        """The host and port."""
        host, port = check_url(self._url, self._allowed)
        return f"{host}:{port}"

    async def send(self, parcel: Parcel) -> None:
        """POST the body; any 2xx is acceptance."""
        if len(parcel.body) > MOST_BODY:
            raise PermanentError("too_large")
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._post(parcel)
        except TimeoutError:
            raise TransientError("timeout") from None
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, ssl.SSLError):
            raise TransientError("tls") from None
        except aiohttp.ServerDisconnectedError:
            raise TransientError("disconnected") from None
        except (aiohttp.ClientConnectorError, ConnectionError):
            raise TransientError("not_reachable") from None
        except (aiohttp.ClientError, OSError):
            raise TransientError("broken_answer") from None

    async def _post(self, parcel: Parcel) -> None:
        host, port = check_url(self._url, self._allowed)
        addresses = await addresses_of(host, port, self._trusted, self._lookup)
        connector = aiohttp.TCPConnector(resolver=Pinned(host, addresses), ssl=self._tls, force_close=True)
        # No proxy from the environment, no cookies, nothing kept from one delivery to the next.
        async with (
            aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False) as client,
            client.post(self._url, data=parcel.body, headers=self._headers(parcel), allow_redirects=False) as answer,
        ):
            status, after = answer.status, answer.headers.get("Retry-After")
            if 200 <= status < 300:
                return  # what it says beside is not read: neither needed nor trusted
            await answer.content.read(MOST_ANSWER)
        if 300 <= status < 400:
            raise PermanentError("redirect")
        if status in _TRANSIENT or status >= 500:
            reason = "too_many_requests" if status == 429 else "server_error"
            raise TransientError(reason, retry_after(after, time.time()))
        raise PermanentError("gone" if status == 410 else "refused")

    def _headers(self, parcel: Parcel) -> dict[str, str]:
        name, now = webhook_id(parcel.message_id), datetime.now(UTC)
        signatures = [Webhook(secret).sign(name, now, parcel.body.decode()) for secret in self._secrets()]
        if not signatures:
            raise PermanentError("no_secret")
        return {
            "content-type": "application/json",
            "user-agent": f"ebb/{VERSION}",
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }


def retry_after(text: str | None, now_s: float) -> float | None:
    """Read `Retry-After`, seconds or a date, as seconds from now; at most an hour. None when it says nothing usable."""
    if text is None:
        return None
    try:
        wait_s = float(int(text))
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        wait_s = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now_s
    return min(max(wait_s, 0.0), MOST_RETRY_AFTER_S)
