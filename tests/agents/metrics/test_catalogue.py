"""The catalogue and what processes show agree in both directions, and names keep to the rules."""

import pytest
from prometheus_client import CollectorRegistry

from agents.metrics import Metrics
from agents.metrics.catalogue import BY_NAME, CATALOGUE, LABELS, OF_NOTIFIER, Metric
from agents.notifier.metrics import NotifierMetrics
from streams.delivery.entries import Entry

_EVERY_PROCESS = {"ebb_build_info"}


def _shown(registry: CollectorRegistry) -> dict[str, str]:
    """Families of ours by their name as scraped, with their type."""
    found = {}
    for family in registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if name.startswith("ebb_"):
            found[name] = family.type
    return found


def test_worker_and_notifier_show_what_the_catalogue_lists_and_nothing_else() -> None:
    notifier = _shown(NotifierMetrics().registry)
    assert set(notifier) == {metric.name for metric in OF_NOTIFIER} | _EVERY_PROCESS
    worker = _shown(Metrics({}).registry)
    assert set(worker) == set(BY_NAME) - {metric.name for metric in OF_NOTIFIER}
    assert {name: metric.kind for name, metric in BY_NAME.items()} == worker | notifier


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_a_metric_has_a_base_unit_a_suffix_that_says_it_and_labels_that_name_no_person(metric: Metric) -> None:
    assert metric.name.startswith("ebb_")
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.unit == "" or metric.name.removesuffix("_total").endswith(f"_{metric.unit}")
    assert not set(metric.name.split("_")) & {"ms", "milliseconds", "minutes", "hours", "days", "weeks", "percent"}
    assert bool(metric.buckets) == (metric.kind == "histogram")
    assert set(metric.labels) <= LABELS
    assert metric.about.strip()
    assert not metric.about.endswith(".")
    assert not LABELS & {"pair", "pair_id", "participant", "participant_id", "subject", "recipient", "intervention"}


def test_a_delivery_given_up_is_counted_from_zero() -> None:
    metrics = NotifierMetrics()
    given_up = {"channel": "email"}
    assert metrics.registry.get_sample_value("ebb_delivery_dead_letters_total", given_up) == 0
    entry = Entry(
        intervention_id="i",
        sequence=0,
        channel="email",
        recipient="r",
        program_id="p",
        state="failed",
        reason="refused",
        decided_ms=0,
    )
    metrics.written([entry])
    assert metrics.registry.get_sample_value("ebb_delivery_dead_letters_total", given_up) == 1
    failed = {"channel": "email", "state": "failed", "reason": "refused"}
    assert metrics.registry.get_sample_value("ebb_deliveries_total", failed) == 1
