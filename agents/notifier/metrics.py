"""The notifier's numbers. Labels: channel, state, reason, endpoint; never a recipient, a pair or a person."""

from __future__ import annotations

from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from streams.delivery.entries import Entry

_SECONDS: Final = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30)


class NotifierMetrics:
    """Everything counted in one notifier process; counts rise once the rows they count are durable."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry: Final = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._rows = Counter(
            "ebb_deliveries_total",
            "Rows written to deliveries: decisions, attempts, outcomes.",
            ("channel", "state", "reason"),
            registry=self.registry,
        )
        self.resent = Counter(
            "ebb_delivery_resends_total",
            "Attempts after one whose outcome nobody knows, because a notifier ended in between.",
            ("channel",),
            registry=self.registry,
        )
        self.send_seconds = Histogram(
            "ebb_delivery_send_seconds", "One attempt.", ("channel",), registry=self.registry, buckets=_SECONDS
        )
        self.resting = Gauge(
            "ebb_delivery_endpoint_resting",
            "1 while the circuit breaker of an endpoint is open.",
            ("endpoint",),
            registry=self.registry,
        )
        self.open_cases = Gauge(
            "ebb_notifier_open_interventions",
            "Interventions that are open or still to be told.",
            registry=self.registry,
        )
        self.waiting = Gauge(
            "ebb_deliveries_waiting", "Deliveries that wait, by kind of way.", ("channel",), registry=self.registry
        )
        self.working = Gauge(
            "ebb_notifier_working", "1 for the notifier that works, 0 in reserve.", registry=self.registry
        )
        self.lag = Gauge("ebb_notifier_lag_records", "Intervention records not decided on yet.", registry=self.registry)
        self.failed = Counter(
            "ebb_delivery_dead_letters_total",
            "Deliveries given up for good; each is a dead letter, and somebody has to look.",
            ("channel", "reason"),
            registry=self.registry,
        )

    def written(self, rows: list[Entry]) -> None:
        """Count rows that are durable."""
        for entry in rows:
            self._rows.labels(entry.channel, entry.state, entry.reason or "").inc()
            if entry.state == "failed":
                self.failed.labels(entry.channel, entry.reason or "").inc()
