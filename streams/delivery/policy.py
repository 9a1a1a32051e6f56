"""The numbers of the policy that are the same for everybody. All of them are our choice; a setting overrides each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from streams.clock import DAY_MS, HOUR_MS, MINUTE_MS

_REMIND: Final = MappingProxyType({"critical": 30 * MINUTE_MS, "high": 12 * HOUR_MS, "warning": 2 * DAY_MS})


class Policy(Struct, frozen=True, kw_only=True):
    """How messages are timed.

    Attributes:
        group_wait_ms: how long what is not critical waits for company, so that a launch makes one message.
        now_within_ms: what was decided longer ago never goes by itself, only in a digest.
        remind_after_ms: by severity, how long after sending a coordinator is reminded of what nobody has answered;
            severities that are missing have no reminders. Each further reminder waits twice as long.
        reminders: most reminders of one message.
        give_up_after_ms: how long a message is tried before it is a dead letter.
        queue_limit: most records of a machine's way that are kept in memory; the rest waits in the topic.
        replayed: every record is history being replayed: nothing leaves.
        history_until_ms: what was decided up to this instant is history, too.
    """

    group_wait_ms: int = 30_000
    now_within_ms: int = 48 * HOUR_MS
    remind_after_ms: Mapping[str, int] = _REMIND
    reminders: int = 2
    give_up_after_ms: int = 3 * DAY_MS
    queue_limit: int = 1_000
    replayed: bool = False
    history_until_ms: int = -1
