"""Series of a program: what the topics hold, and what the detector thinks of it."""

import random
from collections import Counter
from typing import Literal

import pytest

from agents.engine import engines
from agents.metrics import Metrics
from agents.metrics.programs import ENDED_KEPT_MS, series_per_program
from schemas.base import DAY_MS
from schemas.journal import RulesetEntry, encode_entry
from streams.detectors.rate.parameters import WEEKS_PER_YEAR
from tests.agents.metrics.story import (
    DAILY,
    NORMAL_DAYS,
    PAIRS,
    Journal,
    Lane,
    lines,
    pairs,
    samples,
    value,
)
from tests.streams.logs import entries, random_lines

WEEK_S = 604_800


def _story(until: float, clock: Literal["wall", "records"] = "records") -> tuple[Metrics, Lane, Journal]:
    fold_of, folds = engines("")
    metrics = Metrics(folds)
    lane = Lane(metrics, fold_of(0), 0, {})
    metrics.observe_engines({0: True})
    journal = Journal(clock)
    journal.facts([*pairs(), *lines(range(1, NORMAL_DAYS))])
    journal.progress(until)
    lane.apply(journal.values)
    lane.commit()
    return metrics, lane, journal


def test_totals_are_what_the_topics_hold() -> None:
    registry = _story(NORMAL_DAYS)[0].registry
    said = (NORMAL_DAYS - 1) * DAILY
    for polarity, share in (("positive", 3 / 4), ("negative", 1 / 4), ("neutral", 0)):
        name = "ebb_sentiment_submissions_total"
        assert value(registry, name, program="program", polarity=polarity) == said * share
    assert value(registry, "ebb_meetings_held_total", program="program") == PAIRS
    assert value(registry, "ebb_active_pairs", program="program") == PAIRS
    assert value(registry, "ebb_sentiment_positive_ratio", program="program") == pytest.approx(3 / 4, abs=0.01)
    assert value(registry, "ebb_sentiment_answers", program="program") == pytest.approx(29.5 * DAILY, abs=2)


def test_a_steady_program_is_seen_as_expected() -> None:
    registry = _story(NORMAL_DAYS)[0].registry
    for window, days in (("7d", 7), ("28d", 28)):
        labels = {"program": "program", "window": window}
        so_far = (days - 0.5) * DAILY  # the detector stands at noon
        assert value(registry, "ebb_sentiment_seen_submissions", **labels) == pytest.approx(so_far, abs=DAILY)
        # The prior of a tenth of what comes is still in the learned rate: (2.8 + 308) / (27.8 + 220).
        expected = value(registry, "ebb_sentiment_expected_submissions", **labels)
        assert expected == pytest.approx(so_far * 1.254 / 1.4, rel=0.06)
    rate = value(registry, "ebb_sentiment_expected_hertz", program="program")
    baseline = value(registry, "ebb_sentiment_baseline_hertz", program="program")
    assert rate is not None
    assert baseline is not None
    assert rate * WEEK_S == pytest.approx(7 * DAILY * 1.254 / 1.4, rel=0.06)
    assert rate == pytest.approx(baseline * PAIRS)
    assert value(registry, "ebb_sentiment_alarm", program="program") == 0
    threshold = value(registry, "ebb_sentiment_alarm_threshold_seconds", program="program")
    level = value(registry, "ebb_sentiment_alarm_level_seconds", program="program")
    assert threshold == pytest.approx(WEEKS_PER_YEAR / 0.5 * WEEK_S)
    assert level is not None
    assert 0 < level < 10 * WEEK_S
    assert value(registry, "ebb_sentiment_answered_ratio", program="program") is None


