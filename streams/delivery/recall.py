"""Making a desk again: what the delivery log says, and whom it has not reached yet.

After `Desk.fold` has taken in the records, `recall` takes in the rows. At the first start there are none, and
`open_digest` decides on what is open; later `tell_newcomers` does so for people who have become known since.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from schemas.outbound import Intervention
from streams.delivery.case import ANSWERED, Frozen
from streams.delivery.desk import Desk, digest_day
from streams.delivery.entries import Entry, with_changes
from streams.delivery.people import Line
from streams.delivery.routing import route


def recall(desk: Desk, rows: Iterable[Entry], now_ms: int) -> list[Entry]:
    """Take in what `deliveries` says, after `fold`; what was under way is due at once, under its old id.

    Returns: rows to be written, for what can no longer be sent.
    """
    lost: list[Entry] = []
    begun: dict[tuple[Line, str], list[Entry]] = {}
    queued: dict[Line, list[Entry]] = {}
    for entry in rows:
        desk.decided[entry.intervention_id] = max(
            entry.sequence, desk.decided.get(entry.intervention_id, entry.sequence)
        )
        case, book = desk.cases.get(entry.intervention_id), desk.books.get(entry.line)
        if entry.sent_ms is not None:
            desk.remember_sent(entry, case)
        if book is not None and entry.digest_id is not None and entry.attempts:
            book.digest_day = max(book.digest_day, digest_day(entry.digest_id))
        if entry.state not in ("scheduled", "attempting"):
            continue
        if book is None or case is None:
            reason = "no_such_way" if book is None else "record_lost"
            lost.append(with_changes(entry, state="withheld", reason=reason, decided_ms=now_ms))
            continue
        case.holds += 1
        if entry.message_id is not None:
            begun.setdefault((entry.line, entry.message_id), []).append(entry)
        elif book.mode == "each":
            queued.setdefault(entry.line, []).append(entry)
        else:
            book.pending[entry.intervention_id] = entry
    for (line, message_id), entries in sorted(begun.items()):
        entries.sort(key=lambda entry: entry.key)
        interrupted = any(entry.state == "attempting" for entry in entries)
        due_ms = now_ms if interrupted else min(entry.due_ms or 0 for entry in entries)
        desk.books[line].frozen.append(Frozen(message_id, entries, due_ms, min(e.decided_ms for e in entries)))
    for line, entries in queued.items():
        for entry in sorted(entries, key=lambda entry: (entry.partition, entry.offset)):
            desk.enqueue(desk.books[line], entry)
    for case in list(desk.cases.values()):
        for line, told in case.told.items():
            desk.plan_reminder(case, line, told)
        desk.let_go(case)
    for book in desk.books.values():
        book.settle()
    return lost


def open_digest(desk: Desk, records: Iterable[Intervention], now_ms: int) -> list[Entry]:
    """At the first start: decide on what is open, so that it comes in one digest; given the newest record of each.

    What should go at once and is young enough does, because a call for help does not wait until tomorrow.
    """
    rows: list[Entry] = []
    for record in records:
        case = desk.cases[record.intervention_id]
        if record.sequence <= desk.decided.get(record.intervention_id, -1):
            continue
        desk.decided[record.intervention_id] = record.sequence
        if not case.is_closed and case.state not in ANSWERED:
            for one in route(record, desk.directory):
                rows += desk.decide_line(record, case, one, now_ms, set())
        desk.let_go(case)
    return rows


def tell_newcomers(
    desk: Desk, records: Iterable[Intervention], told: Collection[tuple[str, str]], now_ms: int
) -> list[Entry]:
    """Decide on what is open for people who have become known, or joined a program, since it was decided on.

    Args:
        records: the newest record of each open intervention.
        told: intervention and recipient of everything that was ever decided on for somebody who can be reached.
    """
    rows: list[Entry] = []
    for record in records:
        case = desk.cases[record.intervention_id]
        if case.is_closed or case.state in ANSWERED or case.silent:
            continue
        for one in route(record, desk.directory):
            if one.way is not None and (record.intervention_id, one.recipient) not in told:
                rows += desk.decide_line(record, case, one, now_ms, set())
    return rows
