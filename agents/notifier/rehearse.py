"""`ebb notifier rehearse`: a backtest's interventions.jsonl through the policy, as a table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

from msgspec import Struct

from agents.notifier.config import Config, load
from agents.notifier.restore import Programs
from schemas.outbound import Intervention, decode_intervention
from streams.delivery.people import Directory, Program, Recipient, Way
from streams.delivery.rehearsal import Rehearsal, rehearse


class Share(Struct, frozen=True):
    """Messages per week of a group of recipients, weeks without any included."""

    recipients: int
    median: float
    p90: float
    most: int


class Load(Struct, frozen=True):
    """Messages per recipient and week, and why what was held was held.

    Attributes:
        weeks: weeks, from a Monday in UTC each, that are counted for `roles`.
        messages, items: all that were sent, and how much stood in them.
        kinds: messages by kind.
        roles: how much the people in each role get.
        deliveries: how many records met a recipient, or looked for one in vain.
        held: by reason, share of deliveries that ever waited or stopped for it.
        ended: by last state and reason, share of deliveries.
    """

    records: int
    weeks: int
    messages: int
    items: int
    kinds: dict[str, int]
    roles: dict[str, Share]
    deliveries: int
    held: dict[str, float]
    ended: dict[str, float]

    def text(self) -> str:
        """The table for people."""
        lines = [
            f"{self.records:,} intervention records",
            f"{self.messages:,} messages with {self.items:,} items: "
            + ", ".join(f"{kind} {count:,}" for kind, count in sorted(self.kinds.items())),
            "",
            f"{f'messages per person and week, {self.weeks} weeks':<48}people  median     p90    most",
        ]
        lines += [
            f"{role:<48}{one.recipients:>6,} {one.median:>7g} {one.p90:>7g} {one.most:>7,}"
            for role, one in self.roles.items()
        ]
        for title, shares in ((f"held for (of {self.deliveries:,} deliveries)", self.held), ("ended as", self.ended)):
            lines += ["", f"{title:<48} share"]
            lines += [f"{name:<48}{share:6.1%}" for name, share in sorted(shares.items(), key=lambda one: -one[1])]
        return "\n".join(lines)


def rehearse_file(interventions: Path, programs: Path | None, recipients: Path, since_ms: int = 0) -> Load:
    """Run a file through the policy.

    Args:
        programs: JSON lines of `program.changed`; other lines are passed over. None: each program has a coordinator.
        recipients: the recipients' file; where there is none, whoever programs name gets mails, with the defaults, in
            the zone of the program.
        since_ms: weeks that begin earlier are not counted for people.

    Raises: ConfigError; ValueError for a line that is no intervention.
    """
    known = Programs()
    if programs is not None:
        with programs.open("rb") as file:
            for line in file:
                if b'"program.changed"' in line:
                    known.take(None, line)
    else:
        for program_id in sorted({record.program_id for record in _records(interventions)}):
            known.known[program_id] = Program(program_id=program_id, coordinators=(f"coordinator-of-{program_id}",))
    config = load(recipients) if recipients.is_file() else Config()
    people = [one.recipient() for one in config.recipients] or _everybody(known)
    directory = Directory(people, known.known)
    found = rehearse(_records(interventions), directory, config.policy.policy(replayed=False))
    return _table(found, people, known, since_ms)


def _table(found: Rehearsal, people: list[Recipient], programs: Programs, since_ms: int) -> Load:
    weeks = [week for week in found.week_starts() if week >= since_ms]
    roles: dict[str, list[str]] = {}
    for one in people:
        if any(way.mode == "timed" for way in one.ways):
            roles.setdefault(_role(one.id, programs), []).append(one.id)
    deliveries = found.deliveries or 1
    return Load(
        records=found.records,
        weeks=len(weeks),
        messages=sum(found.messages.values()),
        items=found.items,
        kinds=found.kinds,
        roles={
            role: _share(len(names), sorted(found.messages.get((name, week), 0) for name in names for week in weeks))
            for role, names in roles.items()
        },
        deliveries=found.deliveries,
        held={reason: count / deliveries for reason, count in found.reasons.items()},
        ended={name: count / deliveries for name, count in found.ended.items()},
    )


def _share(people: int, counts: list[int]) -> Share:
    counts = counts or [0]
    p90 = quantiles(counts, n=10, method="inclusive")[-1] if len(counts) > 1 else counts[0]
    return Share(people, median(counts), p90, counts[-1])


def _role(name: str, programs: Programs) -> str:
    known = programs.known.values()
    if any(name in one.coordinators for one in known):
        return "coordinators"
    if any(name in one.backups for one in known):
        return "backup coordinators"
    return "safeguarding contacts" if any(name == one.safeguarding for one in known) else "others"


def _everybody(programs: Programs) -> list[Recipient]:
    zones: dict[str, str] = {}
    for one in programs.known.values():
        for name in (*one.coordinators, *one.backups, one.safeguarding):
            if name is not None:
                zones.setdefault(name, one.timezone)
    return [Recipient(id=name, ways=(Way("email"),), timezone=zone) for name, zone in zones.items()]


def _records(path: Path) -> Iterator[Intervention]:
    with path.open("rb") as file:
        for line in file:
            yield decode_intervention(line)