def test_silence_raises_the_level_by_the_hour_and_then_the_alarm_with_an_open_intervention() -> None:
    levels = []
    for hours in range(0, 3 * 24, 6):
        registry = _story(NORMAL_DAYS + hours / 24)[0].registry
        levels.append(value(registry, "ebb_sentiment_alarm_level_seconds", program="program") or 0)
    quiet = [level for level in levels[4:] if level]
    assert quiet == sorted(quiet)
    registry = _story(NORMAL_DAYS + 10)[0].registry
    assert value(registry, "ebb_sentiment_alarm", program="program") == 1
    level = value(registry, "ebb_sentiment_alarm_level_seconds", program="program")
    assert level is not None
    assert level >= (value(registry, "ebb_sentiment_alarm_threshold_seconds", program="program") or 0)
    slow = {"program": "program", "rule": "program.sentiment_slowdown"}
    assert value(registry, "ebb_open_interventions", **slow) == 1
    assert value(registry, "ebb_program_interventions_total", **slow) == 1


def test_showing_a_program_changes_nothing_in_state() -> None:
    _, one, journal = _story(NORMAL_DAYS + 1.5)
    metrics, two, _ = _story(NORMAL_DAYS + 1.5)
    samples(metrics.registry)
    journal.facts(lines(range(NORMAL_DAYS + 2, NORMAL_DAYS + 40), number=1))
    one.apply(journal.values)
    for offset in range(two.fold.applied + 1, len(journal.values)):
        assert two.fold.apply(offset, journal.values[offset])
        if offset % 7 == 0:
            samples(metrics.registry)
    assert one.fold.flush() == two.fold.flush()


def test_a_catch_up_after_an_outage_does_not_lower_the_ratio() -> None:
    """The worker is away for ten days, then reads what came meanwhile; a scrape comes at any moment of it."""
    metrics, lane, journal = _story(NORMAL_DAYS, clock="wall")
    away = 10
    ratios = []
    for day in range(NORMAL_DAYS, NORMAL_DAYS + away):
        journal.facts(lines(range(day, day + 1), number=1))
        # The sources are read one after the other; progress is said only now and then.
        if day % 3 == 0:
            journal.progress(day + 0.9)
    journal.progress(NORMAL_DAYS + away)
    for end in range(lane.fold.applied + 2, len(journal.values) + 1):
        lane.apply(journal.values[:end])
        lane.commit()
        for window in ("7d", "28d"):
            labels = {"program": "program", "window": window}
            seen = value(metrics.registry, "ebb_sentiment_seen_submissions", **labels)
            expected = value(metrics.registry, "ebb_sentiment_expected_submissions", **labels)
            assert seen is not None
            assert expected
            ratios.append(seen / expected)
    assert len(ratios) > 2 * away
    assert min(ratios) > 0.8


def test_an_alarm_is_shown_until_its_program_is_over() -> None:
    metrics, lane, journal = _story(NORMAL_DAYS)
    ends = {"type": "program.changed", "ends_at": f"{NORMAL_DAYS + 30}d", "at": f"{NORMAL_DAYS}d"}
    journal.facts([ends])
    for day, shown in ((NORMAL_DAYS + 14, 1.0), (NORMAL_DAYS + 31, None)):
        journal.progress(day)
        lane.apply(journal.values)
        lane.commit()
        assert value(metrics.registry, "ebb_sentiment_alarm", program="program") == shown
    assert value(metrics.registry, "ebb_meetings_held_total", program="program") == PAIRS


def test_a_program_that_ended_long_ago_shows_nothing() -> None:
    fold_of, folds = engines("")
    metrics = Metrics(folds)
    lane = Lane(metrics, fold_of(0), 0, {})
    metrics.observe_engines({0: True})
    journal = Journal()
    journal.facts([{"type": "program.changed", "ends_at": "20d", "at": "0d"}, *pairs(), *lines(range(1, 20))])
    for day, shown in ((21, True), (20 + ENDED_KEPT_MS / DAY_MS, False)):
        journal.progress(day)
        lane.apply(journal.values)
        lane.commit()
        assert (value(metrics.registry, "ebb_meetings_held_total", program="program") is not None) == shown


def test_one_switch_turns_the_series_of_programs_off() -> None:
    fold_of, folds = engines("")
    metrics = Metrics(folds, programs=False)
    lane = Lane(metrics, fold_of(0), 0, {})
    metrics.observe_engines({0: True})
    lane.apply(entries(random_lines(3, 100)))
    lane.commit()
    assert not [key for key in samples(metrics.registry) if "program" in dict(key[1])]
    assert value(metrics.registry, "ebb_timers", partition="0") is not None


