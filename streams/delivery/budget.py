"""How much one person is told: messages in a local day, and in seven of them."""

from __future__ import annotations

from bisect import insort

from streams.delivery.people import Recipient
from streams.zones import Zone

_KEPT_DAYS = 8


class Spent:
    """When a recipient was last sent something. A message on two channels counts once."""

    __slots__ = ("_messages", "_when")

    def __init__(self) -> None:
        self._when: list[tuple[int, str]] = []
        self._messages: set[str] = set()

    def add(self, sent_ms: int, message: str) -> None:
        """Count a message, known by a name that does not depend on the channel; a repeat changes nothing."""
        if message not in self._messages:
            self._messages.add(message)
            insort(self._when, (sent_ms, message))

    def allows(self, zone: Zone, recipient: Recipient, now_ms: int) -> bool:
        """Whether one more fits into today and into the seven local days that end today."""
        today = zone.day_of(now_ms)
        oldest_ms = zone.day_start(today - _KEPT_DAYS)
        while self._when and self._when[0][0] < oldest_ms:
            self._messages.discard(self._when.pop(0)[1])
        day_ms, week_ms = zone.day_start(today), zone.day_start(today - 6)
        in_day = sum(sent_ms >= day_ms for sent_ms, _ in self._when)
        in_week = sum(sent_ms >= week_ms for sent_ms, _ in self._when)
        return in_day < recipient.per_day and in_week < recipient.per_week
