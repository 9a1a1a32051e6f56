"""What the engine of a worker shows: counted at the commit, or looked up when somebody scrapes."""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from agents.engine import EngineFold
from agents.metrics import catalogue
from agents.metrics.catalogue import Metric
from agents.metrics.making import counter, histogram
from agents.metrics.programs import ProgramReader, Sample
from schemas.topics import INBOUND
from streams.rule import Severity
from streams.rules import RULES

#: name in `Engine.state.counts` → metric; where that has a label it is the second part of the name
_COUNTS: Final = {
    "facts": catalogue.FACTS,
    "duplicates": catalogue.DUPLICATES,
    "late": catalogue.LATE,
    "erased": catalogue.ERASED,
    "faults": catalogue.RULE_FAULTS,
    "repeats_by_ingest": catalogue.REPEATED_ENTRIES,
    "activations": catalogue.ACTIVATIONS,
    "provisional_dropped": catalogue.PROVISIONAL_DROPPED,
    "ignored_actions": catalogue.IGNORED_ACTIONS,
}
_BY_PARTITION: Final = (
    catalogue.LAG,
    catalogue.CLOCK_AGE,
    catalogue.TIMERS,
    catalogue.STATE_RECORDS,
    catalogue.RULESET,
)


class EngineMetrics(Collector):
    """Counters of what this process has committed, and gauges of the partitions it holds.

    Gauges are made at the scrape from what is there, so those of a lost partition are gone with it.

    Args:
        folds: the engines by partition, as `agents.engine.engines` keeps them.
        programs: whether each program gets series of its own.
    """

    def __init__(self, registry: CollectorRegistry, folds: Mapping[int, EngineFold], programs: bool) -> None:
        self._folds = folds
        self._programs = programs
        self._open: frozenset[int] = frozenset()
        self._recovering = 0
        self._lag: dict[int, int] = {}
        self._told: dict[int, tuple[EngineFold, Tally[tuple[str, ...]]]] = {}
        self._readers: dict[int, tuple[EngineFold, ProgramReader]] = {}
        self._counts = {name: counter(registry, metric) for name, metric in _COUNTS.items()}
        self._interventions = counter(registry, catalogue.INTERVENTIONS)
        self._withheld = counter(registry, catalogue.WITHHELD)
        self._latency = histogram(registry, catalogue.LATENCY)
        self._step = histogram(registry, catalogue.STEP)
        self._stand_at_zero()
        registry.register(self)

    def _stand_at_zero(self) -> None:
        """Show what may happen before it does: the first increase of a series that was not there is not seen."""
        for name in ("facts", "duplicates", "late", "erased"):
            for topic in INBOUND:
                self._counts[name].labels(topic)
        for rule in RULES:
            self._counts["faults"].labels(rule.id)
            for severity in Severity:
                if severity >= rule.rungs[0].severity:  # a rule may judge graver than its rung
                    self._interventions.labels(rule.id, severity.name.lower(), "opened")
        for name in ("fold", "ruleset"):
            self._counts["faults"].labels(name)

    def committed(self, partition: int) -> None:
        """Count what a partition's engine has done up to the commit that just succeeded."""
        fold = self._folds.get(partition)
        if fold is None:
            return
        before = self._told.get(partition)
        told = before[1] if before is not None and before[0] is fold else Tally()
        counts = fold.engine.state.counts
        for key, count in counts.items():
            news = count - told[key]
            counted = self._counts.get(key[0])
            if news > 0 and counted is not None:
                (counted.labels(*key[1:]) if len(key) > 1 else counted).inc(news)
        self._told[partition] = (fold, Tally(counts))
        done = fold.committed()
        for what, count in done.decided.items():
            self._interventions.labels(what.rule, what.severity, what.change).inc(count)
            if what.withheld is not None:
                self._withheld.labels(what.rule, what.withheld).inc(count)
        if done.arrivals_ms:
            now_ms = time.time() * 1_000
            for arrived_ms in done.arrivals_ms:
                self._latency.observe(max(0.0, now_ms - arrived_ms) / 1_000)
        for seconds in done.steps:
            self._step.observe(seconds)

    def lag(self, partition: int, entries: int) -> None:
        """Entries between the committed position and the end of a journal partition."""
        self._lag[partition] = entries

    def hold(self, is_open: Mapping[int, bool]) -> None:
        """Say which partitions this worker has, and whether each of them is open; others show nothing any more."""
        self._open = frozenset(partition for partition, it_is in is_open.items() if it_is)
        self._recovering = len(is_open) - len(self._open)
        for kept in (self._lag, self._told, self._readers):
            for partition in [each for each in kept if each not in is_open]:
                del kept[partition]

    # -- at the scrape

    def describe(self) -> Iterator[Family]:
        """Name the families without making their series."""
        gauges = (*_BY_PARTITION, catalogue.PARTITIONS, catalogue.WITHOUT_CLOCK)
        return iter([family_of(metric) for metric in (*gauges, *catalogue.OF_PROGRAM)])

    def collect(self) -> Iterator[Family]:
        """Make every series that is looked up."""
        families = {metric.name: family_of(metric) for metric in _BY_PARTITION}
        without_clock = 0
        folds = [(number, self._folds[number]) for number in sorted(self._open) if number in self._folds]
        for number, fold in folds:
            state, label = fold.engine.state, [str(number)]
            families[catalogue.TIMERS.name].add_metric(label, len(state.timers))
            families[catalogue.STATE_RECORDS.name].add_metric(label, len(state.table))
            if number in self._lag:
                families[catalogue.LAG.name].add_metric(label, self._lag[number])
            for scope, rules in state.rulesets.items():
                families[catalogue.RULESET.name].add_metric([*label, scope, rules.hash], 1)
            if state.clock.now_ms < 0:
                without_clock += 1
            elif not state.clock.records:
                age_s = time.time() - state.clock.now_ms / 1_000
                families[catalogue.CLOCK_AGE.name].add_metric(label, age_s)
        partitions = family_of(catalogue.PARTITIONS)
        partitions.add_metric(["open"], len(self._open))
        partitions.add_metric(["recovering"], self._recovering)
        undefined = family_of(catalogue.WITHOUT_CLOCK)
        undefined.add_metric([], without_clock)
        yield from (*families.values(), partitions, undefined)
        if self._programs:
            yield from self._collect_programs(folds)

    def _collect_programs(self, folds: list[tuple[int, EngineFold]]) -> Iterator[Family]:
        families = {metric.name: family_of(metric) for metric in catalogue.OF_PROGRAM}
        for number, fold in folds:
            known = self._readers.get(number)
            if known is None or known[0] is not fold:
                known = self._readers[number] = (fold, ProgramReader())
            for program_id, samples in known[1].read(fold):
                _add(families, program_id, samples)
        yield from families.values()


def _add(
    families: Mapping[str, CounterMetricFamily | GaugeMetricFamily], program_id: str, samples: list[Sample]
) -> None:
    for metric, label, value in samples:
        families[metric.name].add_metric([program_id, label] if label else [program_id], value)


def family_of(metric: Metric) -> CounterMetricFamily | GaugeMetricFamily:
    """An empty family of a catalogued counter or gauge."""
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    return kind(metric.name, f"{metric.about}.", labels=list(metric.labels))
