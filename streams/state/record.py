"""What every stored record shares: a schema version, the wake-up times its rules asked for, and episodes."""

from collections.abc import Iterable
from typing import Final

import msgspec

from streams.state.episode import OPEN, SNOOZED, Episode, Phase

#: Schema version of the records written by this code. Later code reads earlier versions, earlier code refuses later
#: ones.
VERSION: Final = 4
NEVER: Final = 0
#: timer code of a record's own housekeeping: a provisional pair expires, a pause ends
HOUSEKEEPING: Final = 0
#: timer code of what happens to open episodes by the clock alone: neglect, a lapse, the end of a snooze
LIFE: Final = -1


class OpenHead(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The first fields of a stored episode, in its order: enough to tell whether it is open, and its id."""

    rule: int
    member: str
    phase: Phase = Phase.ARMED
    number: int = 0
    rung: int = 0
    severity: int = 0
    id: str = ""


class Head(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The first fields of a stored record, in the order of `Record`: what a restart has to know of each.

    What stands behind them is skipped and not built, which makes a restart several times faster.
    """

    v: int
    armed_ms: int = NEVER
    timers: msgspec.Raw = msgspec.Raw(b"")
    episodes: tuple[OpenHead, ...] = ()


def open_ids(episodes: Iterable[OpenHead]) -> list[str]:
    """Ids of the interventions that are open."""
    return [each.id for each in episodes if OPEN <= each.phase <= SNOOZED]


class Record(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """Base of the records of pairs, participants and programs.

    Records, and all that stands in them, are hidden from the cycle collector (`gc=False`): none leads back to itself,
    and there are hundreds of thousands.

    `armed_ms` is the one live entry of this record among the partition's timers (`NEVER` = none). It is stored, so
    that the timers rebuilt after a restart are those that were lost.
    """

    v: int = VERSION
    armed_ms: int = NEVER
    #: rule code → instant (ms UTC) at which that rule wants to look again; `HOUSEKEEPING` and `LIFE` are not rules'
    timers: dict[int, int] = {}
    episodes: tuple[Episode, ...] = ()

    def episode(self, rule: int, member: str = "") -> Episode | None:
        for episode in self.episodes:
            if episode.rule == rule and episode.member == member:
                return episode
        return None

    def open_episode(self, rule: int, member: str = "") -> Episode | None:
        episode = self.episode(rule, member)
        return episode if episode is not None and OPEN <= episode.phase <= SNOOZED else None

    def drop_episode(self, rule: int, member: str) -> None:
        self.episodes = tuple([each for each in self.episodes if (each.rule, each.member) != (rule, member)])

    def next_due_ms(self) -> int:
        return min(self.timers.values()) if self.timers else NEVER
