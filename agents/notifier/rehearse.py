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


class Load(Struct, frozen=True):
    """Messages per recipient and week, and why what was held was held.

    Attributes:
        median, p90, most: over all recipients and weeks, weeks without a message included.
        held: share of decisions by state and reason.
        ended: deliveries by their last state and reason.
    """

    records: int
    weeks: int
    recipients: int
    messages: int
    items: int
    kinds: dict[str, int]
    median: float
    p90: float
    most: int
    held: dict[str, float]
    ended: dict[str, int]

    def text(self) -> str:
        """The table for people."""
        lines = [
            f"{self.records:,} intervention records, {self.weeks} weeks, {self.recipients} recipients",
            f"{self.messages:,} messages with {self.items:,} items: "
            + ", ".join(f"{kind} {count:,}" for kind, count in sorted(self.kinds.items())),
            f"messages per recipient and week: median {self.median:g}, p90 {self.p90:g}, most {self.most}",
            "",
            f"{'decided as':<44} share",
        ]
        lines += [f"{name:<44} {share:6.1%}" for name, share in sorted(self.held.items(), key=lambda one: -one[1])]
        lines += ["", f"{'ended as':<44} deliveries"]
        lines += [f"{name:<44} {count:,}" for name, count in sorted(self.ended.items(), key=lambda one: -one[1])]
        return "\n".join(lines)


def rehearse_file(interventions: Path, programs: Path | None, recipients: Path) -> Load:
    """Run a file through the policy.

    Args:
        programs: JSON lines of `program.changed`; other lines are passed over. None: each program has a coordinator.
        recipients: the recipients' file; where there is none, whoever programs name gets mails, with the defaults.

    Raises: ConfigError; ValueError for a line that is no intervention.
    """
    known = Programs()
    if programs is not None:
        with programs.open("rb") as file:
            for line in file:
                known.take(None, line)
    else:
        for program_id in sorted({record.program_id for record in _records(interventions)}):
            known.known[program_id] = Program(program_id=program_id, coordinators=(f"coordinator-of-{program_id}",))
    config = load(recipients) if recipients.is_file() else Config()
    people = [one.recipient() for one in config.recipients] or _everybody(known)
    directory = Directory(people, known.known)
    return _table(rehearse(_records(interventions), directory, config.policy.policy(replayed=False)), people)


def _table(found: Rehearsal, people: list[Recipient]) -> Load:
    timed = [one.id for one in people if any(way.mode == "timed" for way in one.ways)]
    counts = sorted(found.messages.get((name, week), 0) for name in timed for week in found.week_starts()) or [0]
    decided = sum(found.held.values()) or 1
    return Load(
        records=found.records,
        weeks=found.weeks,
        recipients=len(people),
        messages=sum(found.messages.values()),
        items=found.items,
        kinds=found.kinds,
        median=median(counts),
        p90=quantiles(counts, n=10, method="inclusive")[-1] if len(counts) > 1 else counts[0],
        most=counts[-1],
        held={name: count / decided for name, count in found.held.items()},
        ended=found.ended,
    )


def _everybody(programs: Programs) -> list[Recipient]:
    named = [
        name
        for one in programs.known.values()
        for name in (*one.coordinators, *one.backups, one.safeguarding)
        if name is not None
    ]
    return [Recipient(id=name, ways=(Way("email"),)) for name in dict.fromkeys(named)]


def _records(path: Path) -> Iterator[Intervention]:
    with path.open("rb") as file:
        for line in file:
            yield decode_intervention(line)
