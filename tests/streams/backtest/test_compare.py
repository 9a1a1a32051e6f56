"""Two runs held against each other: which episodes are the same, and what differs about them."""

from __future__ import annotations

from streams.backtest.compare import Comparison, compare
from streams.backtest.episodes import STILL_OPEN, Episode, Subject, week_of
from streams.backtest.programs import Program
from streams.clock import DAY_MS
from tests.streams.backtest.lines import START_MS


def episode(
    opened_day: float,
    closed_day: float | None = None,
    *,
    subject: str = "pair",
    rule: str = "rating.low",
    severity: int = 2,
    stage: str | None = None,
    delivery: str = "now",
) -> Episode:
    opened_ms = START_MS + int(opened_day * DAY_MS)
    closed_ms = STILL_OPEN if closed_day is None else START_MS + int(closed_day * DAY_MS)
    about, ending = Subject(rule, "program", "pair", subject), "resolved" if closed_day is not None else ""
    return Episode(about, f"{subject}-{opened_ms}", opened_ms, severity, stage, delivery, 0, 0, closed_ms, ending)


def kinds(here: list[Episode], there: list[Episode]) -> list[tuple[str, ...]]:
    return [one.kinds for one in compare(here, there)]


def test_equal_ids_are_the_same_episode() -> None:
    assert kinds([episode(1, 3)], [episode(1, 3)]) == [("same",)]
    assert kinds([episode(1, 3)], [episode(1, 4)]) == [("end",)]


def test_what_was_open_at_one_time_has_moved() -> None:
    assert kinds([episode(10)], [episode(14)]) == [("earlier",)]
    assert kinds([episode(14)], [episode(10, 20)]) == [("later",)]
    (one,) = compare([episode(10)], [episode(14)])
    assert one.shift_ms == -4 * DAY_MS


def test_an_episode_without_a_partner_is_added_or_removed() -> None:
    assert kinds([episode(10, 12)], [episode(14)]) == [("added",), ("removed",)]
    assert kinds([], [episode(1)]) == [("removed",)]
    assert kinds([episode(1)], [episode(1, subject="other")]) == [("removed",), ("added",)]


def test_severity_stage_and_delivery_are_told_apart() -> None:
    assert kinds([episode(1, severity=3)], [episode(1)]) == [("graver",)]
    assert kinds([episode(1, severity=1)], [episode(1)]) == [("milder",)]
    assert kinds([episode(1, stage="late")], [episode(1, stage="early")]) == [("stage",)]
    assert kinds([episode(1, delivery="digest")], [episode(1)]) == [("delivery",)]
    assert kinds([episode(1, severity=3, delivery="digest")], [episode(2)]) == [("earlier", "graver", "delivery")]


def test_each_episode_has_one_partner_at_most() -> None:
    here, there = [episode(1, 4), episode(5, 9)], [episode(2, 8)]
    assert sorted(kinds(here, there)) == [("added",), ("earlier",)]
    assert sorted(kinds(there, here)) == [("later",), ("removed",)]


def test_counts_stand_by_rule_program_cohort_and_week() -> None:
    comparison = Comparison.empty()
    programs = {"program": Program(starts_ms=START_MS, is_known=True)}
    comparison.add(compare([episode(10), episode(1, subject="new")], [episode(14)]), programs)
    tree = comparison.tree()
    assert tree["total"] == {"added": 1, "moved": 1, "earlier": 1}
    for group, name in (("rule", "rating.low"), ("program", "program"), ("cohort", "2026-01")):
        assert tree[f"by_{group}"] == {name: {"added": 1, "moved": 1, "earlier": 1}}
    assert tree["by_week"] == {"2026-01-05": {"added": 1}, "2026-01-12": {"moved": 1, "earlier": 1}}
    assert tree["shift_days"]["rating.low"] == {"p10": -4.0, "median": -4.0, "p90": -4.0, "n": 1}


def test_partitions_add_up() -> None:
    total, other = Comparison.empty(), Comparison.empty()
    other.add(compare([episode(1)], []), {})
    total.merge(other)
    total.merge(other)
    assert total.tree()["total"] == {"added": 2}
    assert total.differs
    assert not Comparison.empty().differs


def test_a_week_begins_on_monday_midnight() -> None:
    assert week_of(START_MS) == START_MS - DAY_MS // 2
    assert week_of(START_MS - DAY_MS // 2 - 1) == START_MS - DAY_MS // 2 - 7 * DAY_MS
