"""Which records have which parts (`streams.state.parts`), and how a record is taken apart and put together.

Programs, tallies and sources have parts: there are few of them, and many facts change a little of each. Pairs and
people are stored whole while they are short, see `streams.state.long`.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from streams.detectors.rate.surveys import Surveys
from streams.detectors.renewal import SourceStream
from streams.detectors.share import ShareStream
from streams.state.counted import Counted
from streams.state.numbered import ByCode, ByRule, Digests, Past
from streams.state.pair import PairState
from streams.state.participant import ParticipantState
from streams.state.parts import EPISODES, Field, Inner, Lifted, Part, Rows, Taken, Together
from streams.state.program import ProgramState
from streams.state.record import VERSION, OpenHead, Record

_encode = msgspec.msgpack.Encoder().encode

# What stands in the place of a part: as little as is read as the struct that belongs there.
_NOTHING: Final[Any] = ()
_NO_RISK: Final = (0, 0, 0, 0)
_NO_USUAL: Final = (0, 0, 0)
_NO_RHYTHM: Final = (0, 0, 0)

#: By the first byte of the record's key, inner parts before those that hold them.
PARTS: Final[Mapping[int, tuple[Part, ...]]] = {
    ord("g"): (
        ByCode("opened", "counted", "interventions", Counted),
        Together("counts", (
            Inner("answered", ("sentiment", "surveys"), Surveys, {"answered": _NOTHING}),
            Inner("waiting", ("tone",), ShareStream, {"waiting": _NOTHING}),
            Inner("counted", (), ProgramState, {"counted": _NOTHING}),
        )),
        Inner("surveys", ("sentiment", "surveys"), Surveys, {"sent": _NOTHING, "answered": _NOTHING}),
        Field("sentiment", ProgramState, None),
        Inner("usual", ("tone",), ShareStream,
              {"usual": _NO_USUAL, "answers": _NOTHING, "totals": _NOTHING, "risk": _NO_RISK}),
        Field("tone", ProgramState, None),
        Inner("profile", (), ProgramState,
              {"changed_ms": 0, "kind": "", "starts_ms": 0, "ends_ms": 0, "next_starts_ms": 0, "timezone": "",
               "breaks": [], "coordinator_ids": [], "backup_coordinator_ids": [], "safeguarding_contact_id": None,
               "started": None, "reviewed": None, "sentiment_since_ms": 0}),
        # By names of earlier code, which had all totals there.
        Inner("sums", (), ProgramState, {"counted": _NOTHING, "gaps": _NOTHING}),
        ByRule(),
    ),
    ord("p"): (
        Lifted("survey_days",
               Inner("surveys", ("sentiment", "surveys"), Surveys, {"sent": _NOTHING, "answered": _NOTHING})),
        # What seldom changes, under a name of earlier code, which had the detector alone there.
        Inner("sentiment", (), PairState,
              {"sentiment": None, "phase": 0, "one_to_one": False, "changed_ms": 0, "first_seen_ms": 0,
               "matched_ms": 0, "reopened_ms": 0, "closed_ms": 0, "close_reason": "", "matched": None}),
        Digests("held_seen", "held"),
        Inner("meetings", (), PairState,
              {"matched": None, "held": None, "bookings": (), "held_seen": b"", "rhythm": None}),
        Field(EPISODES, PairState, ()),
    ),
    ord("m"): (
        Digests("answered_seen", "answered"),
        Inner("surveys", (), ParticipantState,
              {"surveys": (), "submitted": (), "answered_seen": b"", "asked": (), "settled": ()}),
        Inner("profile", (), ParticipantState,
              {"phase": 0, "changed_ms": 0, "roles": 0, "joined_ms": 0, "paused_until_ms": 0, "states": (),
               "pair_ids": ()}),
        Field(EPISODES, ParticipantState, ()),
    ),
    ord("t"): (Past(),),
    ord("s"): (
        Inner("facts", ("stream",), SourceStream, {"facts": _NOTHING}),
        Inner("habit", ("stream",), SourceStream,
              {"rhythm": _NO_RHYTHM, "pool": _NOTHING, "hours": [], "days": []}),
    ),
}  # fmt: skip
_OUTER_FIRST: Final = {kind: tuple(reversed(parts)) for kind, parts in PARTS.items()}


class _Version(msgspec.Struct, array_like=True):
    v: int


_decode_version = msgspec.msgpack.Decoder(_Version).decode
_decode_open = msgspec.msgpack.Decoder(tuple[int, list[OpenHead]]).decode


def take_apart(kind: int, record: Record) -> tuple[bytes, dict[str, bytes]]:
    """Encode a record: its own row, and its parts by name. The record is afterwards as it was.

    Args:
        kind: first byte of its key, one of `PARTS`.
    """
    taken: list[Taken] = []
    rows: dict[str, bytes] = {}
    for part in PARTS[kind]:
        for name, values in part.take(record, taken).items():
            rows[name] = _encode((VERSION, *values))
    raw = _encode(record)
    give_back(taken)
    return raw, rows


def give_back(taken: list[Taken]) -> None:
    """Undo what taking parts out of a record did to it: what was taken last comes first."""
    for owner, fields, values in reversed(taken):
        for place, field in enumerate(fields):
            setattr(owner, field, values[place])


def put_together(kind: int, record: Record, rows: Rows) -> None:
    """Put the stored parts of a record into it. Raises `msgspec.DecodeError` when one is damaged."""
    for part in _OUTER_FIRST.get(kind, ()):
        part.restore(record, rows)


def version_of(raw: bytes) -> int:
    """Schema version of the row of a part."""
    return _decode_version(raw).v


def open_heads(raw: bytes) -> list[OpenHead]:
    """The beginnings of the episodes in the row of the part `EPISODES`."""
    return _decode_open(raw)[1]
