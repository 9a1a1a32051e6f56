from hypothesis import given, settings
from hypothesis import strategies as st

from streams.calendar import calendar_of
from streams.clock import DAY_MS, HOUR_MS
from streams.detectors.rate.exposure import change, exposure_at, exposure_before, fork, move, start

BERLIN = calendar_of("Europe/Berlin", (("2024-02-05", "2024-02-18"),))
BEGIN = 1_704_067_200_000

changes = st.lists(st.tuples(st.integers(0, 60 * HOUR_MS), st.integers(0, 50)), max_size=40)


@settings(max_examples=60)
@given(changes, st.integers(0, 20), st.integers(0, 3 * DAY_MS))
def test_exposure_of_any_of_the_last_days_equals_the_sum_over_stretches(
    steps: list[tuple[int, int]], pairs: int, begin: int
) -> None:
    line = start(BEGIN + begin, BERLIN)
    change(line, pairs, BERLIN)
    stretches: list[tuple[int, int, int]] = []
    for wait, more in steps:
        stretches.append((line.at_ms, line.at_ms + wait, line.pairs))
        move(line, line.at_ms + wait, BERLIN)
        change(line, more, BERLIN)
    stretches.append((line.at_ms, line.at_ms + 3 * DAY_MS, line.pairs))

    def summed(until: int) -> int:
        return sum(
            active * (BERLIN.profile_ms(max(begin, min(end, until))) - BERLIN.profile_ms(begin))
            for begin, end, active in stretches
        )

    today = BERLIN.day_of(line.at_ms)
    for day in range(max(line.start_day, today - 28), today + 1):
        assert exposure_before(line, day, BERLIN) == summed(BERLIN.day_start(day))
    assert exposure_at(line, line.at_ms + DAY_MS, BERLIN) == summed(line.at_ms + DAY_MS)
    assert exposure_before(line, today + 1, BERLIN) == summed(BERLIN.day_start(today + 1))


def test_a_year_of_daily_changes_is_kept_in_bounds_and_old_windows_stay_close() -> None:
    line = start(BEGIN, BERLIN)
    whole = 0
    for day in range(365):
        change(line, 100 + day % 7, BERLIN)
        if day >= 365 - 56:
            whole += (100 + day % 7) * (BERLIN.profile_ms(line.at_ms + DAY_MS) - BERLIN.profile_ms(line.at_ms))
        move(line, line.at_ms + DAY_MS, BERLIN)
    assert len(line.knots) // 2 <= 40
    today = BERLIN.day_of(line.at_ms)
    window = line.exposure - exposure_before(line, today - 56, BERLIN)
    assert abs(window - whole) < 0.01 * whole


def test_a_pair_that_never_changes_leaves_no_knot() -> None:
    line = start(BEGIN, BERLIN)
    change(line, 1, BERLIN)
    for _ in range(100):
        move(line, line.at_ms + DAY_MS, BERLIN)
    assert line.knots == []


def test_the_clock_stands_still_without_pairs() -> None:
    line = start(BEGIN, BERLIN)
    move(line, BEGIN + DAY_MS, BERLIN)
    change(line, 3, BERLIN)
    move(line, BEGIN + 2 * DAY_MS, BERLIN)
    change(line, 0, BERLIN)
    move(line, BEGIN + 9 * DAY_MS, BERLIN)
    assert (line.clock, line.exposure) == (DAY_MS, 3 * DAY_MS)


def test_a_fork_is_independent() -> None:
    line = start(BEGIN, BERLIN)
    copy = fork(line)
    move(copy, BEGIN + DAY_MS, BERLIN)
    change(copy, 4, BERLIN)
    assert (line.at_ms, line.pairs, line.knots) == (BEGIN, 0, [])
