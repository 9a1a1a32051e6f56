"""What lanes do (`agents.host.observer.HostObserver`)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from agents.metrics import catalogue
from agents.metrics.engine import EngineMetrics
from agents.metrics.making import counter, histogram


class HostMetrics:
    """Hears the host, and tells the engine's metrics of each commit."""

    def __init__(self, registry: CollectorRegistry, engine: EngineMetrics) -> None:
        self._engine = engine
        self._commits = counter(registry, catalogue.COMMITS)
        self._seconds = histogram(registry, catalogue.COMMIT_SECONDS)
        self._entries = histogram(registry, catalogue.COMMIT_ENTRIES)
        self._rows = counter(registry, catalogue.STATE_ROWS)
        self._recovery = histogram(registry, catalogue.RECOVERY_SECONDS)
        self._recovered = counter(registry, catalogue.RECOVERED_ROWS)
        self._fenced = counter(registry, catalogue.FENCED)
        self._healed = counter(registry, catalogue.HEALS)

    def recovered(self, partition: int, rows: int, seconds: float) -> None:  # noqa: ARG002
        self._recovery.observe(seconds)
        self._recovered.inc(rows)

    def committed(self, partition: int, entries: int, rows: int, interventions: int, seconds: float) -> None:  # noqa: ARG002
        self._commits.inc()
        self._seconds.observe(seconds)
        self._entries.observe(entries)
        self._rows.inc(rows)
        self._engine.committed(partition)

    def fenced(self, partition: int) -> None:  # noqa: ARG002
        self._fenced.inc()

    def healed(self, partition: int, reason: str) -> None:  # noqa: ARG002
        self._healed.labels(reason).inc()

    def lag(self, partition: int, entries: int) -> None:
        self._engine.lag(partition, entries)
