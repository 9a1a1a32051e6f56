"""Messages off the desk: what a line may be sent now, and what follows from how it went.

The order on a line of people: what was begun is finished first; then each critical matter by itself, then everything
else that is due now as one message, then the digest. On a machine's line records go one by one, in order.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct

from streams.clock import HOUR_MS
from streams.delivery.budget import Spent
from streams.delivery.case import Book, Case, Frozen, Item, Message
from streams.delivery.desk import Desk, digest_day
from streams.delivery.digest import name_digest
from streams.delivery.entries import Entry, with_changes
from streams.delivery.people import RANK, Line
from streams.delivery.quiet_hours import quiet_until

_DIGEST_MAY_BE_LATE_MS: Final = HOUR_MS
"""A digest goes at its hour even if that is quiet, because somebody chose the hour; later than this it waits."""


class Retry(Struct, frozen=True):
    """It did not work this time. `reason` is a stable code."""

    reason: str
    due_ms: int


class Failed(Struct, frozen=True):
    """It will not work."""

    reason: str


class Taken(Struct, frozen=True):
    """What `take` gives: a message, if there is one, and rows that must be durable before it leaves."""

    message: Message | None
    rows: list[Entry]


def due_lines(desk: Desk, now_ms: int) -> list[Line]:
    """Name the lines that have something to do."""
    return [line for line, book in desk.books.items() if not book.busy and book.wake_ms <= now_ms]


def take(desk: Desk, line: Line, now_ms: int) -> Taken:
    """Take the next message of a line off the desk; the line is busy until `finish`."""
    book = desk.books[line]
    rows = _bring_reminders(desk, line, book, now_ms)
    if not book.frozen:
        rows += _compose(desk, line, book, now_ms)
    message = None
    while book.frozen and message is None:
        frozen = book.frozen[0]
        if frozen.due_ms <= now_ms:
            frozen.due_ms = _not_before(desk, line, book, frozen, now_ms)
        if frozen.due_ms > now_ms:
            break
        message = _begin(desk, line, book, now_ms, rows)
    book.settle()
    return Taken(message, rows)


def finish(desk: Desk, line: Line, outcome: Retry | Failed | None, now_ms: int) -> list[Entry]:
    """Hear how the message of a line fared; None: it was accepted. Returns: rows to be written."""
    book = desk.books[line]
    frozen, book.busy = book.frozen[0], False
    if isinstance(outcome, Retry) and now_ms - frozen.since_ms >= desk.policy.give_up_after_ms:
        outcome = Failed("gave_up")
    if isinstance(outcome, Retry):
        reason, frozen.due_ms = outcome.reason, outcome.due_ms
        frozen.entries = [
            with_changes(entry, state="scheduled", reason=reason, due_ms=frozen.due_ms, decided_ms=now_ms)
            for entry in frozen.entries
        ]
        book.settle()
        return frozen.entries
    book.frozen.popleft()
    rows = []
    for entry in frozen.entries:
        case = desk.cases[entry.intervention_id]
        case.holds -= 1
        if outcome is None:
            entry = with_changes(entry, state="sent", reason=None, due_ms=None, sent_ms=now_ms, decided_ms=now_ms)
            desk.remember_sent(entry, case)
            desk.plan_reminder(case, line, case.told[line])
        else:
            entry = with_changes(entry, state="failed", reason=outcome.reason, due_ms=None, decided_ms=now_ms)
        rows.append(entry)
        desk.let_go(case)
    book.settle()
    return rows


def reload(desk: Desk, line: Line, entries: Iterable[Entry]) -> None:
    """Bring entries back that did not fit into memory, in the order in which they left."""
    book = desk.books[line]
    for entry in entries:
        book.queue.append(entry)
        book.spilled -= 1
    book.settle()


def _begin(desk: Desk, line: Line, book: Book, now_ms: int, rows: list[Entry]) -> Message | None:
    """Settle one attempt of the first frozen message; None when nothing of it is still to be said."""
    frozen = book.frozen[0]
    kept = []
    for entry in frozen.entries:
        case = desk.cases[entry.intervention_id]
        if _is_moot(desk, case, entry):
            rows.append(_withhold(desk, case, entry, now_ms))
        else:
            kept.append(
                with_changes(entry, state="attempting", attempts=entry.attempts + 1, decided_ms=now_ms, reason=None)
            )
    frozen.entries = kept
    if not kept:
        book.frozen.popleft()
        return None
    rows += kept
    book.busy = True
    items = [Item(entry, desk.cases[entry.intervention_id].section(entry)) for entry in kept]
    items.sort(key=lambda item: (-RANK[desk.cases[item.entry.intervention_id].severity], item.entry.key))
    first = kept[0]
    return Message(
        message_id=frozen.message_id,
        line=line,
        kind=first.kind or "now",
        digest_id=first.digest_id,
        attempt=max(entry.attempts for entry in kept),
        items=tuple(items),
    )


def _not_before(desk: Desk, line: Line, book: Book, frozen: Frozen, now_ms: int) -> int:
    """What was begun respects quiet hours as well, when it is tried again; digests have been late once already."""
    critical = any(desk.cases[entry.intervention_id].severity == "critical" for entry in frozen.entries)
    if book.mode == "each" or critical or not any(entry.attempts for entry in frozen.entries):
        return now_ms
    recipient = desk.directory.recipients[line[0]]
    return quiet_until(desk.zone_of(line[0]), recipient.quiet, now_ms)


def _compose(desk: Desk, line: Line, book: Book, now_ms: int) -> list[Entry]:
    """Settle what the next messages of a line consist of. Returns: rows of what will not be in one, or not yet."""
    rows: list[Entry] = []
    while book.queue and not book.frozen:
        entry = book.queue.popleft()
        case = desk.cases[entry.intervention_id]
        if _is_moot(desk, case, entry):
            rows.append(_withhold(desk, case, entry, now_ms))
        else:
            _freeze(book, entry.key, [entry], now_ms)
    due = [entry for entry in book.pending.values() if (entry.due_ms or 0) <= now_ms]
    if book.frozen or not due:
        return rows
    for entry in due:
        if _is_moot(desk, desk.cases[entry.intervention_id], entry):
            del book.pending[entry.intervention_id]
            rows.append(_withhold(desk, desk.cases[entry.intervention_id], entry, now_ms))
    due = [entry for entry in due if entry.intervention_id in book.pending]
    soon = [entry for entry in due if entry.kind == "now"]
    critical = [entry for entry in soon if desk.cases[entry.intervention_id].severity == "critical"]
    if critical:
        for entry in sorted(critical, key=lambda entry: entry.key):
            _leave(book, [entry], entry.key, now_ms)
    elif soon:
        rows += _compose_now(desk, line, book, now_ms)
    elif due:
        rows += _compose_digest(desk, line, book, due, now_ms)
    return rows


def _compose_now(desk: Desk, line: Line, book: Book, now_ms: int) -> list[Entry]:
    """Everything that is to go soon leaves as one, unless it is night or enough was said."""
    recipient, local = desk.directory.recipients[line[0]], desk.zone_of(line[0])
    group = sorted(
        (entry for entry in book.pending.values() if entry.kind == "now"), key=lambda e: (e.decided_ms, e.key)
    )
    group = [entry for entry in group if desk.cases[entry.intervention_id].severity != "critical"]
    quiet_ms = quiet_until(local, recipient.quiet, now_ms)
    if quiet_ms > now_ms:
        return _reschedule(
            book, group, lambda entry: with_changes(entry, due_ms=quiet_ms, reason="quiet_hours", decided_ms=now_ms)
        )
    if not desk.spent.setdefault(recipient.id, Spent()).allows(local, recipient, now_ms):
        return _reschedule(book, group, lambda entry: desk.for_digest(entry, now_ms, "budget"))
    first = group[0]
    suffix = f"/r{first.reminders}" if first.sent_ms is not None else ""
    _leave(book, group, first.key + suffix, now_ms)
    return []


def _compose_digest(desk: Desk, line: Line, book: Book, due: list[Entry], now_ms: int) -> list[Entry]:
    recipient, local = desk.directory.recipients[line[0]], desk.zone_of(line[0])
    due_ms = max(entry.due_ms or 0 for entry in due)
    quiet_ms = quiet_until(local, recipient.quiet, now_ms)
    if quiet_ms > now_ms and now_ms - due_ms > _DIGEST_MAY_BE_LATE_MS:
        return _reschedule(
            book, due, lambda entry: with_changes(entry, due_ms=quiet_ms, reason="quiet_hours", decided_ms=now_ms)
        )
    name = name_digest(local, line[0], line[1], due_ms)
    if digest_day(name) <= book.digest_day:  # its own day is closed: people moved or clocks were set
        return _reschedule(book, due, lambda entry: desk.for_digest(entry, now_ms, entry.reason))
    book.digest_day = digest_day(name)
    _leave(book, [with_changes(entry, digest_id=name) for entry in due], name, now_ms)
    return []


def _reschedule(book: Book, entries: Iterable[Entry], change: Callable[[Entry], Entry]) -> list[Entry]:
    rows = []
    for entry in entries:
        book.pending[entry.intervention_id] = changed = change(entry)
        rows.append(changed)
    return rows


def _leave(book: Book, entries: list[Entry], message_id: str, now_ms: int) -> None:
    for entry in entries:
        del book.pending[entry.intervention_id]
    _freeze(book, message_id, entries, now_ms)


def _freeze(book: Book, message_id: str, entries: list[Entry], now_ms: int) -> None:
    named = [with_changes(entry, message_id=message_id) for entry in entries]
    book.frozen.append(Frozen(message_id, named, now_ms, now_ms))


def _is_moot(desk: Desk, case: Case, entry: Entry) -> bool:
    """Whether it is over before its line ever heard of it. A first attempt that may have arrived changes nothing."""
    if _is_now_critical(case, entry) or not desk.directory.concerns(entry.program_id, entry.recipient):
        return True
    if entry.sent_ms is not None:
        return case.state != "open"
    return case.is_over and entry.line not in case.told


def _is_now_critical(case: Case, entry: Entry) -> bool:
    """Whether people would be told of a critical matter because they were to be told of a smaller one.

    A message shows the newest record. Whoever may know of a critical one has an entry of its own for it.
    """
    return entry.kind != "each" and case.severity == "critical" and entry.severity != "critical"


def _withhold(desk: Desk, case: Case, entry: Entry, now_ms: int) -> Entry:
    case.holds -= 1
    if entry.sent_ms is not None:
        changed = with_changes(entry, state="sent", reason=None, due_ms=None, decided_ms=now_ms)
    else:
        reason = "resolved_before_sent"
        if _is_now_critical(case, entry):
            reason = "became_critical"
        elif not desk.directory.concerns(entry.program_id, entry.recipient):
            reason = "left_program"
        changed = with_changes(entry, state="withheld", reason=reason, due_ms=None, decided_ms=now_ms)
    desk.let_go(case)
    return changed


def _bring_reminders(desk: Desk, line: Line, book: Book, now_ms: int) -> list[Entry]:
    """Let what nobody has answered wait to be said again."""
    rows = []
    while book.reminders and book.reminders[0][0] <= now_ms:
        _, intervention_id, number = heapq.heappop(book.reminders)
        case = desk.cases.get(intervention_id)
        told = case.told.get(line) if case is not None else None
        if case is None or told is None or case.state != "open" or told.reminders != number - 1:
            continue
        if told.severity != case.severity:  # it became worse, and who was to hear of that was told anew
            continue
        if intervention_id in book.pending or any(
            entry.intervention_id == intervention_id for frozen in book.frozen for entry in frozen.entries
        ):
            continue
        entry = Entry(
            intervention_id=intervention_id,
            sequence=told.sequence,
            channel=line[1],
            recipient=line[0],
            program_id=case.program_id,
            state="scheduled",
            kind="now",
            due_ms=now_ms,
            decided_ms=now_ms,
            reason="reminder",
            sent_ms=told.sent_ms,
            reminders=number,
            severity=told.severity,
            partition=case.partition,
            offset=case.offset,
        )
        if RANK[case.severity] < RANK["high"]:
            entry = desk.for_digest(entry, now_ms, "reminder")
        desk.put(book, case, entry)
        rows.append(entry)
    return rows
