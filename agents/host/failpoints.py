"""Failpoints: places where a test makes a real worker die or stop. They cost one comparison with None when unset.

`EBB_FAILPOINT="name:count:action"`, several separated by commas; the action happens at the count-th passage (1 = the
first):

    name              passed
    after_own         the lane owns its partition, nothing is read yet
    mid_recovery      after each batch of state rows read
    after_recover     state restored, before the journal is sought
    after_apply       a unit is applied, nothing of it written
    after_begin       a transaction has begun
    between_batches   after each record batch handed to the producer
    before_commit     every batch is acknowledged, the commit is not sent
    after_commit      the commit is acknowledged

    ingest_after_dead_letter     the broker has acknowledged dead letters, their positions are not committed
    ingest_after_journal_ack     the broker has acknowledged journal entries, their positions are not committed
    ingest_before_offset_commit  positions are about to be committed

    notifier_after_poll          records were read, nothing is decided
    notifier_after_decision      records are decided, no row is written
    notifier_before_commit       rows are acknowledged, their transaction is not committed
    notifier_after_commit        rows and position are durable
    notifier_before_send         the attempt is logged, nothing was sent
    notifier_after_send          the receiver has accepted, nothing is logged
    notifier_after_outcome       the outcome is logged
    notifier_mid_restore         topics are read, what was under way is not resumed

    action  kill  SIGKILL to ourselves
            stop  SIGSTOP to ourselves (somebody else sends SIGCONT)
            exit  os._exit(1)
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping

VARIABLE = "EBB_FAILPOINT"
NAMES = frozenset(
    (
        "after_own",
        "mid_recovery",
        "after_recover",
        "after_apply",
        "after_begin",
        "between_batches",
        "before_commit",
        "after_commit",
        "ingest_after_dead_letter",
        "ingest_after_journal_ack",
        "ingest_before_offset_commit",
        "notifier_after_poll",
        "notifier_after_decision",
        "notifier_before_commit",
        "notifier_after_commit",
        "notifier_before_send",
        "notifier_after_send",
        "notifier_after_outcome",
        "notifier_mid_restore",
    )
)
Failpoint = Callable[[str], None]


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _exit() -> None:
    os._exit(1)


_ACTIONS: dict[str, Callable[[], None]] = {"kill": _kill, "stop": _stop, "exit": _exit}


def failpoint_from(environment: Mapping[str, str]) -> Failpoint | None:
    """Read `EBB_FAILPOINT`; None when it is unset or empty.

    Raises: ValueError when it names no failpoint, no positive count or no action.
    """
    text = environment.get(VARIABLE, "")
    if not text:
        return None
    waiting: dict[str, list[tuple[int, Callable[[], None]]]] = {}
    for part in text.split(","):
        name, count, action = part.split(":")
        if name not in NAMES or action not in _ACTIONS or int(count) < 1:
            raise ValueError(f"{VARIABLE}: {part!r} is not name:count:action")
        waiting.setdefault(name, []).append((int(count), _ACTIONS[action]))
    passages = dict.fromkeys(waiting, 0)

    def failpoint(name: str) -> None:
        if name in waiting:
            passages[name] += 1
            for count, act in waiting[name]:
                if count == passages[name]:
                    act()

    return failpoint
