"""Who is paired with whom, and when a pair begins and ends; and the hash that decides what the data leave open."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final, NamedTuple

from examples.oulad.source import Enrolment, Presentation, Source
from examples.oulad.timeline import Timeline

STUDENTS_PER_TUTOR: Final = 20
MINUTE_MS: Final = 60_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Lot(NamedTuple):
    """What a hash of coordinates decides: an id, a part of the day in [0, 1), a delay in ms, a small number."""

    event_id: str
    part: float
    delay_ms: int
    number: int


class Pair(NamedTuple):
    """A student and a tutor in one presentation. All instants are ms UTC, all days those of the course."""

    presentation: Presentation
    enrolment: Enrolment
    suffix: str
    tutor: str

    @property
    def program_id(self) -> str:
        return self.presentation.name

    @property
    def pair_id(self) -> str:
        return f"pair-{self.suffix}"

    @property
    def student(self) -> str:
        return f"student-{self.suffix}"

    @property
    def matched_day(self) -> int:
        return max(0, self.enrolment.registered_day)

    def registered_ms(self, timeline: Timeline) -> int:
        """Return when the student registered."""
        part = draw("registered", self.suffix).part
        return timeline.daytime_ms(self.presentation, self.enrolment.registered_day, part)

    def matched_ms(self, timeline: Timeline) -> int:
        """Return when the pair begins: on the first day of the course, or two minutes after a later registration."""
        if self.enrolment.registered_day >= 0:
            return self.registered_ms(timeline) + 2 * MINUTE_MS
        return timeline.daytime_ms(self.presentation, 0, draw("matched", self.suffix).part)

    def left_ms(self, timeline: Timeline, left_day: int) -> int:
        """Return when a student who unregistered on `left_day` did so: in the evening, after the day's other facts."""
        return timeline.evening_ms(self.presentation, left_day, draw("left", self.suffix).part)

    def is_in_on(self, day: int) -> bool:
        """Tell whether the pair is active on the whole of a day."""
        left_day = self.enrolment.unregistered_day
        return self.matched_day <= day and (left_day is None or day < left_day)


def pairs_of(source: Source, timeline: Timeline, limit: int | None) -> dict[tuple[str, str], Pair]:
    """Pair every student who had not left before the year began with a tutor.

    Tutors have about twenty students each. `limit` keeps so many pairs, spread over all programs.

    Returns: pairs by (presentation, student) in an order that favours no program.
    Raises: ValueError when `limit` is negative.
    """
    if limit is not None and limit < 0:
        raise ValueError("`limit_pairs` cannot be negative")
    suffixes = {
        (row.presentation, row.student): blake2b(
            f"{row.presentation}/{row.student}".encode(), digest_size=6
        ).hexdigest()
        for row in source.enrolments
    }
    tutors = {
        name: -(-sum(row.presentation == name for row in source.enrolments) // STUDENTS_PER_TUTOR)
        for name in source.presentations
    }
    pairs: dict[tuple[str, str], Pair] = {}
    for row in sorted(source.enrolments, key=lambda row: suffixes[row.presentation, row.student]):
        if len(pairs) == limit:
            break
        presentation = source.presentations[row.presentation]
        suffix = suffixes[row.presentation, row.student]
        tutor = f"tutor-{presentation.name}-{draw('tutor', suffix).number % tutors[presentation.name]:03d}".lower()
        pair = Pair(presentation, row, suffix, tutor)
        left_day = row.unregistered_day
        if left_day is None or pair.left_ms(timeline, left_day) >= timeline.begin_ms:
            pairs[row.presentation, row.student] = pair
    return pairs


def draw(*coordinates: str) -> Lot:
    """Draw the lot of whatever the coordinates name; the same coordinates draw the same one."""
    digest = blake2b("/".join(coordinates).encode(), digest_size=20).digest()
    return Lot(
        event_id=digest[:10].hex(),
        part=int.from_bytes(digest[10:13]) / 2**24,
        delay_ms=500 + int.from_bytes(digest[13:16]) % 20_000,
        number=int.from_bytes(digest[16:20]),
    )


def instant(moment_ms: int) -> datetime:
    """Turn ms UTC into an aware datetime."""
    return _EPOCH + timedelta(milliseconds=moment_ms)


def instant_text(moment_ms: int) -> str:
    """Write ms UTC as RFC 3339 with milliseconds and ``Z``."""
    return instant(moment_ms).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
