"""Who hears of a record: by program, severity and audience."""

from __future__ import annotations

from msgspec import Struct

from schemas.interventions import Audience
from schemas.outbound import Intervention
from streams.delivery.people import RANK, Directory, Recipient, Way


class Routed(Struct, frozen=True):
    """A way a record goes, or why it does not.

    Attributes:
        recipient: id of the recipient; where nobody was found, the name of the audience.
        way: None where there is none.
        refused: why it does not go this way; None when it does.
    """

    recipient: str
    way: Way | None
    refused: str | None = None


def addressees(record: Intervention, directory: Directory) -> list[str]:
    """Name whom a record is for, known to us or not, each once.

    What is critical or about safety reaches the safeguarding contact and nobody else. Only where a program has none
    does it follow the audience the engine chose.
    """
    program = directory.program(record.program_id)
    if record.severity == "critical" or record.rule_class == "safety" or record.audience == "safeguarding":
        contacts = [program.safeguarding] if program.safeguarding else []
        contacts += directory.explicit(record.program_id, "safeguarding")
        if contacts or record.audience == "safeguarding":
            return _once(contacts)
    named: dict[Audience, tuple[str, ...]] = {
        "coordinator": program.coordinators,
        # An escalation must not end nowhere: without a backup it goes to the coordinators once more.
        "backup_coordinator": program.backups or program.coordinators,
    }
    return _once([*named.get(record.audience, ()), *directory.explicit(record.program_id, record.audience)])


def route(record: Intervention, directory: Directory) -> list[Routed]:
    """Say which ways a record goes, and which it does not, in the order of recipients and their ways."""
    people = addressees(record, directory)
    if not people:
        return [Routed(record.audience, None, "no_recipient")]
    routed: list[Routed] = []
    for name in people:
        recipient = directory.recipients.get(name)
        if recipient is None or not recipient.ways:
            routed.append(Routed(name, None, "unknown_recipient"))
        else:
            routed += [_judge(record, recipient, way) for way in recipient.ways]
    return routed


def _judge(record: Intervention, recipient: Recipient, way: Way) -> Routed:
    low = record.severity != "critical" and RANK[record.severity] < RANK[way.floor]
    return Routed(recipient.id, way, "below_floor" if low else None)


def _once(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))
