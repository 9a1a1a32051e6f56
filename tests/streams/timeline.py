"""Short timelines for tests: facts as in scenarios, and whatever else a journal holds, in between."""

from collections.abc import Iterable
from typing import Any

from schemas import outbound
from schemas.base import to_ms
from streams import ruleset
from streams.clock import DAY_MS
from streams.state.pair import PairState
from streams.state.participant import ParticipantState
from tests.scenarios.runner import NO_NEGLECT, START, Timeline, make_fact, offset_ms

START_MS = to_ms(START)


class Story(Timeline):
    """A timeline that is told line by line. Neglect is put off for ever unless the rule set has a table `neglect`."""

    def __init__(self, rules: dict[str, Any] | None = None) -> None:
        super().__init__({"neglect": NO_NEGLECT} | (rules or {}))
        self.number = 0

    def tell(self, fact: str, at: str, /, **fields: Any) -> None:
        """One fact; `arrives` may differ from `at`."""
        self.number += 1
        made, arrived_ms, topic = make_fact({"type": fact, "at": at, **fields}, self.number, START_MS)
        self.take(made, arrived_ms, topic)

    def tell_all(self, lines: Iterable[dict[str, Any]]) -> None:
        for line in lines:
            self.tell(
                line["type"], line["at"], **{name: value for name, value in line.items() if name not in ("type", "at")}
            )

    def go(self, at: str) -> None:
        self.move_to(offset_ms(at, START_MS))

    def activate(self, rules: dict[str, Any], backfill: str = "emit", scope: str = "*") -> None:
        self.engine.activate(
            ruleset.parse({"neglect": NO_NEGLECT} | rules), scope, backfill, self.engine.state.clock.now_ms
        )
        while not self.engine.settle():
            pass
        self.decisions += self.engine.decisions()

    def pair(self) -> PairState:
        record = self.engine.state.table.get(b"pprogram/pair")
        assert isinstance(record, PairState)
        return record

    def person(self, participant_id: str) -> ParticipantState:
        record = self.engine.state.table.get(f"mprogram/{participant_id}".encode())
        assert isinstance(record, ParticipantState)
        return record

    def told(self, rule: str) -> list[tuple[float, str, str | None]]:
        """Day, change, and stage or reason of everything a rule said."""
        return [
            (
                round((at - START_MS) / DAY_MS, 3),
                record.change,
                record.resolution.reason if record.resolution else record.stage,
            )
            for at, record in self.of(rule)
        ]

    def of(self, rule: str) -> list[tuple[int, outbound.Intervention]]:
        return [(at, record) for at, record in self.decisions if record.rule.id == rule]
