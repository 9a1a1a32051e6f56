"""What the engine shows: counted at the commit, gone with the partition."""

import time

from agents.engine import engines
from agents.metrics import Metrics
from schemas.base import DAY_MS, from_ms
from schemas.journal import ProgressEntry, encode_entry
from tests.agents.metrics.story import START_MS, Journal, Lane, lines, pairs, value
from tests.agents.worker_samples import FACTS, entries

RATINGS = sum(topic == "ratings" for topic, _ in FACTS)


def _lane(partition: int = 3) -> tuple[Metrics, Lane]:
    fold_of, folds = engines("")
    metrics = Metrics(folds)
    lane = Lane(metrics, fold_of(partition), partition, {})
    metrics.observe_engines({partition: True})
    return metrics, lane


def test_facts_and_interventions_are_counted_only_after_the_commit() -> None:
    metrics, lane = _lane()
    opened = {"rule": "rating.low", "severity": "high", "change": "opened"}
    lane.apply(entries())
    assert value(metrics.registry, "ebb_facts_total", topic="ratings") == 0
    assert value(metrics.registry, "ebb_ratings_total", program="program-1", value="1") is None
    lane.fold.flush()
    assert value(metrics.registry, "ebb_interventions_total", **opened) == 0
    assert value(metrics.registry, "ebb_ratings_total", program="program-1", value="1") is None
    metrics.host.committed(3, 5, 4, 1, 0.01)
    assert value(metrics.registry, "ebb_facts_total", topic="ratings") == RATINGS
    assert value(metrics.registry, "ebb_interventions_total", **opened) == 1
    assert value(metrics.registry, "ebb_ratings_total", program="program-1", value="1") == 1
    spoken = value(metrics.registry, "ebb_intervention_latency_seconds_count")
    assert spoken
    metrics.host.committed(3, 0, 0, 0, 0.01)
    assert value(metrics.registry, "ebb_facts_total", topic="ratings") == RATINGS
    assert value(metrics.registry, "ebb_interventions_total", **opened) == 1
    assert value(metrics.registry, "ebb_intervention_latency_seconds_count") == spoken


def test_a_lane_that_dies_before_its_commit_counts_nothing() -> None:
    fold_of, folds = engines("")
    metrics, rows = Metrics(folds), dict[bytes, bytes]()
    metrics.observe_engines({3: True})
    dying = Lane(metrics, fold_of(3), 3, rows)
    dying.apply(entries())
    dying.fold.flush()
    again = Lane(metrics, fold_of(3), 3, rows)
    again.apply(entries())
    again.commit()
    assert value(metrics.registry, "ebb_facts_total", topic="ratings") == RATINGS
    assert value(metrics.registry, "ebb_ratings_total", program="program-1", value="4") == 1


def test_a_lane_opened_anew_is_counted_from_nothing() -> None:
    fold_of, folds = engines("")
    metrics = Metrics(folds)
    for _ in range(2):
        lane = Lane(metrics, fold_of(3), 3, {})
        lane.apply(entries())
        lane.commit()
    assert value(metrics.registry, "ebb_facts_total", topic="ratings") == 2 * RATINGS


def test_a_partition_that_left_shows_nothing_and_a_recovering_one_is_only_counted() -> None:
    metrics, lane = _lane()
    lane.apply(entries())
    lane.commit()
    metrics.host.lag(3, 17)
    assert value(metrics.registry, "ebb_engine_lag_entries", partition="3") == 17
    assert value(metrics.registry, "ebb_timers", partition="3") is not None
    metrics.observe_engines({3: False})
    assert value(metrics.registry, "ebb_timers", partition="3") is None
    assert value(metrics.registry, "ebb_partitions", state="recovering") == 1
    metrics.observe_engines({})
    assert value(metrics.registry, "ebb_engine_lag_entries", partition="3") is None
    assert value(metrics.registry, "ebb_active_pairs", program="program-1") is None
    metrics.observe_engines({3: True})  # given back: the former lag says nothing about it
    assert value(metrics.registry, "ebb_engine_lag_entries", partition="3") is None


def test_the_age_of_the_clock_is_that_of_the_wall_and_absent_in_records_mode() -> None:
    metrics, lane = _lane()
    journal = Journal("wall")
    lane.apply(journal.values)
    assert value(metrics.registry, "ebb_partitions_without_clock") == 1
    assert value(metrics.registry, "ebb_clock_age_seconds", partition="3") is None
    at_ms = int(time.time() * 1_000) - 90_000
    journal.values.append(encode_entry(ProgressEntry(v=1, sources={"sentiment/0": from_ms(at_ms)})))
    lane.apply(journal.values)
    age_s = value(metrics.registry, "ebb_clock_age_seconds", partition="3")
    assert age_s is not None
    assert 89 < age_s < 120
    assert value(metrics.registry, "ebb_partitions_without_clock") == 0

    metrics, lane = _lane()
    lane.apply(entries())
    assert value(metrics.registry, "ebb_clock_age_seconds", partition="3") is None


def test_what_may_happen_stands_at_zero_before_it_does() -> None:
    registry = Metrics({}).registry
    assert value(registry, "ebb_rule_faults_total", rule="rating.low") == 0
    assert value(registry, "ebb_dead_letters_total", topic="ratings", reason="not_json") == 0
    assert value(registry, "ebb_facts_total", topic="sentiment") == 0


def test_a_repeat_a_late_fact_and_a_timed_step_are_counted() -> None:
    metrics, lane = _lane()
    journal = Journal()
    said = list(lines(range(2)))
    journal.facts([*pairs(), *said, {**said[-1]}, {**said[0], "event_id": "late", "arrives": "5d"}])
    lane.apply(journal.values)
    lane.commit()
    assert value(metrics.registry, "ebb_duplicate_facts_total", topic="sentiment") == 1
    assert value(metrics.registry, "ebb_late_facts_total", topic="sentiment") == 1
    steps = value(metrics.registry, "ebb_step_seconds_count")
    assert steps == 1 + (len(journal.values) - 1) // 64
    assert START_MS < lane.fold.engine.state.clock.now_ms < START_MS + 6 * DAY_MS
