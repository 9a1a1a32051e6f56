"""How many messages a coordinator would get in a week.

Deliveries, not interventions: a record that goes `now` is a message to everybody it is for, what goes by `digest` is
one message a recipient and local day, however much stands in it; what is withheld (`none`) is none. That is what the
records themselves ask for. Quiet hours, grouping and budgets of a notifier can only make it fewer.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct, field

from schemas.outbound import Intervention
from streams.backtest.episodes import week_of, weeks_between
from streams.backtest.programs import Program
from streams.calendar import zone

CAPACITY: Final = 20
"""Messages in a week that one coordinator can look after, unless somebody says otherwise."""
NOT_PEOPLE: Final = frozenset({"operators", "customer_success", "participant"})
"""Audiences whose messages do not reach a coordinator's desk."""
_NOBODY: Final = Program()


class Load(Struct):
    """Messages by recipient and week.

    Attributes:
        messages: recipient → week (its Monday, ms UTC) → messages.
        items: how many records each recipient's messages carry.
    """

    messages: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    items: Counter[str] = field(default_factory=Counter)
    _digests: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    def add(self, at_ms: int, record: Intervention, programs: Mapping[str, Program]) -> None:
        """Count the messages of one record, in any order."""
        if record.delivery == "none" or record.audience in NOT_PEOPLE:
            return
        program = programs.get(record.program_id, _NOBODY)
        for recipient in recipients(record, program):
            self.items[recipient] += 1
            if record.delivery == "now":
                self.messages[recipient][week_of(at_ms)] += 1
                continue
            day = zone(program.timezone).day_of(at_ms)
            if day not in self._digests[recipient]:
                self._digests[recipient].add(day)
                self.messages[recipient][week_of(at_ms)] += 1

    def cells(self, programs: Mapping[str, Program], first_ms: int, last_ms: int) -> Iterator[tuple[str, int, int]]:
        """Every coordinator and week as (recipient, week, messages), weeks without any included."""
        everybody = {name for program in programs.values() for name in program.coordinator_ids}
        for recipient in sorted(everybody | set(self.messages)):
            weeks = self.messages.get(recipient, Counter())
            for week in weeks_between(first_ms, last_ms):
                yield recipient, week, weeks[week]

    def tree(self, programs: Mapping[str, Program], span: tuple[int, int] | None, capacity: int) -> dict[str, Any]:
        """As `summary.json` tells it; `span` is from the first decision to the last (ms UTC), None without any."""
        counts = sorted(count for _, _, count in self.cells(programs, *span)) if span is not None else []
        return {
            "coordinators": len(self.messages),
            "coordinator_weeks": len(counts),
            "messages": sum(counts),
            "items": sum(self.items.values()),
            "median": quantile(counts, 0.5),
            "p90": quantile(counts, 0.9),
            "most": counts[-1] if counts else None,
            "capacity": capacity,
            "weeks_over_capacity": sum(count > capacity for count in counts),
        }


def recipients(record: Intervention, program: Program) -> tuple[str, ...]:
    """Who gets a record: pseudonyms, or one name for a program that names nobody."""
    nobody = (f"({record.audience} of {record.program_id})",)
    if record.audience == "safeguarding" and program.safeguarding_contact_id is not None:
        return (program.safeguarding_contact_id,)
    if record.audience in ("backup_coordinator", "safeguarding") and program.backup_coordinator_ids:
        return program.backup_coordinator_ids
    return program.coordinator_ids or nobody


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """Quantile of sorted values with linear interpolation (Hyndman and Fan's type 7); None of nothing."""
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return round(ordered[below] + (ordered[above] - ordered[below]) * (place - below), 4)
