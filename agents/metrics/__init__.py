"""What a worker shows to Prometheus. `catalogue` lists every metric; the other modules fill them in.

Here belongs how a number gets from the engine, the host or ingest to a scrape. What is worth an alert stands in
`deploy/prometheus`, what is worth a look in `deploy/grafana`. What counts facts and interventions rises only when the
transaction that holds them is committed, so that a crash does not count twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from agents.engine import EngineFold
from agents.metrics import catalogue
from agents.metrics.engine import EngineMetrics
from agents.metrics.host import HostMetrics
from agents.metrics.ingest import IngestMetrics
from agents.metrics.making import gauge
from agents.version import VERSION

__all__ = ["Metrics"]


class Metrics:
    """Everything shown by one worker process; hears the host and ingest (`HostObserver`, `IngestObserver`).

    Args:
        folds: the engines by partition, as `agents.engine.engines` keeps them.
        programs: whether each program gets series of its own.
    """

    def __init__(self, folds: Mapping[int, EngineFold], programs: bool = True) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry: Final = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        gauge(self.registry, catalogue.BUILD).labels(VERSION).set(1)
        self.engine: Final = EngineMetrics(self.registry, folds, programs)
        self.host: Final = HostMetrics(self.registry, self.engine)
        self.ingest: Final = IngestMetrics(self.registry)

    def observe_engines(self, is_open: Mapping[int, bool]) -> None:
        """Say which journal partitions are ours, and whether each is open; those that left us show nothing more."""
        self.engine.hold(is_open)
