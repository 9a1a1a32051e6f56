"""The notifier's numbers (`agents.metrics.catalogue`); no label names a recipient, a pair or a person."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, disable_created_metrics

from agents.metrics import catalogue
from agents.metrics.making import counter, gauge, histogram
from agents.version import VERSION
from streams.delivery.entries import Entry

_CHANNELS: Final = ("email", "chat", "webhook")


class NotifierMetrics:
    """Everything counted in one notifier process; counts rise once the rows they count are durable."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry: Final = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        gauge(self.registry, catalogue.BUILD).labels(VERSION).set(1)
        self._rows = counter(self.registry, catalogue.DELIVERIES)
        self._failed = counter(self.registry, catalogue.DELIVERY_DEAD_LETTERS)
        self.send_seconds = histogram(self.registry, catalogue.DELIVERY_SECONDS)
        self.unknown = counter(self.registry, catalogue.DELIVERY_UNKNOWN)
        self.waiting = gauge(self.registry, catalogue.DELIVERIES_WAITING)
        self.resting = gauge(self.registry, catalogue.ENDPOINT_RESTING)
        self.working = gauge(self.registry, catalogue.NOTIFIER_WORKING)
        self.refused = gauge(self.registry, catalogue.NOTIFIER_REFUSED)
        self.lag = gauge(self.registry, catalogue.NOTIFIER_LAG)
        self.open_cases = gauge(self.registry, catalogue.NOTIFIER_OPEN)
        for channel in _CHANNELS:  # at zero, because the first increase of a series that was not there is not seen
            self._failed.labels(channel)

    def written(self, rows: Iterable[Entry]) -> None:
        """Count rows that are durable."""
        for entry in rows:
            self._rows.labels(entry.channel, entry.state, entry.reason or "").inc()
            if entry.state == "failed":
                self._failed.labels(entry.channel).inc()
