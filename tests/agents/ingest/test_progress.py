"""What is said about sources, and when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.ingest.merge import Source
from agents.ingest.progress import ProgressIntervals, RecordsClock, SourceProgress

A, B = Source("a", 0), Source("b", 0)
NOW = 1_000_000_000
SECOND = 1_000


def progress() -> SourceProgress:
    told = SourceProgress(ProgressIntervals())
    told.keep([A, B])
    return told


def test_a_source_never_heard_of_is_not_told() -> None:
    assert progress().due(NOW) == {}


def test_while_behind_progress_is_the_newest_timestamp_forwarded() -> None:
    told = progress()
    told.forwarded(A, 500, NOW)
    told.forwarded(A, 400, NOW)
    assert told.due(NOW) == {A: 500}


def test_once_caught_up_progress_is_the_moment_of_looking() -> None:
    told = progress()
    told.forwarded(A, 500, NOW)
    told.caught_up(A, NOW - 3, NOW)
    assert told.due(NOW) == {A: NOW - 3}


def test_a_record_ahead_of_the_clock_and_one_without_timestamp_count_as_now() -> None:
    told = progress()
    told.forwarded(A, NOW + 99_999, NOW)
    told.forwarded(B, -1, NOW)
    assert told.due(NOW) == {A: NOW, B: NOW}


def test_a_moving_source_is_told_every_ten_seconds_and_a_caught_up_one_every_sixty() -> None:
    told = progress()
    told.forwarded(A, 1, NOW)
    told.caught_up(B, NOW, NOW)
    assert told.due(NOW) == {A: 1, B: NOW}
    times: dict[Source, list[int]] = {A: [], B: []}
    for tick in range(1, 121):
        at = NOW + tick * SECOND
        told.forwarded(A, tick, at)
        told.caught_up(B, at, at)
        for source in told.due(at):
            times[source].append(tick)
    assert times[A] == list(range(10, 121, 10))
    assert times[B] == [60, 120]


def test_the_first_word_of_a_source_does_not_wait() -> None:
    told = progress()
    told.forwarded(A, 1, NOW)
    assert told.due(NOW) == {A: 1}
    told.forwarded(B, 2, NOW + 300)
    told.forwarded(A, 3, NOW + 300)
    assert told.due(NOW + 300) == {B: 2}


def test_a_source_that_comes_back_is_told_anew() -> None:
    told = progress()
    told.forwarded(A, 5, NOW)
    assert told.due(NOW) == {A: 5}
    told.keep([B])
    told.keep([A, B])
    told.forwarded(A, 4, NOW + 20 * SECOND)
    assert told.due(NOW + 20 * SECOND) == {A: 4}


def test_progress_of_a_source_that_is_not_ours_is_ignored() -> None:
    told = progress()
    told.keep([A])
    told.forwarded(B, 5, NOW)
    told.caught_up(B, NOW, NOW)
    assert told.due(NOW) == {}
    assert told.value(B) is None


events = st.lists(st.tuples(st.booleans(), st.integers(-1, 2 * NOW), st.integers(0, 90 * SECOND)), max_size=40)


@given(events)
def test_what_is_told_rises_and_is_never_ahead_of_the_clock(steps: list[tuple[bool, int, int]]) -> None:
    told, at, last = progress(), NOW, -1
    for is_look, value, wait in steps:
        at += wait
        if is_look:
            told.caught_up(A, min(value, at), at)
        else:
            told.forwarded(A, value, at)
        for mark in told.due(at).values():
            assert last < mark <= at
            last = mark


def test_intervals_must_rise() -> None:
    with pytest.raises(ValueError, match="rise"):
        ProgressIntervals(moving_ms=10, idle_ms=5)


def test_the_records_clock_is_told_when_it_enters_a_new_step_before_the_record_that_moves_it() -> None:
    clock = RecordsClock(100)
    assert [clock.see(A, timestamp) for timestamp in (10, 20, 99, 100, 150, 90)] == [{}, {}, {}, {A: 99}, {}, {}]
    assert clock.see(B, 730) == {A: 150}
    assert clock.untold() == {B: 730}
    assert clock.untold() == {}


@given(st.lists(st.tuples(st.sampled_from([A, B]), st.integers(0, 1_000)), max_size=60))
def test_the_records_clock_rises_and_ends_at_the_newest_record(seen: list[tuple[Source, int]]) -> None:
    clock, told = RecordsClock(100), list[int]()
    for source, timestamp in seen:
        told += clock.see(source, timestamp).values()
    told += clock.untold().values()
    assert told == sorted(set(told))
    assert (told[-1] if told else -1) == max((timestamp for _, timestamp in seen), default=-1)
