import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streams.windows import DayCounts, hopping, trailing, tumbling

whole = st.integers(-(10**6), 10**6)
sizes = st.integers(1, 10**4)


@given(whole, sizes, whole)
def test_tumbling_windows_tile_time_without_gap_or_overlap(instant: int, size: int, origin: int) -> None:
    start, end = tumbling(instant, size, origin)
    assert start <= instant < end
    assert tumbling(end, size, origin) == (end, end + size)
    assert tumbling(start - 1, size, origin) == (start - size, start)


@given(whole, sizes, sizes, whole)
def test_hopping_windows_are_exactly_those_that_hold_the_instant(
    instant: int, size: int, hop: int, origin: int
) -> None:
    if size // hop > 500:
        hop = size // 500 + 1
    windows = hopping(instant, size, hop, origin)
    newest = tumbling(instant, hop, origin)[0]
    every = [(start, start + size) for start in range(newest - hop * (size // hop + 1), newest + hop + 1, hop)]
    assert windows == [window for window in every if window[0] <= instant < window[1]]


@given(whole, sizes)
def test_hopping_by_the_size_is_tumbling(instant: int, size: int) -> None:
    assert hopping(instant, size, size) == [tumbling(instant, size)]


def test_a_trailing_window_leaves_its_end_out() -> None:
    assert trailing(100, 28) == (72, 100)


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 300)), max_size=60), st.integers(1, 90))
def test_day_counts_equal_a_plain_table_of_the_kept_days(facts: list[tuple[int, int]], keep_days: int) -> None:
    counts, table = DayCounts(), dict[int, int]()
    for day, count in facts:
        newest = max(table, default=day)
        assert counts.add(20_000 + day, count, keep_days) == (day > newest - keep_days)
        if day > newest - keep_days:
            table[day] = table.get(day, 0) + count
        table = {kept: value for kept, value in table.items() if kept > max(table) - keep_days}
    for first in range(0, 400, 37):
        expected = sum(count for day, count in table.items() if first <= day < first + 28)
        assert counts.total(20_000 + first, 20_028 + first) == expected
    assert counts.oldest() == (20_000 + min(table) if table else None)
    assert counts.newest() == (20_000 + max(table) if table else None)


def test_removing_a_day_gives_its_count_and_forgets_it() -> None:
    counts = DayCounts()
    counts.add(20_000, 2, 30)
    counts.add(20_003, 5, 30)
    assert counts.remove(20_000) == 2
    assert counts.remove(20_000) == 0
    assert counts.count(20_003) == 5


def test_a_fork_is_independent() -> None:
    counts = DayCounts()
    counts.add(20_000, 2, 30)
    copy = counts.fork()
    copy.add(20_001, 1, 30)
    assert counts.newest() == 20_000


def test_four_weeks_of_busy_days_are_stored_in_two_bytes_a_day() -> None:
    counts = DayCounts()
    for day in range(20_000, 20_400):
        counts.add(day, 7, 28)
    stored = msgspec.msgpack.encode(counts)
    assert len(stored) <= 2 * 28 + 8
    assert msgspec.msgpack.decode(stored, type=DayCounts) == counts
