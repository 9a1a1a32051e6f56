"""When a recipient's digest is due, and what it is called."""

from __future__ import annotations

from schemas.ids import digest_id
from streams.delivery.people import Recipient
from streams.zones import Zone, day_date

_MOST_DAYS = 15  # a week has a digest day, and a skipped local day may cost one


def next_digest_ms(zone: Zone, recipient: Recipient, instant_ms: int, after_day: int | None = None) -> int:
    """Find when the next digest is due, at `instant_ms` or later.

    Args:
        after_day: the local day of the last digest that was begun: it is closed, the next one is of a later day.

    Raises: ValueError when the recipient has no digest days.
    """
    first = zone.day_of(instant_ms)
    for day in range(first, first + _MOST_DAYS):
        due_ms = zone.clock_start(day, recipient.digest_minute)
        # Monday 1970-01-05 is day 4.
        if (day - 4) % 7 in recipient.digest_weekdays and due_ms >= instant_ms:
            if after_day is not None and zone.day_of(due_ms) <= after_day:
                continue
            return due_ms
    raise ValueError(f"recipient {recipient.id} has no digest day")


def name_digest(zone: Zone, recipient: str, channel: str, due_ms: int) -> str:
    """Name the digest due at an instant: recipient, channel and local date."""
    return digest_id(recipient, channel, day_date(zone.day_of(due_ms)).isoformat())
