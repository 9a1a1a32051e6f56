"""`programs`: every program as it is now. A null value ends the program."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from schemas.base import InboundFact, Instant, LocalDate, Record
from schemas.calendars import time_zones
from schemas.facts import ProgramKind
from schemas.ids import Id


def _known_time_zone(name: str) -> str:
    if name not in time_zones():
        raise ValueError("no IANA time zone")
    return name


TimeZone = Annotated[str, AfterValidator(_known_time_zone)]
"""Name of an IANA time zone, such as ``Europe/Berlin``."""


class Break(Record):
    """Days on which the program rests: local dates, both inclusive."""

    model_config = ConfigDict(serialize_by_alias=True)

    first: LocalDate = Field(alias="from")
    last: LocalDate = Field(alias="to")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.first > self.last:
            raise ValueError("a break ends before it begins")
        return self


class ProgramChanged(InboundFact):
    """All there is to know about a program; the newest `occurred_at` wins."""

    type: Literal["program.changed"]
    kind: ProgramKind
    self_matching: bool = Field(description="Participants choose their own matches.")
    carry_over: bool = Field(description="Participants stay for the next run unless they opt out.")
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    next_starts_at: Instant | None = None
    timezone: TimeZone
    breaks: list[Break]
    coordinator_ids: list[Id]
    backup_coordinator_ids: list[Id] | None = None
    safeguarding_contact_id: Id | None = None
