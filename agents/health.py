"""The one port a worker opens: `/livez`, `/readyz` and `/metrics`, on loopback unless told otherwise.

Alive is a process whose event loop answers. Ready is one that has nothing to complain about; `/readyz` says what, in
sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from agents.host.process import Refusal


class Report(msgspec.Struct, frozen=True):
    """What `/readyz` answers.

    Attributes:
        reasons: what keeps the worker from being ready, a sentence each.
        lag: how far it is behind, by app: records for `ingest`, journal entries for `engine`.
        positions: next journal entry to be applied, by journal partition worked on.
    """

    ready: bool
    reasons: list[str]
    lag: Mapping[str, int]
    positions: Mapping[int, int]


_JSON: Final = "application/json"


class Health:
    """Serves what it is given.

    Args:
        report: makes the answer of `/readyz`; called at each request.
        registry: the metrics.
        refresh: called before each answer of `/metrics`.
    """

    def __init__(
        self, report: Callable[[], Report], registry: CollectorRegistry, refresh: Callable[[], None] = lambda: None
    ) -> None:
        self._report = report
        self._registry = registry
        self._refresh = refresh
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> str:
        """Open the port (0: any free one). Returns its address, `host:port`.

        Raises: Refusal when it is taken or not ours to open.
        """
        app = web.Application()
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            await runner.cleanup()
            raise Refusal(
                f"The port {host}:{port} for health and metrics cannot be opened ({error.strerror}). "
                "Set EBB_PORT to a free one, or to 0 for none."
            ) from error
        self._runner = runner
        address = runner.addresses[0]
        return f"{address[0]}:{address[1]}"

    async def stop(self) -> None:
        """Close the port; does nothing when it is not open."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _livez(self, _request: web.Request) -> web.Response:
        return web.Response(body=b'{"live":true}', content_type=_JSON)

    async def _readyz(self, _request: web.Request) -> web.Response:
        report = self._report()
        body = msgspec.json.encode(report)
        return web.Response(body=body, status=200 if report.ready else 503, content_type=_JSON)

    async def _metrics(self, _request: web.Request) -> web.Response:
        self._refresh()
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
