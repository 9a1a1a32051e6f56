"""What the desk remembers of one intervention, and of each way that is waiting for something."""

from __future__ import annotations

import heapq
from collections import deque
from typing import Final, Literal

from msgspec import Struct

from schemas.base import parse_instant, to_ms
from schemas.interventions import Change, Severity, State
from schemas.outbound import Intervention
from streams.delivery.entries import Entry, Kind
from streams.delivery.people import Line, Mode

CLOSED: Final = frozenset({"resolved", "expired", "retracted"})
ANSWERED: Final = frozenset({"acknowledged", "snoozed"})
NEVER: Final = 1 << 62

Section = Literal["new", "worse", "news", "waiting", "closed"]


class Told(Struct):
    """What one line was told of one intervention."""

    sequence: int
    sent_ms: int
    reminders: int = 0
    severity: Severity | None = None


class Case:
    """One intervention that is open, or has something left to be sent.

    Attributes:
        holds: entries of it that wait anywhere.
        silent: its newest record says that it is not for sending (shadow, withheld by another rule, …).
    """

    __slots__ = (
        "change",
        "decided_ms",
        "delivery",
        "holds",
        "intervention_id",
        "offset",
        "partition",
        "program_id",
        "reason",
        "sequence",
        "severity",
        "silent",
        "state",
        "told",
    )

    def __init__(self, intervention_id: str) -> None:
        self.intervention_id: Final = intervention_id
        self.program_id = ""
        self.partition = self.offset = -1
        self.sequence = -1
        self.state: State = "open"
        self.change: Change = "opened"
        self.severity: Severity = "info"
        self.delivery = "none"
        self.decided_ms = 0
        self.reason: str | None = None
        self.silent = False
        self.holds = 0
        self.told: dict[Line, Told] = {}

    def take(self, record: Intervention, partition: int, offset: int) -> None:
        """Move to a newer record of the episode."""
        self.program_id = record.program_id
        self.partition, self.offset, self.sequence = partition, offset, record.sequence
        self.state, self.change, self.severity = record.state, record.change, record.severity
        self.delivery, self.decided_ms = record.delivery, to_ms(parse_instant(record.decided_at))
        self.reason = record.resolution.reason if record.resolution is not None else None
        if record.delivery_reason != "coordinator_action":
            self.silent = record.delivery == "none"

    @property
    def is_over(self) -> bool:
        """Closed, and not merely because it is closed as soon as it is said."""
        return self.state in CLOSED and self.reason != "at_once"

    @property
    def is_closed(self) -> bool:
        return self.state in CLOSED

    def section(self, entry: Entry) -> Section:
        """Where it stands in a message to the entry's line."""
        told = self.told.get(entry.line)
        if self.is_over:
            return "closed"
        if entry.sent_ms is not None:
            return "waiting"
        if told is None:
            return "new"
        return "worse" if self.change in ("escalated", "woken") else "news"


class Item(Struct, frozen=True):
    """One intervention in a message."""

    entry: Entry
    section: Section


class Message(Struct, frozen=True, kw_only=True):
    """What is to be sent now.

    Attributes:
        message_id: the same at each attempt, so that a receiver can tell a repeat.
        attempt: 1 at the first.
    """

    message_id: str
    line: Line
    kind: Kind
    digest_id: str | None
    attempt: int
    items: tuple[Item, ...]


class Frozen:
    """A message whose first attempt was begun: what is in it is settled."""

    __slots__ = ("due_ms", "entries", "message_id", "since_ms")

    def __init__(self, message_id: str, entries: list[Entry], due_ms: int, since_ms: int) -> None:
        self.message_id: Final = message_id
        self.entries = entries
        self.due_ms = due_ms
        self.since_ms = since_ms


class Book:
    """What waits on one line.

    Attributes:
        pending: on a timed line at most one entry for each intervention, not in a message yet.
        queue: on a machine's line the records to be sent, in order; a beginning of them when `spilled` is above 0.
        frozen: messages that were begun and not finished; the first is worked on.
        reminders: (due, intervention, number) to be looked at.
        digest_day: the local day of the last digest that was begun, -1 for none.
        busy: an attempt is under way.
    """

    __slots__ = ("busy", "digest_day", "frozen", "mode", "pending", "queue", "reminders", "spilled", "wake_ms")

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self.pending: dict[str, Entry] = {}
        self.queue: deque[Entry] = deque()
        self.frozen: deque[Frozen] = deque()
        self.reminders: list[tuple[int, str, int]] = []
        self.spilled = 0
        self.digest_day = -1
        self.busy = False
        self.wake_ms = NEVER

    def settle(self) -> None:
        """Work out when to look at this line next."""
        if self.frozen:
            self.wake_ms = self.frozen[0].due_ms
        elif self.queue:
            self.wake_ms = self.queue[0].due_ms or 0
        else:
            self.wake_ms = min((entry.due_ms or 0 for entry in self.pending.values()), default=NEVER)
        if self.reminders:
            self.wake_ms = min(self.wake_ms, self.reminders[0][0])

    def remind(self, due_ms: int, intervention_id: str, number: int) -> None:
        """Look at an intervention again at an instant."""
        heapq.heappush(self.reminders, (due_ms, intervention_id, number))
