"""Who can be told something, and how they want it. No addresses: those stay in the shell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from msgspec import Struct

from schemas.interventions import Audience, Severity

Channel = Literal["email", "chat", "webhook"]
Mode = Literal["timed", "each"]
Line = tuple[str, str]
"""A recipient's id and a channel: one way to reach one person."""

EVERY: Final = "*"
SEVERITIES: Final[tuple[Severity, ...]] = ("info", "notice", "warning", "high", "critical")
RANK: Final[Mapping[str, int]] = {severity: rank for rank, severity in enumerate(SEVERITIES)}


class Way(Struct, frozen=True):
    """One channel of a recipient.

    Attributes:
        mode: `timed` for people (quiet hours, digests, groups, budget), `each` for machines: every record, in order.
        floor: least severity that goes this way.
    """

    channel: Channel
    mode: Mode = "timed"
    floor: Severity = "info"


class Recipient(Struct, frozen=True, kw_only=True):
    """A person or machine.

    Attributes:
        id: a pseudonym; for coordinators the id that the platform uses in `programs`.
        programs: programs they hear of beside those that name them; `*` for all.
        audiences: the audiences they belong to in these programs.
        digest_minute: minutes after local midnight at which the digest is due.
        digest_weekdays: days that have a digest, Monday = 0.
        quiet: from and to, in minutes after local midnight; may go over midnight. None: never quiet.
        per_day, per_week: most messages in a local day and in seven of them; beyond that, what is not critical waits
            for the digest.
    """

    id: str
    ways: tuple[Way, ...]
    timezone: str = "UTC"
    language: str = "en"
    programs: frozenset[str] = frozenset()
    audiences: frozenset[Audience] = frozenset()
    digest_minute: int = 8 * 60
    digest_weekdays: frozenset[int] = frozenset({0, 1, 2, 3, 4})
    quiet: tuple[int, int] | None = (20 * 60, 7 * 60)
    per_day: int = 6
    per_week: int = 15


class Program(Struct, frozen=True, kw_only=True):
    """What a program says about who looks after it."""

    program_id: str
    coordinators: tuple[str, ...] = ()
    backups: tuple[str, ...] = ()
    safeguarding: str | None = None
    timezone: str = "UTC"


class Directory:
    """Everybody who can be told something, and the programs known so far.

    Args:
        programs: by id; may grow and change while the directory is in use.
    """

    def __init__(self, recipients: Iterable[Recipient], programs: Mapping[str, Program]) -> None:
        self.recipients: Final = {one.id: one for one in recipients}
        self.programs: Final = programs

    def program(self, program_id: str) -> Program:
        """Return what is known of a program; nothing yet is an answer, too."""
        return self.programs.get(program_id) or Program(program_id=program_id)

    def concerns(self, program_id: str, recipient: str) -> bool:
        """Whether somebody still has to do with a program; of a program nobody told us about we do not know better."""
        program = self.programs.get(program_id)
        if program is None or recipient in (*program.coordinators, *program.backups, program.safeguarding):
            return True
        one = self.recipients.get(recipient)
        return one is not None and bool(one.audiences) and (EVERY in one.programs or program_id in one.programs)

    def explicit(self, program_id: str, audience: Audience) -> list[str]:
        """Name who belongs to an audience of a program by their own entry, sorted."""
        return sorted(
            one.id
            for one in self.recipients.values()
            if audience in one.audiences and (EVERY in one.programs or program_id in one.programs)
        )
