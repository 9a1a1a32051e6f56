"""Rows of CSV as lines of facts, by a mapping file that says which column is which field.

    topic = "ratings"                         # the same for every row
    arrived_at = "submitted_on"               # a column; without it, occurred_at
    timezone = "Europe/Berlin"                # of instants that state no offset; without it they are bad rows

    [constants]                               # fields that are the same in every row
    type = "rating.submitted"
    kind = "mqs"

    [columns]                                 # field = column
    event_id = "id"
    rating = "stars"

    [values.state]                            # what a column says → what the field says
    Ongoing = "active"

    [lists]                                   # fields that hold several values, and what stands between them
    mentor_ids = ";"

Numbers are read where the field asks for one, with ASCII digits and a point; an empty cell leaves the field out. A
local time that does not exist, or exists twice where clocks go back, is a bad row, as is a row that is longer or
shorter than the head. A field that no fact of the topic has is refused before anything is read.
"""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from agents.fact_files import Line, sorted_on_disk
from schemas.facts import BY_TOPIC
from schemas.rejections import Rejected
from schemas.topics import INBOUND
from streams.backtest.lines import read_arrival

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)
_INTEGERS: Final = frozenset({"rating", "duration_minutes", "schema_version"})
_NUMBERS: Final = frozenset({"score"})
_BOOLEANS: Final = frozenset({"self_matching", "carry_over"})
_INSTANTS: Final = frozenset(
    {
        "occurred_at", "arrived_at", "matched_at", "closed_at", "starts_at", "ends_at", "next_starts_at", "joined_at",
        "paused_until", "due_at", "until",
    }
)  # fmt: skip
_TRUTHS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class MappingError(Exception):
    """A mapping file that cannot be used. The text is one sentence for the person who wrote it."""


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping file, as the module's text explains it."""

    topic: str
    columns: dict[str, str]
    arrived_at: str | None = None
    timezone: str | None = None
    constants: dict[str, Any] = {}
    values: dict[str, dict[str, str]] = {}
    lists: dict[str, str] = {}


def read_mapping(path: Path) -> Mapping:
    """Read a mapping file. Raises: MappingError."""
    try:
        mapping = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Mapping)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise MappingError(f"{path} is no mapping file: {error}.") from error
    if mapping.topic not in INBOUND:
        raise MappingError(f"{path}: {mapping.topic} is no inbound topic; known are {', '.join(INBOUND)}.")
    known = _fields_of(mapping.topic)
    stated = {*mapping.columns, *mapping.constants, *mapping.values, *mapping.lists}
    if unknown := sorted(stated - known):
        raise MappingError(
            f"{path}: no fact of {mapping.topic} has a field {unknown[0]}; known are {', '.join(sorted(known))}."
        )
    if mapping.timezone is not None:
        try:
            ZoneInfo(mapping.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise MappingError(f"{path}: there is no time zone {mapping.timezone}.") from error
    return mapping


def _fields_of(topic: str) -> set[str]:
    """Every field that some fact of a topic may have."""
    fields = (field.encode_name for kind in BY_TOPIC[topic] for field in msgspec.structs.fields(kind))
    return {"type", "schema_version", *fields}


class CsvFacts:
    """The rows of CSV files as lines, in the order of their arrival.

    Attributes:
        names: of the files; `size`: their bytes.
    """

    is_folder: Final = True

    def __init__(self, files: list[tuple[Path, Mapping]]) -> None:
        """Look at the heads of the files.

        Raises: MappingError when a column that a mapping names is not there; OSError.
        """
        self._files = files
        self.names = [path.name for path, _ in files]
        self.size = sum(path.stat().st_size for path, _ in files)
        for path, mapping in files:
            with path.open(encoding="utf-8-sig", newline="") as file:
                head = next(csv.reader(file), [])
            if len(set(head)) < len(head):
                raise MappingError(f"{path} has two columns of one name: which of them is meant is not ours to guess.")
            named = [*mapping.columns.values(), *([mapping.arrived_at] if mapping.arrived_at else [])]
            missing = [column for column in named if column not in head]
            if missing:
                raise MappingError(f"{path} has no column {missing[0]}; it has {', '.join(head)}.")

    def lines(self, progress: Callable[[int], None] = lambda _: None) -> Iterator[Line]:
        """Yield all rows by arrival, file and row; the first row under the head is number 2, as editors count."""
        raw = ((at_ms, file * _FILE + number, line) for file, at_ms, number, line in self._rows())
        for at_ms, place, line in sorted_on_disk(raw):
            file, number = divmod(place, _FILE)
            found = read_arrival(line)
            yield Line(at_ms, file, number, _bad(line) or found)
        progress(self.size)

    def _rows(self) -> Iterator[tuple[int, int, int, bytes]]:
        for file, (path, mapping) in enumerate(self._files):
            at_ms = 0
            with path.open(encoding="utf-8-sig", newline="") as text:
                for number, row in enumerate(csv.DictReader(text), 2):
                    line = msgspec.json.encode(_fact(row, mapping))
                    found = read_arrival(line)
                    if not isinstance(found, Rejected):
                        at_ms = found.arrived_ms
                    yield file, at_ms, number, line


_FILE: Final = 1 << 40
_PROBLEM: Final = "problem"


def _bad(line: bytes) -> Rejected | None:
    if not line.startswith(b'{"problem":'):
        return None
    return Rejected("wrong_type", str(msgspec.json.decode(line)[_PROBLEM]))


def _fact(row: dict[str, str | None], mapping: Mapping) -> dict[str, Any]:
    if None in row or None in row.values():
        return {_PROBLEM: "The row has more or fewer cells than the head.", "topic": mapping.topic}
    fact: dict[str, Any] = {"topic": mapping.topic, **mapping.constants}
    columns = {**mapping.columns, **({"arrived_at": mapping.arrived_at} if mapping.arrived_at else {})}
    for name, column in columns.items():
        cell = (row.get(column) or "").strip()
        if not cell:
            if name in mapping.lists:
                fact[name] = []
            continue
        try:
            fact[name] = _value(name, mapping.values.get(name, {}).get(cell, cell), mapping)
        except ValueError as error:
            return {_PROBLEM: f"`{name}` {error}.", "topic": mapping.topic}
    return fact


def _value(name: str, cell: str, mapping: Mapping) -> Any:
    """A cell as the field wants it. Raises: ValueError, without the cell's text."""
    if name in mapping.lists:
        return [one.strip() for one in cell.split(mapping.lists[name]) if one.strip()]
    if name in _INSTANTS:
        return _instant(cell, mapping.timezone)
    if name in _BOOLEANS:
        if cell.lower() not in _TRUTHS:
            raise ValueError("is neither true nor false")
        return _TRUTHS[cell.lower()]
    if name in _INTEGERS:
        if not _INTEGER.fullmatch(cell):
            raise ValueError("is no whole number")
        return int(cell)
    if name in _NUMBERS:
        if not _NUMBER.fullmatch(cell):
            raise ValueError("is no number")
        return float(cell)
    return cell


def _instant(cell: str, timezone: str | None) -> str:
    try:
        at = datetime.fromisoformat(cell)
    except ValueError as error:
        raise ValueError("is no instant in ISO 8601") from error
    if at.tzinfo is None:
        if timezone is None:
            raise ValueError("states no offset, and the mapping names no time zone")
        at = at.replace(tzinfo=ZoneInfo(timezone))
        if at.utcoffset() != at.replace(fold=1).utcoffset():
            raise ValueError("happens twice or never on that day's clocks: state the offset")
    return at.isoformat()
