"""Oldest head first, whatever the chunks."""

from random import Random
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from agents.ingest.merge import Merge, Source

TOPICS = ("a", "b", "reference")


class Rec(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def records(timestamps: list[int], first: int = 0) -> list[Rec]:
    return [Rec(first + number, timestamp) for number, timestamp in enumerate(timestamps)]


def drain(merge: Merge, most: int = 1_000) -> list[tuple[Source, int]]:
    order: list[tuple[Source, int]] = []
    while runs := merge.take(most):
        order += [(run.source, run.records[at].offset) for run in runs for at in range(run.start, run.stop)]
    return order


def one_by_one(logs: dict[Source, list[int]]) -> list[tuple[Source, int]]:
    """The definition, record by record."""
    order, at = [], dict.fromkeys(logs, 0)
    while left := [source for source, log in logs.items() if at[source] < len(log)]:
        source = min(left, key=lambda one: (logs[one][at[one]], TOPICS.index(one.topic), one.partition))
        order.append((source, at[source]))
        at[source] += 1
    return order


logs_of = st.dictionaries(
    st.builds(Source, st.sampled_from(TOPICS), st.integers(0, 2)),
    st.lists(st.integers(-1, 12), max_size=20),
    max_size=5,
)


@given(logs=logs_of, cuts=st.randoms(use_true_random=False), most=st.integers(1, 7))
def test_whatever_the_chunks_and_the_order_of_their_arrival_the_order_is_that_of_the_oldest_head(
    logs: dict[Source, list[int]], cuts: Random, most: int
) -> None:
    merge = Merge(TOPICS)
    for source, log in logs.items():
        merge.open(source, 0, len(log))
    arrived = dict.fromkeys(logs, 0)
    order: list[tuple[Source, int]] = []
    while waiting := [source for source, log in logs.items() if arrived[source] < len(log)]:
        source = cuts.choice(waiting)
        size = cuts.randint(1, 6)
        first = arrived[source]
        chunk = records(logs[source][first : first + size], first)
        merge.add(source, chunk)
        arrived[source] += len(chunk)
        order += drain(merge, most)
    assert order == one_by_one(logs)
    assert not merge.is_any_behind()


def test_a_source_known_to_be_behind_is_waited_for() -> None:
    merge = Merge(TOPICS)
    slow, quick = Source("a", 0), Source("b", 0)
    merge.open(slow, 0, 1)
    merge.open(quick, 0, 2)
    merge.add(quick, records([1, 2]))
    assert drain(merge) == []
    assert merge.awaited() == [(slow, 0, 1)]
    merge.add(slow, records([5]))
    assert drain(merge) == [(quick, 0), (quick, 1), (slow, 0)]


def test_a_source_that_is_caught_up_is_not_waited_for_until_it_is_seen_to_be_behind_again() -> None:
    merge = Merge(TOPICS)
    quiet, busy = Source("a", 0), Source("b", 0)
    merge.open(quiet, 3, 3)
    merge.open(busy, 0, 0)
    merge.add(busy, records([9]))
    assert drain(merge) == [(busy, 0)]
    merge.know_end(quiet, 4)
    merge.add(busy, records([10], first=1))
    assert drain(merge) == []


def test_facts_wait_behind_a_closed_gate_and_reference_records_do_not() -> None:
    merge = Merge(TOPICS, first=("reference",))
    fact, reference = Source("a", 0), Source("reference", 0)
    merge.open(fact, 0, 1)
    merge.open(reference, 0, 2)
    merge.gate_is_closed = True
    merge.add(fact, records([1]))
    merge.add(reference, records([5, 6]))
    assert drain(merge) == [(reference, 0), (reference, 1)]
    merge.gate_is_closed = False
    assert drain(merge) == [(fact, 0)]


def test_a_stopped_source_holds_nobody_up_and_goes_on_where_it_stopped() -> None:
    merge = Merge(TOPICS)
    red, green = Source("a", 0), Source("b", 0)
    merge.open(red, 0, 10)
    merge.open(green, 0, 1)
    merge.add(red, records([1, 2, 3]))
    merge.add(green, records([2]))
    merge.stop(red, 1)
    assert drain(merge) == [(green, 0)]
    merge.add(red, records([2, 3], first=1))
    assert drain(merge) == []
    assert merge.resume(red) == 1
    merge.add(red, records([2, 3], first=1))
    assert drain(merge) == [(red, 1), (red, 2)]


def test_what_arrives_twice_is_handed_out_once() -> None:
    merge = Merge(TOPICS)
    source = Source("a", 0)
    merge.open(source, 2, 2)
    merge.add(source, records([1, 1, 1, 1]))
    merge.add(source, records([1, 1, 1, 1, 1]))
    assert drain(merge) == [(source, 2), (source, 3), (source, 4)]
    assert merge.position(source) == 5


def test_offsets_that_hold_no_record_are_passed() -> None:
    merge = Merge(TOPICS)
    source = Source("a", 0)
    merge.open(source, 0, 10)
    merge.add(source, records([1, 1]))
    assert drain(merge) == [(source, 0), (source, 1)]
    assert merge.awaited() == [(source, 2, 10)]
    merge.skip_to(source, 10)
    assert merge.position(source) == 10
    assert not merge.awaited()
