"""How long commits wait: the pace by itself, and the loop that tells it how busy it is."""

from __future__ import annotations

import asyncio

from agents.host.pace import MeasuredLoop, Pace, run

LEAST, MOST = 0.010, 1.0


class Load:
    """A process whose idle share is given, on a clock of its own."""

    def __init__(self) -> None:
        self.now = 100.0
        self.idle_s = 7.0
        self.pace = Pace(LEAST, MOST, lambda: self.idle_s, self.now)

    def passes(self, seconds: float, idle: float, every: float = 0.02) -> float:
        """Time passes, with a commit every so often; returns the wait at the end."""
        for _ in range(round(seconds / every)):
            self.now += every
            self.idle_s += idle * every
            self.pace.look(self.now)
        return self.pace.linger_s


def test_with_time_to_spare_the_wait_stays_the_shortest() -> None:
    assert Load().passes(10, idle=0.5) == LEAST


def test_without_time_to_spare_the_wait_grows_to_the_longest_within_seconds() -> None:
    load = Load()
    assert LEAST < load.passes(0.5, idle=0.0) < MOST
    assert load.passes(3, idle=0.0) == MOST


def test_the_wait_settles_where_commits_leave_time_to_spare() -> None:
    """Facts take 60 % of the time and each commit takes 3 ms in each of 8 lanes: 30 ms would leave no time at all."""
    load = Load()
    for _ in range(400):
        busy = 0.6 + 8 * 0.003 / max(load.pace.linger_s, 0.001)
        load.passes(0.1, idle=max(0.0, 1 - busy))
    assert 0.06 < load.pace.linger_s < 0.2
    settled = load.pace.linger_s
    load.passes(0.1, idle=0.2)
    assert load.pace.linger_s == settled


def test_a_silence_brings_the_shortest_wait_back_though_nothing_was_committed_in_it() -> None:
    load = Load()
    load.passes(5, idle=0.0)
    assert load.passes(4, idle=1.0, every=4) == LEAST


def test_a_wait_of_nothing_can_grow_too() -> None:
    now, pace = 0.0, Pace(0.0, MOST, lambda: 0.0, 0.0)
    for _ in range(60):
        now += 0.1
        pace.look(now)
    assert pace.linger_s == MOST


def test_the_loop_knows_when_it_had_nothing_to_do() -> None:
    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, MeasuredLoop)
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


def test_on_a_loop_that_measures_nothing_the_wait_is_fixed() -> None:
    async def main() -> float:
        pace = Pace.of_running_loop(LEAST, MOST)
        pace.look(asyncio.get_running_loop().time() + 1_000)
        return pace.linger_s

    assert asyncio.run(main()) == LEAST
