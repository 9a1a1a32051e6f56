"""What ingest does (`agents.ingest.observer.IngestObserver`)."""

from __future__ import annotations

from typing import get_args

from prometheus_client import CollectorRegistry

from agents.ingest.merge import Source
from agents.metrics import catalogue
from agents.metrics.making import counter, gauge, histogram
from schemas.rejections import Reason
from schemas.topics import INBOUND


class IngestMetrics:
    """Hears ingest. Gauges of a source that is no longer ours are gone until it says something again."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._forwarded = counter(registry, catalogue.INGESTED)
        self._dead = counter(registry, catalogue.DEAD_LETTERS)
        self._repeated = counter(registry, catalogue.REPEATED_RECORDS)
        self._progress = gauge(registry, catalogue.SOURCE_PROGRESS)
        self._lag = gauge(registry, catalogue.INGEST_LAG)
        self._red = gauge(registry, catalogue.SOURCE_STOPPED)
        self._units = histogram(registry, catalogue.UNIT_RECORDS)
        self._seconds = histogram(registry, catalogue.UNIT_SECONDS)
        for topic in INBOUND:  # at zero, because the first increase of a series that was not there is not seen
            self._forwarded.labels(topic)
            self._repeated.labels(topic)
            for reason in get_args(Reason):
                self._dead.labels(topic, reason)

    def forwarded(self, topic: str, records: int) -> None:
        self._forwarded.labels(topic).inc(records)

    def dead_letter(self, topic: str, reason: str) -> None:
        self._dead.labels(topic, reason).inc()

    def repeated(self, topic: str, records: int) -> None:
        self._repeated.labels(topic).inc(records)

    def progress(self, source: Source, at_ms: int) -> None:
        self._progress.labels(source.topic, source.partition).set(at_ms / 1_000)

    def lag(self, source: Source, records: int) -> None:
        self._lag.labels(source.topic, source.partition).set(records)

    def red(self, source: Source, reason: str | None) -> None:
        """A source stopped; or it goes on, perhaps at another worker: then forget it until it speaks up."""
        if reason is not None:
            self._red.labels(source.topic, source.partition).set(1)
            return
        labels = (source.topic, str(source.partition))
        for gauged in (self._progress, self._lag, self._red):
            if labels in gauged._metrics:
                gauged.remove(*labels)

    def unit(self, records: int, seconds: float) -> None:
        self._units.observe(records)
        self._seconds.observe(seconds)
