"""Parts of a record that stand in several rows each: what grows with the years, or holds much of which a fact changes
little. Where they are cut depends on their content alone."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Any, Final, get_type_hints

import msgspec

from streams.state.episode import Episode
from streams.state.history import DIGEST_BYTES
from streams.state.parts import EPISODES, Part, Rows, Taken
from streams.state.tally import CHUNK_DAYS

#: In its own row a tally keeps the newest stretch of so many days, counted from 1970-01-01, and the one before.
_STRETCH_DAYS: Final = 4
#: Bytes of digests in one row of a history: 16 of them.
CHUNK_BYTES: Final = 16 * DIGEST_BYTES
#: Rule codes whose counts stand in one row.
_CODES: Final = 16


class Numbered(Part):
    """A part in several rows, whose names end in a number."""

    def find(self, rows: Rows) -> Iterable[bytes]:
        """Highest number first. A row without a number comes last."""
        numbers = [(int(name.partition("-")[2] or 0), name) for name in rows if name.partition("-")[0] == self.name]
        return [rows[name] for _, name in sorted(numbers, reverse=True)]

    def row_name(self, number: int) -> str:
        return f"{self.name}-{number}"


class Past(Numbered):
    """The cells of a tally before its two newest stretches of days: they seldom change. They stand in a row for each
    `CHUNK_DAYS` days since 1970, which counts its days from the first of them, so that it stays as it is while
    older days are forgotten and newer ones come. Version 2 had all of the past in one row, without a number.

    Stretches begin on other days where a tally has other columns: one fact counts in several tallies, and need not pay
    for the new stretch of all of them."""

    def __init__(self) -> None:
        super().__init__("past", {"cells": list[int], "base": int})

    def take(self, record: Any, taken: list[Taken]) -> Mapping[str, tuple[Any, ...]]:
        cells, step = record.cells, record.width + 1
        if not cells:
            return {}
        offsets, base = cells[::step], record.base
        newest = base + offsets[-1]
        newer = (newest + record.width) % _STRETCH_DAYS + _STRETCH_DAYS
        end = bisect_left(offsets, newest - newer - base)
        if not end:
            return {}
        taken.append((record, ("cells",), (cells,)))
        record.cells = cells[end * step :]
        rows, start = {}, 0
        while start < end:
            number = (base + offsets[start]) // CHUNK_DAYS
            first = number * CHUNK_DAYS - base
            after = bisect_left(offsets, first + CHUNK_DAYS, start, end)
            chunk = cells[start * step : after * step]
            chunk[::step] = [offset - first for offset in offsets[start:after]]
            rows[self.row_name(number)] = (chunk, number * CHUNK_DAYS)
            start = after
        return rows

    def give(self, record: Any, raw: bytes) -> None:
        row = self._decode(raw)
        cells, shift = row.cells, 0 if row.base is msgspec.UNSET else row.base - record.base
        if shift:
            step = record.width + 1
            cells[::step] = [offset + shift for offset in cells[::step]]
        record.cells = cells + record.cells


class Digests(Numbered):
    """A history of digests, which only grows at its end: each full chunk of it stands in a row that is never written
    again, the rest where the field stands."""

    def __init__(self, field: str, name: str) -> None:
        super().__init__(name, {field: bytes})
        self.field: Final = field
        self._first: Final = self.row_name(0)

    def take(self, record: Any, taken: list[Taken]) -> Mapping[str, tuple[Any, ...]]:
        digests = getattr(record, self.field)
        end = whole_chunks(digests)
        if not end:
            return {}
        taken.append((record, self.fields, (digests,)))
        setattr(record, self.field, digests[end:])
        return {self.row_name(number): (chunk,) for number, chunk in enumerate(chunks(digests[:end]))}

    def give(self, record: Any, raw: bytes) -> None:
        newer = getattr(record, self.field)
        self.fill(record, raw)
        setattr(record, self.field, getattr(record, self.field) + newer)

    def join(self, rows: Rows) -> bytes:
        """The full chunks among the stored rows of a record."""
        if self._first not in rows:
            return b""
        found: list[bytes] = []
        while (raw := rows.get(self.row_name(len(found)))) is not None:
            found.append(getattr(self._decode(raw), self.field))
        return b"".join(found)


def whole_chunks(digests: bytes) -> int:
    """How many bytes of a history fill chunks."""
    return len(digests) - len(digests) % CHUNK_BYTES


def chunks(digests: bytes) -> list[bytes]:
    """Cut full chunks of a history apart."""
    return [digests[start : start + CHUNK_BYTES] for start in range(0, len(digests), CHUNK_BYTES)]


class ByCode(Numbered):
    """A dictionary by rule code inside a struct of the record, in a row for each `_CODES` codes."""

    def __init__(self, name: str, inside: str, field: str, kind: type) -> None:
        super().__init__(name, {field: get_type_hints(kind)[field]})
        self._inside: Final = inside

    def take(self, record: Any, taken: list[Taken]) -> Mapping[str, tuple[Any, ...]]:
        (field,), inside = self.fields, getattr(record, self._inside)
        whole: dict[int, Any] = getattr(inside, field)
        rows: dict[str, tuple[dict[int, Any]]] = {}
        for code in sorted(whole):
            rows.setdefault(self.row_name(code // _CODES), ({},))[0][code] = whole[code]
        taken.append((inside, self.fields, (whole,)))
        setattr(inside, field, {})
        return rows

    def give(self, record: Any, raw: bytes) -> None:
        (field,), inside = self.fields, getattr(record, self._inside)
        others = getattr(inside, field)
        self.fill(inside, raw)
        setattr(inside, field, getattr(inside, field) | others)


class ByRule(Numbered):
    """The episodes of a record, in a row for each rule. What stands for one in the record's own row tells their
    order."""

    def __init__(self) -> None:
        super().__init__(EPISODES, {EPISODES: tuple[Episode, ...]})

    def take(self, record: Any, taken: list[Taken]) -> Mapping[str, tuple[Any, ...]]:
        rows: dict[str, tuple[list[Episode]]] = {}
        for episode in record.episodes:
            rows.setdefault(self.row_name(episode.rule), ([],))[0].append(episode)
        taken.append((record, self.fields, (record.episodes,)))
        record.episodes = tuple([(episode.rule, episode.member) for episode in record.episodes])
        return rows

    def give(self, record: Any, raw: bytes) -> None:
        found = self._decode(raw).episodes
        if not record.episodes:
            record.episodes = found  # all in one row, as earlier code wrote them
            return
        whole = {(each.rule, each.member): each for each in found}
        record.episodes = tuple([whole.get((each.rule, each.member), each) for each in record.episodes])
