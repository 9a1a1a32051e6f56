"""What people would have been told: records of a backtest through the desk, with a clock that follows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from schemas.base import parse_instant, to_ms
from schemas.outbound import Intervention
from streams.clock import DAY_MS
from streams.delivery.case import NEVER
from streams.delivery.desk import Desk
from streams.delivery.entries import Entry
from streams.delivery.people import Directory
from streams.delivery.policy import Policy
from streams.delivery.sending import due_lines, finish, reload, take

_WEEK_MS: Final = 7 * DAY_MS
_AFTERWARDS_MS: Final = 8 * DAY_MS


class Rehearsal(Struct):
    """What came out.

    Attributes:
        records: how many went in.
        weeks: whole or begun weeks from the first record to the last.
        messages: by recipient and week (counted from the first record), messages sent.
        kinds: by kind of message, how many.
        items: interventions in all messages.
        held: by state and reason, deliveries as they were decided: `scheduled` is what was not held at all.
        ended: by state and reason, deliveries as they ended.
    """

    records: int
    weeks: int
    messages: dict[tuple[str, int], int]
    kinds: dict[str, int]
    items: int
    held: dict[str, int]
    ended: dict[str, int]


def rehearse(records: Iterable[Intervention], directory: Directory, policy: Policy) -> Rehearsal:
    """Let records come in at the instant each was decided, in the order given; every message is accepted.

    Nobody answers, so reminders count in full.
    """
    desk = Desk(directory, policy)
    messages: Counter[tuple[str, int]] = Counter()
    kinds: Counter[str] = Counter()
    held: Counter[str] = Counter()
    newest: dict[str, Entry] = {}
    items = count = 0
    first_ms = now_ms = -1

    def note(rows: list[Entry], decided: bool = False) -> None:
        for row in rows:
            newest[row.key] = row
            if decided and row.reason != "superseded":
                held[_what(row)] += 1
        desk.forgotten.clear()

    def pass_time(until_ms: int) -> None:
        nonlocal items, now_ms
        while (wake_ms := desk.next_wake_ms()) <= until_ms and wake_ms < NEVER:
            now_ms = max(now_ms, wake_ms)
            for line in due_lines(desk, now_ms):
                taken = take(desk, line, now_ms)
                note(taken.rows)
                if taken.message is not None:
                    messages[line[0], (now_ms - first_ms) // _WEEK_MS] += 1
                    kinds[taken.message.kind] += 1
                    items += len(taken.message.items)
                    note(finish(desk, line, None, now_ms))
            _bring_back(desk)
        now_ms = max(now_ms, until_ms)

    for offset, record in enumerate(records):
        decided_ms = to_ms(parse_instant(record.decided_at))
        if first_ms < 0:
            first_ms = now_ms = decided_ms
        pass_time(decided_ms)
        note(desk.decide(record, 0, offset, now_ms), decided=True)
        _bring_back(desk)
        count += 1
    last_ms = now_ms
    pass_time(now_ms + _AFTERWARDS_MS)
    weeks = (last_ms - first_ms) // _WEEK_MS + 1 if count else 0
    ended = Counter(_what(row) for row in newest.values())
    return Rehearsal(count, weeks, dict(messages), dict(kinds), items, dict(held), dict(ended))


def _bring_back(desk: Desk) -> None:
    """Machines' lines have room for everything here."""
    waiting, desk.spilled[:] = list(desk.spilled), []
    for entry in waiting:
        reload(desk, entry.line, [entry])


def _what(row: Entry) -> str:
    return f"{row.state}:{row.reason}" if row.reason else row.state
