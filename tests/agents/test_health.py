"""The port for health and metrics, and the metrics on it."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from agents.engine import EngineFold, engines
from agents.health import Health, Report
from agents.host.process import Refusal
from agents.ingest.merge import Source
from agents.metrics import Metrics
from tests.agents.worker_samples import FACTS, entries


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


def _value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def _working(fold: EngineFold) -> None:
    for offset, value in enumerate(entries()):
        assert fold.apply(offset, value)


def test_facts_and_interventions_are_counted_only_after_the_commit() -> None:
    fold_of, folds = engines("")
    metrics, fold = Metrics(folds), fold_of(3)
    _working(fold)
    fold.flush()
    assert _value(metrics, "ebb_facts_total", topic="ratings") is None
    metrics.host.committed(3, 5, 4, 1, 0.01)
    metrics.host.committed(3, 0, 0, 0, 0.01)
    ratings = sum(topic == "ratings" for topic, _ in FACTS)
    assert _value(metrics, "ebb_facts_total", topic="ratings") == ratings
    assert _value(metrics, "ebb_commits_total") == 2
    name = "ebb_interventions_total"
    assert _value(metrics, name, rule="rating.low", severity="high", change="opened") == 1


def test_a_lane_opened_anew_is_counted_from_nothing() -> None:
    fold_of, folds = engines("")
    metrics = Metrics(folds)
    for _ in range(2):
        fold = fold_of(3)
        _working(fold)
        fold.flush()
        metrics.host.committed(3, 5, 4, 1, 0.01)
    ratings = sum(topic == "ratings" for topic, _ in FACTS)
    assert _value(metrics, "ebb_facts_total", topic="ratings") == 2 * ratings


def test_gauges_of_a_partition_that_left_are_gone() -> None:
    fold_of, folds = engines("")
    metrics = Metrics(folds)
    _working(fold_of(3))
    metrics.observe_engines(frozenset({3}))
    assert _value(metrics, "ebb_clock_age_seconds", partition="3") is not None
    metrics.observe_engines(frozenset())
    assert _value(metrics, "ebb_clock_age_seconds", partition="3") is None


def test_no_metric_has_a_label_for_people_and_all_names_follow_the_rules() -> None:
    fold_of, folds = engines("")
    metrics, fold = Metrics(folds), fold_of(0)
    _working(fold)
    fold.flush()
    metrics.host.committed(0, 5, 4, 1, 0.01)
    metrics.host.recovered(0, 3, 0.1)
    metrics.host.healed(0, "hole")
    metrics.ingest.dead_letter("ratings", "not_json")
    metrics.ingest.red(Source("ratings", 0), "bad")
    metrics.observe_engines(frozenset({0}))
    allowed = {"rule", "severity", "change", "topic", "reason", "partition", "version", "le"}
    ours = [family for family in metrics.registry.collect() if family.name.startswith("ebb_")]
    assert len(ours) > 20
    for family in ours:
        assert family.documentation
        for sample in family.samples:
            assert set(sample.labels) <= allowed
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples)
        if family.type == "histogram":
            assert family.name.endswith(("_seconds", "_entries", "_records"))
