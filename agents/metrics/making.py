"""From the catalogue to prometheus-client: the one place where a metric is made, so that none exists beside it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from agents.metrics.catalogue import Metric


def counter(registry: CollectorRegistry, metric: Metric) -> Counter:
    """Make a catalogued counter."""
    assert metric.kind == "counter", metric.name
    return Counter(metric.name, f"{metric.about}.", metric.labels, registry=registry)


def gauge(registry: CollectorRegistry, metric: Metric) -> Gauge:
    """Make a catalogued gauge."""
    assert metric.kind == "gauge", metric.name
    return Gauge(metric.name, f"{metric.about}.", metric.labels, registry=registry)


def histogram(registry: CollectorRegistry, metric: Metric) -> Histogram:
    """Make a catalogued histogram."""
    assert metric.kind == "histogram", metric.name
    return Histogram(metric.name, f"{metric.about}.", metric.labels, registry=registry, buckets=metric.buckets)
