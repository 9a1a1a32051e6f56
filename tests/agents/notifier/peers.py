"""The other side, real and of bad character: an HTTPS receiver, a mail server, a chat, and certificates."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.ports import free_port

Answer = Callable[[web.Request, bytes], Any]


def expired_certificate(folder: Path) -> Path:
    """Let the authority of `make_certificates` sign a certificate that ended yesterday; returns key and chain."""
    out = folder / "expired.pem"
    common = ["-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-extfile", folder / "server.ext"]
    command = ["openssl", "x509", "-req", "-in", folder / "server.csr", *common, "-set_serial", "77"]
    made = subprocess.run(
        [str(part) for part in [*command, "-days", "-1", "-out", folder / "expired.crt"]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    out.write_text((folder / "server.key").read_text() + (folder / "expired.crt").read_text())
    return out


class Receiver:
    """An HTTPS receiver that keeps ids it has seen, as Standard Webhooks asks of receivers.

    Attributes:
        seen: how often each `webhook-id` came.
        taken: bodies in the order in which their ids came first.
        behave: what to do with a request: a status, a response, or an exception; None accepts.
    """

    def __init__(self, certificate: Path) -> None:
        self.seen: Counter[str] = Counter()
        self.taken: list[dict[str, Any]] = []
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.behave: Answer | None = None
        self.port = free_port()
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(str(certificate))
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/hook"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._tls, reuse_address=True).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests.append(({name.lower(): text for name, text in request.headers.items()}, body))
        if self.behave is not None:
            answer = self.behave(request, body)
            if asyncio.iscoroutine(answer):
                answer = await answer
            if isinstance(answer, web.StreamResponse):
                return answer
            if isinstance(answer, int):
                return web.Response(status=answer)
        name = request.headers.get("webhook-id", "")
        self.seen[name] += 1
        if self.seen[name] == 1:
            self.taken.append(json.loads(body))
        return web.Response(status=204)


def drop(request: web.Request, _body: bytes) -> web.Response:
    """Read everything, then hang up without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response(status=200)


async def hang(_request: web.Request, _body: bytes) -> int:
    """Read everything, then say nothing for a minute."""
    await asyncio.sleep(60)
    return 200


@asynccontextmanager
async def receiver(certificate: Path) -> AsyncIterator[Receiver]:
    """A receiver that runs."""
    one = Receiver(certificate)
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


class MailServer:
    """A mail server; `refuse` makes its answer to RCPT or DATA.

    Attributes:
        mails: (recipients, content) as accepted.
    """

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], bytes]] = []
        self.refuse_recipient: str | None = None
        self.refuse_data: str | None = None
        self.port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.refuse_recipient is not None:
            return self.refuse_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.refuse_data is not None:
            return self.refuse_data
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append((list(envelope.rcpt_tos), content))
        return "250 Message accepted for delivery"

    def __enter__(self) -> MailServer:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()
