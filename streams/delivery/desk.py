"""The desk: takes in records of `interventions` and decides what each line is told, and when.

It remembers cases (what is open), books (what waits on each line) and what each recipient was sent lately. All of it
can be made again from two topics: `fold` takes in records that were decided on before, `streams.delivery.recall` the
rows of `deliveries`. `streams.delivery.sending` takes messages off the desk and hears how they fared.

Every change is returned as entries. Nothing may leave before the entries it rests on are durable.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from datetime import date
from typing import Final

from schemas.outbound import Intervention
from streams.delivery.budget import Spent
from streams.delivery.case import ANSWERED, NEVER, Book, Case, Told
from streams.delivery.digest import next_digest_ms
from streams.delivery.entries import Entry, with_changes
from streams.delivery.people import Directory, Line, Recipient, Way
from streams.delivery.policy import Policy
from streams.delivery.quiet_hours import quiet_until
from streams.delivery.routing import Routed, route
from streams.zones import Zone, day_number, zone


class Desk:
    """See the module.

    Args:
        directory: who can be told.
        decided: where to remember what was decided on; it grows with every intervention there ever was.
    """

    def __init__(self, directory: Directory, policy: Policy, decided: MutableMapping[str, int] | None = None) -> None:
        self.directory: Final = directory
        self.policy: Final = policy
        self.cases: Final[dict[str, Case]] = {}
        self.books: Final[dict[Line, Book]] = {
            (one.id, way.channel): Book(way.mode) for one in directory.recipients.values() for way in one.ways
        }
        self.spent: Final[dict[str, Spent]] = {}
        self.decided: Final[MutableMapping[str, int]] = {} if decided is None else decided
        """Highest sequence decided on, by intervention: what is read again is no news."""
        self.spilled: Final[list[Entry]] = []
        """Entries that did not fit into memory; whoever hosts the desk takes them away and brings them back."""
        self.forgotten: Final[list[str]] = []
        """Interventions that are over and done with; taken away by whoever hosts the desk."""

    # Taking in what was decided on before

    def fold(self, record: Intervention, partition: int, offset: int) -> None:
        """Take in a record without deciding on it."""
        case = self.cases.setdefault(record.intervention_id, Case(record.intervention_id))
        if record.sequence > case.sequence:
            case.take(record, partition, offset)

    def remember_sent(self, entry: Entry, case: Case | None) -> None:
        """Count a message that was sent, and what its line knows now."""
        assert entry.sent_ms is not None
        if entry.kind != "each":
            self.spent.setdefault(entry.recipient, Spent()).add(entry.sent_ms, _name_apart_from_channel(entry))
        if case is not None:
            told = case.told.get(entry.line)
            if told is None or entry.sequence >= told.sequence:
                done = entry.reminders if entry.state == "sent" else max(0, entry.reminders - 1)
                case.told[entry.line] = Told(entry.sequence, entry.sent_ms, done, entry.severity)

    # Deciding

    def decide(self, record: Intervention, partition: int, offset: int, now_ms: int) -> list[Entry]:
        """Decide what becomes of a record, for each line that it concerns.

        Returns: rows to be written; none for a record that was decided on before.
        """
        if record.sequence <= self.decided.get(record.intervention_id, -1):
            return []
        self.decided[record.intervention_id] = record.sequence
        self.fold(record, partition, offset)
        case = self.cases[record.intervention_id]
        rows: list[Entry] = []
        dropped: set[Line] = set()
        if case.is_over or case.state in ANSWERED:
            rows += self._drop(case, now_ms, dropped)
        routes = route(record, self.directory)
        if case.is_closed:
            routes += self._told_besides(case, routes)
        for one in routes:
            rows += self.decide_line(record, case, one, now_ms, dropped)
        self.let_go(case)
        return rows

    def decide_line(
        self, record: Intervention, case: Case, routed: Routed, now_ms: int, dropped: set[Line]
    ) -> list[Entry]:
        """Decide for one line.

        Args:
            dropped: lines from which something of the same intervention was just taken back.
        """
        way = routed.way
        entry = Entry(
            intervention_id=record.intervention_id,
            sequence=record.sequence,
            channel=way.channel if way is not None else "none",
            recipient=routed.recipient,
            program_id=record.program_id,
            state="withheld",
            decided_ms=now_ms,
            severity=record.severity,
            partition=case.partition,
            offset=case.offset,
        )
        reason = self._why_not(record, case, routed, entry.line, dropped)
        if reason is not None or way is None:
            return [with_changes(entry, reason=reason)]
        if way.mode == "each":
            entry = with_changes(entry, state="scheduled", kind="each", due_ms=now_ms)
            case.holds += 1
            self.enqueue(self.books[entry.line], entry)
            return [entry]
        return self._schedule(record, case, with_changes(entry, state="scheduled"), now_ms)

    def _why_not(self, record: Intervention, case: Case, routed: Routed, line: Line, dropped: set[Line]) -> str | None:
        if routed.refused is not None:
            return routed.refused
        if self.policy.replayed or case.decided_ms <= self.policy.history_until_ms:
            return "replayed"
        if record.delivery == "none":
            return record.delivery_reason or "not_for_delivery"
        if line in dropped and case.is_over:
            return "resolved_before_sent"
        if case.is_over and line not in case.told and not self._is_begun(case, line):
            return "not_told"
        at_once = case.is_closed and not case.is_over
        return "at_once" if at_once and routed.way is not None and routed.way.mode == "timed" else None

    def _schedule(self, record: Intervention, case: Case, entry: Entry, now_ms: int) -> list[Entry]:
        """Put an entry on a timed line. What waited there of the same intervention is covered by it."""
        book, recipient = self.books[entry.line], self.directory.recipients[entry.recipient]
        soon = record.delivery == "now" and now_ms - case.decided_ms <= self.policy.now_within_ms
        rows = []
        waiting = book.pending.get(case.intervention_id)
        if waiting is not None:
            rows.append(self._put_back(waiting, "superseded", now_ms))
            case.holds -= 1
            soon = soon or waiting.kind == "now"
        if soon:
            critical = case.severity == "critical"
            due_ms = now_ms + (0 if critical else self.policy.group_wait_ms)
            quiet_ms = due_ms if critical else quiet_until(zone(recipient.timezone), recipient.quiet, due_ms)
            entry = with_changes(
                entry, kind="now", due_ms=quiet_ms, reason="quiet_hours" if quiet_ms > due_ms else None
            )
            if waiting is not None and waiting.kind == "now" and waiting.due_ms is not None:
                entry = with_changes(entry, due_ms=min(quiet_ms, waiting.due_ms))
        else:
            entry = self.for_digest(entry, now_ms, "too_old_for_now" if record.delivery == "now" else None)
        self.put(book, case, entry)
        return [*rows, entry]

    def for_digest(self, entry: Entry, now_ms: int, reason: str | None) -> Entry:
        """Move an entry to its recipient's next digest."""
        recipient, book = self.directory.recipients[entry.recipient], self.books[entry.line]
        after = book.digest_day if book.digest_day >= 0 else None
        due_ms = next_digest_ms(zone(recipient.timezone), recipient, now_ms, after)
        return with_changes(entry, kind="digest", due_ms=due_ms, reason=reason, decided_ms=now_ms)

    def _drop(self, case: Case, now_ms: int, dropped: set[Line]) -> list[Entry]:
        """Take back what was not sent yet: it is over, or somebody has answered."""
        rows: list[Entry] = []
        if not case.holds:
            return rows
        for line, book in self.books.items():
            entry = book.pending.pop(case.intervention_id, None)
            if entry is not None:
                reason = "resolved_before_sent" if case.is_over else "answered_before_sent"
                rows.append(self._put_back(entry, reason, now_ms))
                case.holds -= 1
                if line not in case.told:
                    dropped.add(line)
                book.settle()
        return rows

    def _put_back(self, entry: Entry, reason: str, now_ms: int) -> Entry:
        """Withhold an entry; a reminder that is no longer needed leaves behind that its message was sent."""
        if entry.sent_ms is not None:
            return with_changes(entry, state="sent", reason=None, due_ms=None, decided_ms=now_ms)
        return with_changes(entry, state="withheld", reason=reason, due_ms=None, decided_ms=now_ms)

    def _told_besides(self, case: Case, routes: list[Routed]) -> list[Routed]:
        """Those who know of it and are not addressed by its end: whoever was told should hear that it is over."""
        if case.severity == "critical":  # it was told when it was less; what it became is not theirs to know
            return []
        there = {(one.recipient, one.way.channel) for one in routes if one.way is not None}
        found = []
        for line in sorted(case.told.keys() - there):
            recipient = self.directory.recipients.get(line[0])
            way = _way_of(recipient, line[1]) if recipient is not None else None
            if way is not None:
                found.append(Routed(line[0], way))
        return found

    def _is_begun(self, case: Case, line: Line) -> bool:
        book = self.books.get(line)
        begun = (entry for frozen in book.frozen for entry in frozen.entries) if book is not None else ()
        return any(entry.intervention_id == case.intervention_id for entry in begun)

    # Shared with `streams.delivery.sending`

    def put(self, book: Book, case: Case, entry: Entry) -> None:
        """Let an entry wait on a timed line."""
        book.pending[case.intervention_id] = entry
        case.holds += 1
        if not book.frozen:
            book.wake_ms = min(book.wake_ms, entry.due_ms or 0)

    def enqueue(self, book: Book, entry: Entry) -> None:
        """Let an entry wait on a machine's line: in memory while there is room, else outside."""
        if book.spilled or len(book.queue) >= self.policy.queue_limit:
            book.spilled += 1
            self.spilled.append(entry)
            return
        book.queue.append(entry)
        if not book.frozen:
            book.wake_ms = min(book.wake_ms, book.queue[0].due_ms or 0)

    def plan_reminder(self, case: Case, line: Line, told: Told) -> None:
        """Ask to be woken for the next reminder, if one could come."""
        book, after_ms = self.books.get(line), self.policy.remind_after_ms.get(case.severity)
        if book is None or book.mode == "each" or after_ms is None or told.reminders >= self.policy.reminders:
            return
        if case.state == "open" and told.severity == case.severity:
            book.remind(told.sent_ms + after_ms * 2**told.reminders, case.intervention_id, told.reminders + 1)
            book.wake_ms = min(book.wake_ms, book.reminders[0][0])

    def let_go(self, case: Case) -> None:
        """Forget a case that is closed and of which nothing waits."""
        if case.is_closed and not case.holds and self.cases.pop(case.intervention_id, None) is not None:
            self.forgotten.append(case.intervention_id)

    def next_wake_ms(self) -> int:
        """When there is something to do next, if no record comes; `case.NEVER` when never."""
        return min((book.wake_ms for book in self.books.values() if not book.busy), default=NEVER)

    def zone_of(self, recipient: str) -> Zone:
        """The recipient's time zone."""
        return zone(self.directory.recipients[recipient].timezone)

    def low_water(self, partition: int, end: int) -> int:
        """From which offset on a partition has to be read to make this desk again; `end` when nothing is open."""
        lowest = min((case.offset for case in self.cases.values() if case.partition == partition), default=end)
        for book in self.books.values():
            waiting = [*book.queue, *(entry for frozen in book.frozen for entry in frozen.entries)]
            lowest = min([lowest, *(entry.offset for entry in waiting if entry.partition == partition)])
        return lowest


def digest_day(digest_id: str) -> int:
    """The local day of a digest."""
    return day_number(date.fromisoformat(digest_id.rpartition("/")[2]))


def _way_of(recipient: Recipient, channel: str) -> Way | None:
    return next((way for way in recipient.ways if way.channel == channel), None)


def _name_apart_from_channel(entry: Entry) -> str:
    if entry.digest_id is not None:
        return f"digest/{entry.digest_id.rpartition('/')[2]}"
    parts = (entry.message_id or entry.key).split("/")
    return "/".join([*parts[:2], *parts[4:]])
