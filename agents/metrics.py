"""The metric catalogue: every number a worker shows, with its labels, in base units.

Labels are rule, severity, change, topic, reason, and the number of a partition: never a pair or a person. What counts
facts and interventions rises only when the transaction that holds them is committed, so that a crash does not count
twice.
"""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Mapping
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from agents.engine import EngineFold
from agents.ingest.merge import Source
from agents.version import VERSION

_BATCHES: Final = (1, 10, 100, 1_000, 10_000, 100_000)
_SHORT_S: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_LONG_S: Final = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)

#: name in `Engine.state.counts` → metric, and the label its second part is
_ENGINE_COUNTS: Final = {
    "facts": ("facts", "Facts applied", "topic"),
    "duplicates": ("duplicate_facts", "Facts recognised as repeats by their producer, and left out", "topic"),
    "late": ("late_facts", "Facts that arrived more than a day after they happened; applied all the same", "topic"),
    "erased": ("erased_facts", "Facts dropped because they name an erased participant", "topic"),
    "faults": ("rule_faults", "Exceptions in a rule or a fold: recorded, that rule skipped for that entry", "rule"),
    "repeats_by_ingest": ("repeated_entries", "Journal entries recognised as repeats by ingest", None),
    "activations": ("ruleset_activations", "Rule-set activations read, once by each journal partition", None),
    "provisional_dropped": ("dropped_provisional_pairs", "Pairs dropped because nobody ever said what they are", None),
    "ignored_actions": ("ignored_actions", "Coordinators' actions that named nothing we know", None),
}


class Metrics:
    """Everything counted in one worker process; hears the host and ingest (`HostObserver`, `IngestObserver`).

    Args:
        folds: the engines by partition, as `agents.engine.engines` keeps them.
    """

    def __init__(self, folds: Mapping[int, EngineFold]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry: Final = CollectorRegistry()
        self._folds = folds
        self._told: dict[int, tuple[EngineFold, Tally[tuple[str, ...]]]] = {}
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._gauge("build_info", "Always 1; its label says which version runs", "version").labels(VERSION).set(1)
        self._by_name = {
            name: self._count(metric, about, *([label] if label else []))
            for name, (metric, about, label) in _ENGINE_COUNTS.items()
        }
        self.host = HostMetrics(self)
        self.ingest = IngestMetrics(self)
        self._interventions = self._count("interventions", "Intervention records", "rule", "severity", "change")
        self._clock = self._gauge(
            "clock_age_seconds",
            "How far the engine's clock is behind the wall clock; absent while undefined",
            "partition",
        )
        self._timers = self._gauge("timers", "Entries in the timer heap", "partition")

    def committed(self, partition: int) -> None:
        """Count what a partition's engine has done up to the commit that just succeeded."""
        fold = self._folds.get(partition)
        if fold is None:
            return
        before = self._told.get(partition)
        told = before[1] if before is not None and before[0] is fold else Tally()
        state = fold.engine.state
        for key, count in state.counts.items():
            news = count - told[key]
            counter = self._by_name.get(key[0])
            if news > 0 and counter is not None:
                (counter.labels(*key[1:]) if len(key) > 1 else counter).inc(news)
        self._told[partition] = (fold, Tally(state.counts))
        decided, fold.decided = fold.decided, Tally()
        for what, count in decided.items():
            self._interventions.labels(*what).inc(count)

    def observe_engines(self, open_partitions: frozenset[int]) -> None:
        """Bring the gauges up to date; partitions that left us lose theirs."""
        for gauge in (self._clock, self._timers, self.host.lag_entries):
            for labels in list(gauge._metrics):
                if int(labels[0]) not in open_partitions:
                    gauge.remove(*labels)
        for partition in open_partitions:
            fold = self._folds.get(partition)
            if fold is not None:
                state = fold.engine.state
                self._timers.labels(partition).set(len(state.timers))
                if state.clock.now_ms >= 0:
                    self._clock.labels(partition).set(time.time() - state.clock.now_ms / 1_000)

    def _count(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"ebb_{name}_total", f"{about}.", labels, registry=self.registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(f"ebb_{name}", f"{about}.", labels, registry=self.registry)

    def _histogram(self, name: str, about: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"ebb_{name}", f"{about}.", registry=self.registry, buckets=buckets)


class HostMetrics:
    """What lanes do (`agents.host.observer.HostObserver`)."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._commits = metrics._count("commits", "Transactions committed")
        self._seconds = metrics._histogram(
            "commit_seconds", "First write of a transaction to the broker's yes", _SHORT_S
        )
        self._entries = metrics._histogram("commit_entries", "Journal entries in a transaction", _BATCHES)
        self._rows = metrics._count("state_rows", "State rows written")
        self._recovery = metrics._histogram("recovery_seconds", "Reading a partition's state back", _LONG_S)
        self._recovered = metrics._count("recovered_rows", "State rows read back")
        self._fenced = metrics._count("fenced", "Lanes that lost their partition to another worker")
        self._healed = metrics._count("heals", "Times a lane sought back to the entry it needs", "reason")
        self.lag_entries = metrics._gauge("engine_lag_entries", "Journal entries not yet committed", "partition")

    def recovered(self, partition: int, rows: int, seconds: float) -> None:  # noqa: ARG002
        self._recovery.observe(seconds)
        self._recovered.inc(rows)

    def committed(self, partition: int, entries: int, rows: int, interventions: int, seconds: float) -> None:  # noqa: ARG002
        self._commits.inc()
        self._seconds.observe(seconds)
        self._entries.observe(entries)
        self._rows.inc(rows)
        self._metrics.committed(partition)

    def fenced(self, partition: int) -> None:  # noqa: ARG002
        self._fenced.inc()

    def healed(self, partition: int, reason: str) -> None:  # noqa: ARG002
        self._healed.labels(reason).inc()

    def lag(self, partition: int, entries: int) -> None:
        self.lag_entries.labels(partition).set(entries)


class IngestMetrics:
    """What ingest does (`agents.ingest.observer.IngestObserver`)."""

    def __init__(self, metrics: Metrics) -> None:
        self._forwarded = metrics._count("ingested_records", "Records that stand in the journal", "topic")
        self._dead = metrics._count("dead_letters", "Records put into dead-letters", "topic", "reason")
        self._repeated = metrics._count("repeated_records", "Records delivered again and left out", "topic")
        self._progress = metrics._gauge(
            "source_progress_timestamp_seconds", "How far in time a source has been read", "topic", "partition"
        )
        self._lag = metrics._gauge(
            "ingest_lag_records", "Records of a source not yet in the journal", "topic", "partition"
        )
        self._red = metrics._gauge(
            "source_stopped", "1 while a source waits for somebody to resume it", "topic", "partition"
        )
        self._units = metrics._histogram("ingest_unit_records", "Records forwarded at once", _BATCHES)
        self._seconds = metrics._histogram("ingest_unit_seconds", "Writing of a unit to the broker's yes", _SHORT_S)

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
        self._red.labels(source.topic, source.partition).set(0 if reason is None else 1)

    def unit(self, records: int, seconds: float) -> None:
        self._units.observe(records)
        self._seconds.observe(seconds)
