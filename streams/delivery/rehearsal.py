"""What people would have been told: records of a backtest through the desk, with a clock that follows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from msgspec import Struct, field

from schemas.base import parse_instant, to_ms
from schemas.outbound import Intervention
from streams.clock import DAY_MS
from streams.delivery.case import NEVER
from streams.delivery.desk import Desk
from streams.delivery.entries import Entry
from streams.delivery.people import Directory, Line
from streams.delivery.policy import Policy
from streams.delivery.sending import due_lines, finish, reload, take
from streams.windows import tumbling

WEEK_MS: Final = 7 * DAY_MS
FIRST_MONDAY_MS: Final = 4 * DAY_MS
"""1970-01-05: what weeks are counted from."""
_AFTERWARDS_MS: Final = 8 * DAY_MS
_UNDER_WAY: Final = frozenset({"scheduled", "attempting"})


class Rehearsal(Struct):
    """What came out.

    Attributes:
        records: how many went in.
        first_week: the Monday (00:00 UTC, ms) of the first record's week; -1 without any.
        weeks: whole or begun weeks from the first record's to the last one's.
        messages: by recipient and week (its Monday), messages sent.
        kinds: by kind of message, how many.
        items: interventions in all messages.
        held: by state and reason, deliveries as they were decided: `scheduled` is what was not held at all.
        deliveries: how many records met a recipient, or looked for one in vain.
        reasons: by reason, deliveries that ever waited or stopped for it; one may have several.
        ended: by state and reason, deliveries as they ended.
    """

    records: int = 0
    first_week: int = -1
    weeks: int = 0
    messages: dict[tuple[str, int], int] = field(default_factory=Counter)
    kinds: dict[str, int] = field(default_factory=Counter)
    items: int = 0
    held: Counter[str] = field(default_factory=Counter)
    deliveries: int = 0
    reasons: dict[str, int] = field(default_factory=Counter)
    ended: dict[str, int] = field(default_factory=Counter)

    def week_starts(self) -> range:
        """The Monday of every week."""
        return range(self.first_week, self.first_week + self.weeks * WEEK_MS, WEEK_MS)


class Rehearser:
    """A desk whose clock is the records'. Every message is accepted, and nobody answers, so reminders count in full.

    Memory holds what is open and counts by recipient and week, however many records come.
    """

    def __init__(self, directory: Directory, policy: Policy) -> None:
        self._desk = Desk(directory, policy)
        self._under_way: dict[str, Entry] = {}
        self._reasons: dict[str, set[str]] = {}
        self._now_ms = -1
        self._last_week = -1
        self._found = Rehearsal()

    def take(self, record: Intervention) -> None:
        """Let a record come in at the instant it was decided; records come in the order they were decided."""
        decided_ms, found = to_ms(parse_instant(record.decided_at)), self._found
        self._last_week = tumbling(decided_ms, WEEK_MS, FIRST_MONDAY_MS)[0]
        if found.records == 0:
            found.first_week, self._now_ms = self._last_week, decided_ms
        self._pass_time(decided_ms)
        rows = self._desk.decide(record, 0, found.records, self._now_ms)
        found.deliveries += sum(row.sequence == record.sequence for row in rows)
        found.held.update(_what(row) for row in rows if row.reason != "superseded")
        self._note(rows)
        self._bring_back()
        found.records += 1

    def close(self) -> Rehearsal:
        """Let what waits go out. Returns: everything that came of it."""
        found = self._found
        if found.records:
            self._pass_time(self._now_ms + _AFTERWARDS_MS)
            found.weeks = (self._last_week - found.first_week) // WEEK_MS + 1
        for row in self._under_way.values():
            found.ended[_what(row)] += 1
        self._under_way.clear()
        return found

    def _pass_time(self, until_ms: int) -> None:
        desk = self._desk
        while (wake_ms := desk.next_wake_ms()) <= until_ms and wake_ms < NEVER:
            self._now_ms = max(self._now_ms, wake_ms)
            for line in due_lines(desk, self._now_ms):
                self._send(line)
            self._bring_back()
        self._now_ms = max(self._now_ms, until_ms)

    def _send(self, line: Line) -> None:
        found, now_ms = self._found, self._now_ms
        taken = take(self._desk, line, now_ms)
        self._note(taken.rows)
        if taken.message is None:
            return
        found.messages[line[0], tumbling(now_ms, WEEK_MS, FIRST_MONDAY_MS)[0]] += 1
        found.kinds[taken.message.kind] += 1
        found.items += len(taken.message.items)
        self._note(finish(self._desk, line, None, now_ms))

    def _note(self, rows: list[Entry]) -> None:
        for row in rows:
            self._note_reason(row)
            if row.state in _UNDER_WAY:
                if row.key not in self._under_way and row.sent_ms is not None:
                    self._found.ended["sent"] -= 1  # it is to be said once more
                self._under_way[row.key] = row
            else:
                self._under_way.pop(row.key, None)
                self._reasons.pop(row.key, None)
                self._found.ended[_what(row)] += 1
        for intervention_id in self._desk.forgotten:
            self._desk.decided.pop(intervention_id, None)
        self._desk.forgotten.clear()

    def _note_reason(self, row: Entry) -> None:
        is_for_digest = row.state == "scheduled" and row.kind == "digest" and row.sent_ms is None
        reason = row.reason or ("digest" if is_for_digest else None)
        if reason is None or row.sent_ms is not None or reason == "superseded":
            return
        if reason == "no_recipient":
            reason = f"no_recipient:{row.recipient}"  # the audience that nobody serves
        known = self._reasons.setdefault(row.key, set())
        if reason not in known:
            known.add(reason)
            self._found.reasons[reason] += 1

    def _bring_back(self) -> None:
        """Machines' lines have room for everything here."""
        waiting, self._desk.spilled[:] = list(self._desk.spilled), []
        for entry in waiting:
            reload(self._desk, entry.line, [entry])


def rehearse(records: Iterable[Intervention], directory: Directory, policy: Policy) -> Rehearsal:
    """Let records come in, in the order given."""
    rehearser = Rehearser(directory, policy)
    for record in records:
        rehearser.take(record)
    return rehearser.close()


def _what(row: Entry) -> str:
    return f"{row.state}:{row.reason}" if row.reason else row.state
