"""How long a process gathers: the pace by itself, and the loop that tells it how busy it is."""

from __future__ import annotations

import asyncio

from agents.host.pace import LEAST_FETCH_S, MOST_FETCH_S, MOST_S, MeasuredLoop, Pace, pace_of_running_loop, run


class Load:
    """A process whose time to spare is given, on a clock of its own."""

    def __init__(self) -> None:
        self.now = 100.0
        self.idle_s = 7.0
        self.cpu_s = 3.0
        self.pace = Pace(lambda: self.idle_s, lambda: self.cpu_s, self.now)

    def passes(self, seconds: float, idle: float, cpu: float | None = None, every: float = 0.02) -> float:
        """Time passes, with a commit every so often.

        Args:
            cpu: CPUs used; by default all that the loop was not idle.

        Returns: the wait at the end.
        """
        for _ in range(round(seconds / every)):
            self.now += every
            self.idle_s += idle * every
            self.cpu_s += (1 - idle if cpu is None else cpu) * every
            self.pace.look(self.now)
        return self.pace.wait_s


def test_with_time_to_spare_nothing_waits() -> None:
    load = Load()
    assert load.passes(10, idle=0.5) == 0.0
    assert load.pace.fetch_s == LEAST_FETCH_S


def test_without_time_to_spare_the_wait_grows_to_the_longest_within_seconds() -> None:
    load = Load()
    assert 0 < load.passes(0.5, idle=0.0) < MOST_FETCH_S
    assert load.passes(4, idle=0.0) == MOST_S
    assert load.pace.fetch_s == MOST_FETCH_S


def test_a_process_that_gets_less_than_a_cpu_is_busy_when_its_loop_is() -> None:
    assert Load().passes(5, idle=0.0, cpu=0.3) == MOST_S


def test_a_loop_that_waits_for_its_own_threads_has_no_time_to_spare() -> None:
    assert Load().passes(5, idle=0.4, cpu=1.0) == MOST_S


def test_the_wait_settles_where_commits_leave_time_to_spare() -> None:
    """Facts take 60 % of the time, each commit 3 ms in each of 8 lanes: waiting 60 ms would leave none."""
    load = Load()
    for _ in range(400):
        busy = 0.6 + 8 * 0.003 / max(load.pace.wait_s, 0.010)
        load.passes(0.1, idle=max(0.0, 1 - busy))
    assert 0.06 < load.pace.wait_s < 0.15
    settled = load.pace.wait_s
    assert load.passes(0.1, idle=0.07) == settled


def test_a_long_wait_is_judged_as_a_whole_and_not_by_its_busy_moments() -> None:
    """What was gathered keeps it busy for 80 % of the next wait: by tenths of a second most are busy."""
    load = Load()
    load.pace.wait_s = 1.0
    for _ in range(20):
        gathered = max(load.pace.wait_s, 0.1)
        load.passes(0.8 * gathered, idle=0.0)
        load.passes(0.2 * gathered, idle=1.0)
    assert load.pace.wait_s < 0.3


def test_after_a_silence_nothing_waits_though_nothing_was_committed_in_it() -> None:
    load = Load()
    load.passes(5, idle=0.0)
    assert load.passes(4, idle=1.0, every=4) == 0.0


def test_the_loop_knows_when_it_had_nothing_to_do() -> None:
    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, MeasuredLoop)
        assert pace_of_running_loop() is loop.pace
        before = loop.idle_s
        await asyncio.sleep(0.2)
        slept = loop.idle_s - before
        before = loop.idle_s
        for _ in range(1_000):
            await asyncio.sleep(0)
        return slept, loop.idle_s - before

    slept, worked = run(main())
    assert slept > 0.15
    assert worked < 0.01


def test_on_a_loop_that_measures_nothing_nothing_ever_waits() -> None:
    async def main() -> float:
        pace = pace_of_running_loop()
        pace.look(asyncio.get_running_loop().time() + 1_000)
        return pace.wait_s

    assert asyncio.run(main()) == 0.0
