"""What a replay knows of programs at its end: who coordinates them, and to which cohort they belong."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from schemas.base import from_ms
from streams.state.partition import Partition
from streams.state.program import ProgramState
from streams.state.table import program_of

ALWAYS_ON: Final = "always on"
UNKNOWN: Final = "unknown"


class Program(Struct, frozen=True):
    """A program as it stood at the end of a replay.

    Attributes:
        starts_ms: start of its run, ms UTC; 0 when it has none.
        is_known: whether its reference fact was read.
    """

    coordinator_ids: tuple[str, ...] = ()
    backup_coordinator_ids: tuple[str, ...] = ()
    safeguarding_contact_id: str | None = None
    starts_ms: int = 0
    timezone: str = "UTC"
    is_known: bool = False

    @property
    def cohort(self) -> str:
        """The month its run starts in, such as ``2026-02``; the wire contract knows no other word for a cohort."""
        if not self.is_known:
            return UNKNOWN
        return from_ms(self.starts_ms).strftime("%Y-%m") if self.starts_ms else ALWAYS_ON


def programs_of(state: Partition) -> dict[str, Program]:
    """Read the programs of one journal partition."""
    found: dict[str, Program] = {}
    for key in state.table.keys(b"g"):
        record = state.table.get(key)
        if isinstance(record, ProgramState):
            found[program_of(key)] = Program(
                tuple(sorted(record.coordinator_ids)),
                tuple(sorted(record.backup_coordinator_ids)),
                record.safeguarding_contact_id,
                record.starts_ms,
                record.timezone,
                record.known,
            )
    return found


def cohort_of(programs: Mapping[str, Program], program_id: str) -> str:
    """The cohort of a program, `UNKNOWN` when nothing is known of it."""
    program = programs.get(program_id)
    return program.cohort if program is not None else UNKNOWN
