"""Timers come back in order, whenever they were set."""

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.clock import DAY_MS
from streams.state.timers import NOTHING_DUE, Timers

INSTANTS = st.integers(0, 6 * DAY_MS) | st.sampled_from([0, DAY_MS - 1, DAY_MS, 2 * DAY_MS, 400 * DAY_MS])
KEYS = st.sampled_from([b"pa/1", b"ma/1", b"ga"])
#: a timer to set, or None: take the earliest
STEPS = st.lists(st.none() | st.tuples(INSTANTS, KEYS), max_size=60)


@given(STEPS)
def test_they_are_those_of_one_heap(steps: list[tuple[int, bytes] | None]) -> None:
    timers, heap = Timers(), list[tuple[int, bytes]]()
    for step in steps:
        if step is not None:
            timers.push(*step)
            heapq.heappush(heap, step)
        elif heap:
            assert timers.pop() == heapq.heappop(heap)
        assert len(timers) == len(heap)
        assert timers.next_ms == (heap[0][0] if heap else NOTHING_DUE)
    assert [timers.pop() for _ in range(len(timers))] == sorted(heap)


@given(st.lists(st.tuples(INSTANTS, KEYS), max_size=40), STEPS)
def test_filled_at_once_they_are_as_if_pushed_one_by_one(
    first: list[tuple[int, bytes]], steps: list[tuple[int, bytes] | None]
) -> None:
    filled, pushed = Timers(), Timers()
    filled.fill(first)
    for timer in first:
        pushed.push(*timer)
    for step in steps:
        for timers in (filled, pushed):
            if step is not None:
                timers.push(*step)
        if step is None and len(pushed):
            assert filled.pop() == pushed.pop()
        assert filled.next_ms == pushed.next_ms
    assert [filled.pop() for _ in range(len(filled))] == [pushed.pop() for _ in range(len(pushed))]


def test_there_is_nothing_to_take_from_none() -> None:
    with pytest.raises(IndexError):
        Timers().pop()
