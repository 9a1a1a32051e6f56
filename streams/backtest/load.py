"""How many messages a coordinator would get in a week.

Deliveries, not interventions: what a notifier would have sent under its policy (`streams.delivery`), with quiet hours,
digests, groups, budgets and reminders. Coordinators whose programs have nothing to do with one another share no budget
and no digest, so each such group has a desk of its own, which is asked about its own records only.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct, field

from schemas.outbound import Intervention
from streams.backtest.episodes import weeks_between
from streams.backtest.programs import Program
from streams.delivery.people import Directory, Recipient, Way
from streams.delivery.people import Program as Served
from streams.delivery.policy import Policy
from streams.delivery.rehearsal import Rehearsal, Rehearser

CAPACITY: Final = 20
"""Messages in a week that one coordinator can look after, unless somebody says otherwise."""


class People(Struct, frozen=True):
    """Who is told, and how: as a notifier's own file says, or whoever programs name, by mail and the defaults."""

    recipients: tuple[Recipient, ...] = ()
    policy: Policy | None = None  # the default one; stated, it could not be sent to another process
    #: what a report says of it: `defaults`, or the SHA-256 of the file
    source: str = "defaults"


class Load(Struct):
    """Messages by recipient and week, summed over desks.

    Attributes:
        messages: recipient → week (its Monday, ms UTC) → messages.
        kinds: by kind of message, how many.
        items: how many records stand in all messages.
        held: by state and reason, deliveries as they were decided.
        known: everybody who coordinates a program, with or without a message.
    """

    messages: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    kinds: Counter[str] = field(default_factory=Counter)
    items: int = 0
    held: Counter[str] = field(default_factory=Counter)
    known: set[str] = field(default_factory=set)

    def add(self, found: Rehearsal) -> None:
        """Take in what came of one desk."""
        for (recipient, week), count in found.messages.items():
            self.messages[recipient][week] += count
        self.kinds.update(found.kinds)
        self.held.update(found.held)
        self.items += found.items

    def cells(self, span: tuple[int, int]) -> Iterator[tuple[str, int, int]]:
        """Every recipient and week of a span as (recipient, week, messages), weeks without any included."""
        for recipient in sorted(self.known | set(self.messages)):
            weeks = self.messages.get(recipient, Counter())
            for week in weeks_between(*span):
                yield recipient, week, weeks[week]

    def tree(self, span: tuple[int, int] | None, capacity: int) -> dict[str, Any]:
        """As `summary.json` tells it; `span`: first and last instant counted (ms UTC), None without any."""
        counts = sorted(count for _, _, count in self.cells(span)) if span is not None else []
        decided = sum(self.held.values())
        return {
            "coordinators": sum(1 for weeks in self.messages.values() if weeks),
            "coordinator_weeks": len(counts),
            "messages": sum(counts),
            "messages_by_kind": dict(sorted(self.kinds.items())),
            "items": self.items,
            "median": quantile(counts, 0.5),
            "p90": quantile(counts, 0.9),
            "most": counts[-1] if counts else None,
            "capacity": capacity,
            "weeks_over_capacity": sum(count > capacity for count in counts),
            "decided": {name: round(count / decided, 4) for name, count in sorted(self.held.items())},
        }


def measure(records: Iterable[Intervention], programs: Mapping[str, Program], people: People) -> Load:
    """Let a run's records pass the notifier's policy.

    Args:
        records: in the order they were decided, all partitions merged.
        programs: as they stood at the end.
    """
    policy = people.policy if people.policy is not None else Policy()
    desks: dict[str, Rehearser] = {}
    groups = _groups(programs, people)
    total = Load()
    for name, members in groups.items():
        served = {one: _served(one, programs[one]) for one in members}
        recipients = people.recipients or _everybody(served.values())
        total.known |= {name for one in served.values() for name in one.coordinators}
        desk = Rehearser(Directory(recipients, served), policy)
        desks |= dict.fromkeys(members, desk)
        desks[name] = desk
    for record in records:
        found = desks.get(record.program_id)
        if found is None:
            served = {record.program_id: _served(record.program_id, Program())}
            total.known |= set(served[record.program_id].coordinators)
            found = desks[record.program_id] = Rehearser(
                Directory(people.recipients or _everybody(served.values()), served), policy
            )
        found.take(record)
    for desk in {id(one): one for one in desks.values()}.values():
        total.add(desk.close())
    return total


def _groups(programs: Mapping[str, Program], people: People) -> dict[str, list[str]]:
    """Programs that share somebody, by the first of them; all in one group where a file says who is told."""
    names = sorted(programs)
    if people.recipients and names:
        return {names[0]: names}
    leader: dict[str, str] = {}

    def find(name: str) -> str:
        while (above := leader.setdefault(name, name)) != name:
            name = above
        return name

    for name in names:
        for person in _people_of(programs[name]):
            first, other = sorted((find(f"program {name}"), find(f"person {person}")))
            leader[other] = first
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[find(f"program {name}")].append(name)
    return {members[0]: members for members in groups.values()}


def _people_of(program: Program) -> tuple[str, ...]:
    contact = (program.safeguarding_contact_id,) if program.safeguarding_contact_id is not None else ()
    return (*program.coordinator_ids, *program.backup_coordinator_ids, *contact)


def _served(name: str, program: Program) -> Served:
    return Served(
        program_id=name,
        # A program that names nobody has somebody all the same, or its messages would be nobody's.
        coordinators=program.coordinator_ids or (f"(coordinator of {name})",),
        backups=program.backup_coordinator_ids,
        safeguarding=program.safeguarding_contact_id,
        timezone=program.timezone,
    )


def _everybody(programs: Iterable[Served]) -> tuple[Recipient, ...]:
    """Everybody whom programs name, by mail, in the time zone of the first program that names them."""
    found: dict[str, Recipient] = {}
    for one in programs:
        for name in (*one.coordinators, *one.backups, *((one.safeguarding,) if one.safeguarding else ())):
            found.setdefault(name, Recipient(id=name, ways=(Way("email"),), timezone=one.timezone))
    return tuple(found.values())


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """Quantile of sorted values with linear interpolation (Hyndman and Fan's type 7); None of nothing."""
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return round(ordered[below] + (ordered[above] - ordered[below]) * (place - below), 4)
