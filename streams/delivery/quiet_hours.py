"""Quiet hours in the recipient's own time zone.

A stretch of quiet begins the first time on a local day that the clock shows its start, and ends the first time it shows
its end. So when clocks go back over the end, morning comes once; when they jump over a time, the jump is that time.
"""

from __future__ import annotations

from streams.zones import Zone

Quiet = tuple[int, int]
"""From and to, in minutes after local midnight; the end belongs to the next day when it is not after the start."""


def quiet_until(zone: Zone, quiet: Quiet | None, instant_ms: int) -> int:
    """Find the first instant from `instant_ms` on that is not quiet; `instant_ms` itself when it is not."""
    if quiet is None:
        return instant_ms
    start, end = quiet
    days = 1 if end <= start else 0
    today = zone.day_of(instant_ms)
    for day in range(today - 2, today + 3):  # a local day may be skipped, so look one further on either side
        until = zone.clock_start(day + days, end)
        if zone.clock_start(day, start) <= instant_ms < until:
            instant_ms = until
    return instant_ms
