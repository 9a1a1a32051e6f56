"""Messages a coordinator would get, after the notifier's policy."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.outbound import Intervention
from streams.backtest.episodes import week_of
from streams.backtest.load import Load, People, measure, quantile
from streams.backtest.programs import Program
from streams.clock import DAY_MS
from streams.delivery.people import Recipient, Way
from tests.streams.backtest.lines import START_MS
from tests.streams.delivery.harness import record


def told(
    day: float, program: str = "p", delivery: str = "now", severity: str = "notice", **fields: Any
) -> Intervention:
    """An opened intervention, decided so many days after a Monday noon; notices have no reminders."""
    at_ms = START_MS + int(day * DAY_MS)
    return record(f"{program}-{day}", at_ms=at_ms, program_id=program, delivery=delivery, severity=severity, **fields)


def program(*coordinators: str) -> Program:
    return Program(coordinator_ids=coordinators, is_known=True)


def test_what_goes_at_once_is_a_message_and_digests_gather() -> None:
    records = [told(0), *(told(1 + hour / 48, delivery="digest") for hour in range(6))]
    load = measure(records, {"p": program("ann")}, People())
    assert load.messages["ann"] == {week_of(START_MS): 2}
    assert load.items == 7
    tree = load.tree((START_MS, START_MS + 13 * DAY_MS), 1)
    assert (tree["messages"], tree["coordinator_weeks"], tree["weeks_over_capacity"]) == (2, 2, 1)
    assert (tree["median"], tree["most"]) == (1.0, 2)


def test_what_is_withheld_is_no_message_and_says_why() -> None:
    load = measure([told(0, delivery="none", delivery_reason="shadow")], {"p": program("ann")}, People())
    assert not load.messages.get("ann")
    assert all(name.startswith("withheld") for name in load.held)


def test_a_coordinator_of_two_programs_shares_one_budget_and_others_have_their_own() -> None:
    shared = {"p": program("ann"), "q": program("ann"), "r": program("bob")}
    records = [told(hour / 24, name) for hour in range(7) for name in ("p", "q", "r")]
    load = measure(records, shared, People())
    alone = measure([one for one in records if one.program_id == "r"], {"r": program("bob")}, People())
    assert load.messages["bob"] == alone.messages["bob"]
    together = measure([one for one in records if one.program_id != "r"], shared, People())
    assert load.messages["ann"] == together.messages["ann"]
    assert sum(load.messages["ann"].values()) < 14  # six a day, the rest waits for the digest


def test_a_program_that_names_nobody_has_somebody_all_the_same() -> None:
    assert list(measure([told(0, "x")], {}, People()).messages) == ["(coordinator of x)"]


def test_a_recipients_file_decides_who_is_told_and_how() -> None:
    quiet = Recipient(id="ann", ways=(Way("email", floor="critical"),))
    load = measure([told(0)], {"p": program("ann")}, People((quiet,)))
    assert not load.messages.get("ann")
    assert load.known == {"ann"}


def test_weeks_without_a_message_count_for_everybody_who_coordinates() -> None:
    load = measure([told(0)], {"p": program("ann"), "q": program("bob")}, People())
    cells = list(load.cells((START_MS, START_MS + 8 * DAY_MS)))
    assert [(name, count) for name, _, count in cells] == [("ann", 1), ("ann", 0), ("bob", 0), ("bob", 0)]


def test_nothing_is_said_of_no_time() -> None:
    tree = Load().tree(None, 20)
    assert (tree["messages"], tree["median"], tree["most"]) == (0, None, None)


@pytest.mark.parametrize(("values", "share", "expected"), [([], 0.5, None), ([3], 0.9, 3), ([0, 10], 0.9, 9.0)])
def test_quantiles_interpolate(values: list[float], share: float, expected: float | None) -> None:
    assert quantile(values, share) == expected


def test_reminders_count_because_nobody_answers() -> None:
    grave = measure([told(0, severity="high"), told(9)], {"p": program("ann")}, People())
    mild = measure([told(0), told(9)], {"p": program("ann")}, People())
    assert sum(grave.messages["ann"].values()) > sum(mild.messages["ann"].values()) == 2
