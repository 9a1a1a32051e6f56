"""What is true now, from records in any delivery order, however often repeated."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.outbound import Intervention
from streams.delivery.current import Board, Current, at_least, for_people, reduce
from tests.streams.delivery.harness import record, resolved

EPISODES = [
    *(record("a", n) for n in range(4)),
    resolved("a", 4),
    record("b"),
    record("b", 1, change="snoozed", state="snoozed"),
    record("c", severity="critical", audience="safeguarding", delivery="now"),
]


@given(order=st.lists(st.sampled_from(EPISODES), max_size=40))
def test_repeats_and_stale_records_change_nothing(order: list[Intervention]) -> None:
    board, newest = Board(), dict[str, Intervention]()
    news = 0
    for one in order:
        was = newest.get(one.intervention_id)
        expected = was is None or one.sequence > was.sequence
        assert board.take(one) == expected
        news += expected
        newest[one.intervention_id] = one if expected or was is None else was
    assert board.sequences() == {name: one.sequence for name, one in newest.items()}
    assert {name: current.record for name, current in board.open.items()} == {
        name: one for name, one in newest.items() if one.state in ("open", "acknowledged", "snoozed")
    }
    again = Board(board.sequences())
    assert not any(again.take(one) for one in order)


def test_what_never_came_by_is_counted() -> None:
    first = reduce(None, record("a", 2))
    assert (first.is_new, first.missed, first.current.is_open, first.current.state) == (True, 2, True, "open")
    later = reduce(first.current, resolved("a", 5))
    assert (later.is_new, later.missed, later.current.is_open) == (True, 2, False)
    assert reduce(later.current, record("a", 4)) == type(later)(later.current, False, 0)
    with pytest.raises(ValueError, match="another intervention"):
        reduce(Current(0, record("a")), record("b"))


@pytest.mark.parametrize(
    ("audience", "least", "found"),
    [("coordinator", "digest", ["a", "b"]), ("coordinator", "now", ["b"]), ("safeguarding", "now", ["c"])],
)
def test_only_what_is_meant_for_an_audience_is_picked(audience: Any, least: Any, found: list[str]) -> None:
    records = [record("a"), record("b", delivery="now"), record("n", delivery="none"), EPISODES[-1]]
    assert [one.intervention_id for one in for_people(records, audience, least)] == found


def test_severities_are_compared_by_rank() -> None:
    assert [level for level in ("info", "warning", "critical") if at_least("warning", record(severity=level))] == [
        "warning",
        "critical",
    ]
