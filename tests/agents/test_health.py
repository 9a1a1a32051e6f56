"""The port for health and metrics, and the metrics on it."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from agents.health import Health, Report
from agents.host.process import Refusal


class _Served:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.report = Report(ready=True, reasons=[], lag={"ingest": 0}, positions={0: 7})
        self.refreshed = 0
        self.health = Health(lambda: self.report, self.registry, self.refresh)
        self.address = ""

    def refresh(self) -> None:
        self.refreshed += 1


@pytest.fixture
async def served() -> AsyncIterator[_Served]:
    served = _Served()
    served.address = await served.health.start("127.0.0.1", 0)
    yield served
    await served.health.stop()


async def _get(served: _Served, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://{served.address}{path}") as answer:
        return answer.status, await answer.text()


async def test_a_worker_that_answers_is_alive(served: _Served) -> None:
    assert await _get(served, "/livez") == (200, '{"live":true}')


async def test_a_worker_without_complaints_is_ready(served: _Served) -> None:
    status, body = await _get(served, "/readyz")
    assert (status, body) == (200, '{"ready":true,"reasons":[],"lag":{"ingest":0},"positions":{"0":7}}')


async def test_a_worker_with_a_complaint_is_not_ready_and_says_why_and_still_alive(served: _Served) -> None:
    served.report = Report(ready=False, reasons=["ratings/0 stopped"], lag={}, positions={})
    status, body = await _get(served, "/readyz")
    assert status == 503
    assert '"reasons":["ratings/0 stopped"]' in body
    assert (await _get(served, "/livez"))[0] == 200


async def test_metrics_are_brought_up_to_date_when_asked_for(served: _Served) -> None:
    Counter("ebb_things_total", "Things.", registry=served.registry).inc(3)
    status, body = await _get(served, "/metrics")
    assert (status, served.refreshed) == (200, 1)
    assert "ebb_things_total 3.0" in body


async def test_other_paths_and_methods_are_refused(served: _Served) -> None:
    assert (await _get(served, "/tables"))[0] == 404
    async with aiohttp.ClientSession() as session, session.post(f"http://{served.address}/readyz") as answer:
        assert answer.status == 405


async def test_a_port_that_is_taken_is_refused_with_a_sentence(served: _Served) -> None:
    port = int(served.address.rpartition(":")[2])
    with pytest.raises(Refusal, match="Set EBB_PORT"):
        await Health(lambda: served.report, served.registry).start("127.0.0.1", port)