def test_a_program_costs_the_series_that_are_documented() -> None:
    registry = _story(NORMAL_DAYS + 10)[0].registry
    shown = Counter(name for name, labels in samples(registry) if "program" in dict(labels))
    rules = len({dict(labels)["rule"] for name, labels in samples(registry) if name == "ebb_open_interventions"})
    promised = series_per_program(rules)
    assert all(count <= promised[name] for name, count in shown.items())
    absent = {"ebb_sentiment_answered_ratio"}  # the other sort of baseline
    assert {name for name in promised if promised[name]} - set(shown) == absent


def test_two_workers_and_ten_rebalances_neither_lose_nor_double_a_series() -> None:
    """Partitions go back and forth at random, sometimes with work that was never committed."""
    draw = random.Random(7)
    journals, rows = [], [dict[bytes, bytes]() for _ in range(4)]
    for partition in range(4):
        journal = Journal()
        for program in (f"program-{partition}-a", f"program-{partition}-b"):
            journal.facts([*pairs(), *lines(range(1, 40), number=partition)], program)
        journals.append(journal.values)
    workers = []
    for _ in range(2):
        fold_of, folds = engines("")
        workers.append((Metrics(folds), fold_of))
    lanes: dict[int, tuple[int, Lane]] = {}
    for turn in range(11):
        owners = {partition: draw.randrange(2) for partition in range(4)}
        for number, (metrics, fold_of) in enumerate(workers):
            metrics.observe_engines({p: True for p, owner in owners.items() if owner == number})
            for partition, owner in owners.items():
                if owner == number and (partition not in lanes or lanes[partition][0] != owner):
                    lanes[partition] = (owner, Lane(metrics, fold_of(partition), partition, rows[partition]))
        for partition, (_, lane) in lanes.items():
            values = journals[partition]
            lane.apply(values[: len(values) * (turn + 1) // 11])
            if draw.random() < 0.7 or turn == 10:
                lane.commit()
            else:
                lane.fold.flush()  # written, and never acknowledged
                del lanes[partition]
                break
        if len(lanes) < 4:
            continue
        together: Counter[tuple[str, tuple[tuple[str, str], ...]]] = Counter()
        for metrics, _ in workers:
            shown = samples(metrics.registry)
            together.update(key for key in shown if {"program", "partition"} & dict(key[1]).keys())
        assert set(together.values()) == {1}, "no series stands at both workers"
    totals: Counter[tuple[str, str]] = Counter()
    for metrics, _ in workers:
        for (name, labels), count in samples(metrics.registry).items():
            if name == "ebb_sentiment_submissions_total":
                totals[dict(labels)["program"], dict(labels)["polarity"]] += int(count)
    held = Counter[tuple[str, str]]()
    for partition in range(4):
        for program in (f"program-{partition}-a", f"program-{partition}-b"):
            for line in lines(range(1, 40)):
                held[program, line["polarity"]] += 1
    assert +totals == held


def test_a_rule_that_the_rule_set_defines_is_counted_under_its_id() -> None:
    fold_of, folds = engines("")
    metrics = Metrics(folds)
    lane = Lane(metrics, fold_of(0), 0, {})
    metrics.observe_engines({0: True})
    rule = {"subject": "pair", "when": "meetings_held > 0", "says": "they met"}
    journal = Journal()
    tree = {"rules": {"custom.met": rule}}
    journal.values.append(encode_entry(RulesetEntry(v=1, ruleset=tree, hash="", scope="*", backfill="emit")))
    journal.facts(pairs())
    journal.progress(1)
    lane.apply(journal.values)
    lane.commit()
    labels = {"program": "program", "rule": "custom.met"}
    assert value(metrics.registry, "ebb_program_interventions_total", **labels) == PAIRS
    assert value(metrics.registry, "ebb_open_interventions", **labels) == PAIRS
