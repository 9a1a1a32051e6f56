from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from agents.host import watchdog as watchdog_module
from agents.host.watchdog import Vital, Watchdog


def _bites(vitals: list[Vital], seconds: float, *, block: bool = False) -> list[str]:
    """Watch lane 0, whose vital signs follow `vitals` at steps of 50 ms (the last one stays), until the first bite."""
    complaints: list[str] = []
    began = time.monotonic()

    def now() -> dict[int, Vital]:
        return {0: vitals[min(len(vitals) - 1, int((time.monotonic() - began) / 0.05))]}

    async def main() -> None:
        watchdog = Watchdog(now, patience_s=0.3, every_s=0.02, bite=complaints.append)
        watchdog.start()
        while not complaints and time.monotonic() - began < seconds:
            if block:
                time.sleep(0.01)  # noqa: ASYNC251
            else:
                await asyncio.sleep(0.01)
        watchdog.stop()

    asyncio.run(main())
    return complaints


def test_a_lane_with_lag_that_does_not_move_is_reported() -> None:
    (complaint,) = _bites([Vital(5, 1)], 60)
    assert "lane 0 is 5 entries behind and has not moved" in complaint


def test_a_lane_that_moves_or_has_no_lag_is_left_alone() -> None:
    assert _bites([Vital(5, number) for number in range(100)], 0.8) == []
    assert _bites([Vital(0, 1)], 0.8) == []


def test_the_clock_starts_anew_when_lag_appears() -> None:
    assert _bites([Vital(0, 1)] * 10 + [Vital(5, 1)], 0.6) == []


def test_an_event_loop_that_stands_still_is_reported() -> None:
    (complaint,) = _bites([Vital(0, 1)], 60, block=True)
    assert "the event loop has not answered" in complaint


def test_its_bite_dumps_all_stacks_and_exits_with_1() -> None:
    code = "from agents.host.watchdog import dump_and_exit\ndef deep(): dump_and_exit('stuck')\ndeep()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "in deep" in done.stderr
    assert "stuck" in done.stderr


def test_time_it_did_not_live_through_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that slept or has far too much to do: whoever looks late has seen nobody stand still."""
    complaints: list[str] = []
    looks: list[float] = []

    def an_hour_later() -> float:
        looks.append(3_600.0 * len(looks))
        return looks[-1]

    async def main() -> None:
        watchdog = Watchdog(lambda: {0: Vital(5, 1)}, patience_s=60, every_s=0.001, bite=complaints.append)
        watchdog.start()
        async with asyncio.timeout(60):
            while len(looks) < 20:  # noqa: ASYNC110  (what it waits for has no event)
                await asyncio.sleep(0.01)
        watchdog.stop()

    monkeypatch.setattr(watchdog_module, "time", SimpleNamespace(monotonic=an_hour_later))
    asyncio.run(main())
    assert complaints == []
