"""A desk with a clock, a log and people, for tests: what the notifier does, without any I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from schemas.base import parse_instant, to_ms
from schemas.outbound import (
    Intervention,
    Resolution,
    RuleReference,
    Subject,
    SuggestedAction,
    moment,
)
from streams.clock import DAY_MS, HOUR_MS, MINUTE_MS
from streams.delivery.case import NEVER, Message
from streams.delivery.desk import Desk
from streams.delivery.entries import Entry, entry_of, row_of
from streams.delivery.people import Directory, Program, Recipient, Way
from streams.delivery.policy import Policy
from streams.delivery.recall import recall
from streams.delivery.sending import Failed, Retry, due_lines, finish, reload, take

TUESDAY = to_ms(parse_instant("2026-06-02T10:00:00Z"))
"""Mid-morning of a working day in UTC."""

ANNA = Recipient(id="anna", ways=(Way("email"),))
BOB = Recipient(id="bob", ways=(Way("email"), Way("chat", "timed", "high")), timezone="America/New_York")
SAFE = Recipient(id="safe", ways=(Way("email"),))
OPS = Recipient(id="ops", ways=(Way("chat"),), programs=frozenset("*"), audiences=frozenset({"operators"}))
HOOK = Recipient(
    id="hook",
    ways=(Way("webhook", "each"),),
    programs=frozenset("*"),
    audiences=frozenset({"coordinator", "backup_coordinator"}),
)
PROGRAM = Program(program_id="p", coordinators=("anna",), backups=("bob",), safeguarding="safe")


def record(
    intervention_id: str = "i1",
    sequence: int = 0,
    at_ms: int = TUESDAY,
    change: str = "opened",
    state: str = "open",
    delivery: str = "digest",
    severity: str = "warning",
    audience: str = "coordinator",
    delivery_reason: str | None = None,
    resolution: str | None = None,
    rule: str = "rating.low",
    program_id: str = "p",
) -> Intervention:
    """A record of an episode, with what matters to delivery."""
    fields: dict[str, Any] = {
        "intervention_id": intervention_id,
        "sequence": sequence,
        "change": change,
        "state": state,
        "rule": RuleReference(rule, 1, "0" * 32),
        "rule_class": "safety" if rule == "safety.concern" else "reactive",
        "severity": severity,
        "stage": None,
        "program_id": program_id,
        "subject": Subject("pair", "pair-1"),
        "pair_ids": ["pair-1"],
        "participant_ids": ["m", "n"],
        "cause": None,
        "summary": f"Something about {intervention_id}.",
        "evidence": [],
        "actions": [SuggestedAction(code="reach_out", party="mentee", order=1, needs_approval=False, unlocked=True)],
        "delivery": delivery,
        "delivery_reason": delivery_reason,
        "audience": audience,
        "opened_at": moment(at_ms),
        "decided_at": moment(at_ms),
        "resolution": Resolution(resolution) if resolution is not None else None,  # type: ignore[arg-type]
    }
    return Intervention(**fields)


def resolved(intervention_id: str = "i1", sequence: int = 1, at_ms: int = TUESDAY, **other: Any) -> Intervention:
    """The end of an episode."""
    return record(
        intervention_id, sequence, at_ms, "resolved", "resolved", **{"resolution": "condition_cleared"} | other
    )


class World:
    """Feeds a desk, obeys it, and can be struck by a crash at any moment.

    Attributes:
        log: the newest row of every key, as bytes, as `deliveries` would hold it.
        sent: messages that were accepted, in order, with the instant.
        attempts: every attempt.
    """

    def __init__(
        self,
        people: Sequence[Recipient] = (ANNA, BOB, SAFE, OPS),
        programs: Sequence[Program] = (PROGRAM,),
        policy: Policy | None = None,
    ) -> None:
        self.people, self.programs, self.policy = people, list(programs), policy or Policy()
        self.desk = self._new_desk()
        self.records: list[Intervention] = []
        self.log: dict[str, bytes] = {}
        self.history: list[Entry] = []
        self.sent: list[tuple[int, Message]] = []
        self.attempts: list[tuple[int, Message]] = []
        self.told_critical: set[str] = set()
        self.outside: dict[tuple[str, str], list[Entry]] = {}
        self.now_ms = TUESDAY
        self.answer: Callable[[Message], Retry | Failed | None] = lambda _: None

    def _new_desk(self) -> Desk:
        return Desk(Directory(self.people, {one.program_id: one for one in self.programs}), self.policy)

    def write(self, rows: list[Entry]) -> None:
        for entry in rows:
            self.log[entry.key] = row_of(entry)
        self.history += rows

    def feed(self, *records: Intervention) -> list[Entry]:
        """Read records from the topic at this moment."""
        rows: list[Entry] = []
        for one in records:
            self.records.append(one)
            rows += self.desk.decide(one, 0, len(self.records) - 1, self.now_ms)
        self.write(rows)
        self._carry()
        return rows

    def work(self) -> None:
        """Do all that is due at this moment."""
        while lines := due_lines(self.desk, self.now_ms):
            for line in lines:
                message = self.begin(line)
                if message is not None:
                    self.end(message)
            self._carry()

    def begin(self, line: tuple[str, str]) -> Message | None:
        taken = take(self.desk, line, self.now_ms)
        self.write(taken.rows)
        if taken.message is not None:
            self.attempts.append((self.now_ms, taken.message))
            cases = [self.desk.cases[item.entry.intervention_id] for item in taken.message.items]
            if taken.message.kind != "each" and any(case.severity == "critical" for case in cases):
                self.told_critical.add(line[0])
        return taken.message

    def end(self, message: Message) -> None:
        outcome = self.answer(message)
        if outcome is None:
            self.sent.append((self.now_ms, message))
        self.write(finish(self.desk, message.line, outcome, self.now_ms))

    def pass_time(self, until_ms: int) -> None:
        """Let time pass, doing what becomes due."""
        self.work()
        while (wake_ms := self.desk.next_wake_ms()) <= until_ms and wake_ms < NEVER:
            self.now_ms = max(self.now_ms, wake_ms)
            self.work()
        self.now_ms = max(self.now_ms, until_ms)

    def crash(self) -> None:
        """Lose everything but the two topics, and start again."""
        old = self.desk
        water = min(
            old.low_water(0, len(self.records)), *[e.offset for es in self.outside.values() for e in es], 1 << 60
        )
        self.desk, self.outside = self._new_desk(), {}
        for offset, one in list(enumerate(self.records))[water:]:
            self.desk.fold(one, 0, offset)
        self.write(recall(self.desk, [entry_of(row) for row in self.log.values()], self.now_ms))
        self._carry()

    def states(self) -> dict[str, str]:
        """The state of every key, with the reason behind a colon."""
        rows = {key: entry_of(row) for key, row in self.log.items()}
        return {key: row.state + (f":{row.reason}" if row.reason else "") for key, row in rows.items()}

    def _carry(self) -> None:
        """What the host of a desk does with entries that do not fit into memory."""
        for entry in self.desk.spilled:
            self.outside.setdefault(entry.line, []).append(entry)
        self.desk.spilled.clear()
        for line, waiting in self.outside.items():
            book = self.desk.books[line]
            if waiting and len(book.queue) <= self.policy.queue_limit // 2:
                count = self.policy.queue_limit - len(book.queue)
                self.outside[line] = waiting[count:]
                reload(self.desk, line, waiting[:count])


__all__ = ["ANNA", "BOB", "DAY_MS", "HOOK", "HOUR_MS", "MINUTE_MS", "OPS", "PROGRAM", "SAFE", "TUESDAY", "World"]
