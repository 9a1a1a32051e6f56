"""Facts of a platform that does not exist, in any number, fast: what the other benchmarks feed on.

Every pair has `FACTS_PER_PAIR_MONTH` facts in 30 days, in the mix of `_MONTH`: mostly sign-ins and messages, two
meetings planned and held, and one survey that 35 % answer with a rating and a sentiment. A round visits each pair once,
in an order shuffled anew, so facts are spread evenly over time and over pairs, and gaps within a pair vary.

Values are templates filled in, not trees encoded, for speed. Whatever one fact must share with another (the answers to
a survey) is computed from pair and month, so nothing is remembered between facts.

    python -m benchmarks.synthetic       # how many a second
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from random import Random
from typing import Final

Record = tuple[str, bytes, bytes, int]
"""Topic without prefix, key, value, timestamp in ms UTC."""

FACTS_PER_PAIR_MONTH: Final = 40
MONTH_MS: Final = 30 * 86_400_000
BEGIN_MS: Final = 1_735_689_600_000
"""2025-01-01 00:00 UTC."""

_ANSWERING_PERCENT: Final = 35
_RATINGS: Final = bytes([1] * 2 + [2] * 4 + [3] * 14 + [4] * 35 + [5] * 45)
_WEEK_MS: Final = 7 * 86_400_000
_HOUR_MS: Final = 3_600_000
_LONGEST_DELAY_MS: Final = 2_000
_GOLDEN: Final = 0x9E3779B97F4A7C15  # odd, hence one event id for each number
_MASK: Final = 2**64 - 1
_SIDES: Final = (b"mentor", b"mentee")


@dataclass(frozen=True, slots=True)
class Platform:
    """A platform of `pairs` one-to-one pairs spread evenly over `programs` always-on programs.

    Attributes:
        pairs: how many pairs, at least 1.
        programs: how many programs, at least 1.
        seed: another seed gives other facts about the same people.
        begin_ms: when reference facts arrive and facts begin, ms UTC.
        step_ms: between two facts; by default what gives each pair its `FACTS_PER_PAIR_MONTH`. An open loop that sends
            facts as they are due makes months pass in minutes.
    """

    pairs: int
    programs: int
    seed: int = 1
    begin_ms: int = BEGIN_MS
    step_ms: float | None = None

    def __post_init__(self) -> None:
        """Refuse an empty platform.

        Raises: ValueError.
        """
        if self.pairs < 1 or self.programs < 1:
            raise ValueError("a platform has at least one pair and one program")

    def reference(self) -> Iterator[Record]:
        """Yield every program, then every participant, then every pair, all arriving at `begin_ms`."""
        now, now_ms = _instant(self.begin_ms), self.begin_ms
        for program in range(self.programs):
            yield "programs", b"program-%04d" % program, _PROGRAM % (program, now, program), now_ms
        for pair in range(self.pairs):
            program = pair % self.programs
            for side in _SIDES:
                key = b"program-%04d/%b-%07d" % (program, side, pair)
                yield "participants", key, _PARTICIPANT % (side, pair, now, program, side, pair, side, now), now_ms
        for pair in range(self.pairs):
            program = pair % self.programs
            key = b"program-%04d/pair-%07d" % (program, pair)
            yield "pairs", key, _PAIR % (pair, now, program, pair, pair, pair, now), now_ms

    def facts(self) -> Iterator[Record]:
        """Yield facts without end, by arrival, which is up to two seconds after they happened."""
        random = Random(self.seed)
        order = list(range(self.pairs))
        phases = [random.randrange(FACTS_PER_PAIR_MONTH) for _ in order]
        keys = [b"program-%04d" % program for program in range(self.programs)]
        step_ms = self.step_ms or MONTH_MS / (FACTS_PER_PAIR_MONTH * self.pairs)
        salt = self.seed * 7_919
        number = turn = 0
        while True:
            random.shuffle(order)
            for pair in order:
                month, slot = divmod(turn + phases[pair], FACTS_PER_PAIR_MONTH)
                topic, render = _MONTH[slot]
                dice = random.random()
                arrived_ms = self.begin_ms + int(number * step_ms)
                occurred_ms = arrived_ms - int(dice * _LONGEST_DELAY_MS)
                program = pair % self.programs
                lot = pair * 31 + month * 104_729 + salt
                if render in _ANSWERS and lot % 100 >= _ANSWERING_PERCENT:
                    topic, render = _SIGNED_IN
                event = ((number + 1) * _GOLDEN + salt) & _MASK
                side = _SIDES[number & 1 if render not in _ANSWERS and render is not _survey_sent else 1]
                yield topic, keys[program], render(event, occurred_ms, program, pair, side, month, lot), arrived_ms
                number += 1
            turn += 1

    def months(self, months: float) -> Iterator[Record]:
        """Yield the facts of so many months of 30 days."""
        return islice(self.facts(), round(months * FACTS_PER_PAIR_MONTH * self.pairs))


_PROGRAM: Final = (
    b'{"event_id":"program-%04d","type":"program.changed","occurred_at":"%b","program_id":"program-%04d",'
    b'"kind":"always_on","self_matching":false,"carry_over":false,"timezone":"Europe/Berlin","breaks":[],'
    b'"coordinator_ids":["coordinator-1"]}'
)
_PARTICIPANT: Final = (
    b'{"event_id":"%b-%07d","type":"participant.changed","occurred_at":"%b","program_id":"program-%04d",'
    b'"participant_id":"%b-%07d","roles":["%b"],"state":"active","joined_at":"%b"}'
)
_PAIR: Final = (
    b'{"event_id":"pair-%07d","type":"pair.changed","occurred_at":"%b","program_id":"program-%04d",'
    b'"pair_id":"pair-%07d","kind":"one_to_one","mentor_ids":["mentor-%07d"],"mentee_ids":["mentee-%07d"],'
    b'"state":"active","matched_at":"%b"}'
)

_Render = Callable[[int, int, int, int, bytes, int, int], bytes]
_HEAD: Final = b'{"event_id":"%016x","type":"'
_COMMON: Final = b'","occurred_at":"%b","program_id":"program-%04d",'


def _personal(type_name: bytes) -> _Render:
    template = _HEAD + type_name + _COMMON + b'"participant_id":"%b-%07d"}'

    def render(event: int, at_ms: int, program: int, pair: int, side: bytes, _month: int, _lot: int) -> bytes:
        return template % (event, _instant(at_ms), program, side, pair)

    return render


def _meeting(type_name: bytes, number: int, starts_after_ms: int) -> _Render:
    template = (
        _HEAD + type_name + _COMMON + b'"meeting_id":"meeting-%07d-%d","pair_id":"pair-%07d","starts_at":"%b",'
        b'"participant_id":"%b-%07d","origin":"platform","duration_minutes":45}'
    )

    def render(event: int, at_ms: int, program: int, pair: int, side: bytes, month: int, _lot: int) -> bytes:
        starts_at = _instant(at_ms + starts_after_ms)
        meeting = 2 * month + number
        return template % (event, _instant(at_ms), program, pair, meeting, pair, starts_at, side, pair)

    return render


def _message_sent(event: int, at_ms: int, program: int, pair: int, side: bytes, _month: int, _lot: int) -> bytes:
    return _MESSAGE % (event, _instant(at_ms), program, side, pair, pair)


def _survey_sent(event: int, at_ms: int, program: int, pair: int, side: bytes, month: int, _lot: int) -> bytes:
    return _SURVEY % (event, _instant(at_ms), program, pair, month, side, pair, pair, _instant(at_ms + _WEEK_MS))


def _rating(event: int, at_ms: int, program: int, pair: int, side: bytes, month: int, lot: int) -> bytes:
    return _RATING % (event, _instant(at_ms), program, _rating_of(lot), side, pair, pair, pair, month)


def _sentiment(event: int, at_ms: int, program: int, pair: int, side: bytes, month: int, lot: int) -> bytes:
    rating = _rating_of(lot)
    polarity = b"negative" if rating <= 2 else b"neutral" if rating == 3 else b"positive"
    return _SENTIMENT % (event, _instant(at_ms), program, side, pair, pair, polarity, pair, month)


def _rating_of(lot: int) -> int:
    # Other digits than those that decide whether the survey is answered at all.
    return _RATINGS[((lot * _GOLDEN & _MASK) >> 32) % 100]


_MESSAGE: Final = _HEAD + b"activity.message_sent" + _COMMON + b'"participant_id":"%b-%07d","pair_id":"pair-%07d"}'
_SURVEY: Final = (
    _HEAD + b"survey.sent" + _COMMON + b'"survey_id":"survey-%07d-%d","kind":"mqs","participant_id":"%b-%07d",'
    b'"pair_id":"pair-%07d","due_at":"%b"}'
)
_RATING: Final = (
    _HEAD + b"rating.submitted" + _COMMON + b'"kind":"mqs","rating":%d,"participant_id":"%b-%07d",'
    b'"pair_id":"pair-%07d","survey_id":"survey-%07d-%d"}'
)
_SENTIMENT: Final = (
    _HEAD + b"sentiment.submitted" + _COMMON + b'"participant_id":"%b-%07d","pair_id":"pair-%07d","about":"match",'
    b'"polarity":"%b","survey_id":"survey-%07d-%d"}'
)

_ANSWERS: Final = frozenset({_rating, _sentiment})
_SIGNED_IN: Final = ("participant-activity", _personal(b"activity.signed_in"))
_WROTE: Final = ("participant-activity", _message_sent)
_QUIET_DAYS: Final = (_SIGNED_IN, _WROTE, _WROTE, _SIGNED_IN, _WROTE, _SIGNED_IN, _WROTE)


def _planned(number: int) -> tuple[str, _Render]:
    return "meetings", _meeting(b"meeting.scheduled", number, _WEEK_MS)


def _held(number: int) -> tuple[str, _Render]:
    return "meetings", _meeting(b"meeting.held", number, -_HOUR_MS)


_MONTH: Final[tuple[tuple[str, _Render], ...]] = (
    *(_planned(0), *_QUIET_DAYS, _held(0), ("participant-activity", _personal(b"activity.content_viewed"))),
    *(*_QUIET_DAYS, _WROTE, _SIGNED_IN, _WROTE),
    *(_planned(1), *_QUIET_DAYS, _held(1), ("participant-activity", _personal(b"activity.goal_updated"))),
    *(("ratings", _survey_sent), _WROTE, ("ratings", _rating), ("sentiment", _sentiment)),
    *(_SIGNED_IN, _WROTE, _SIGNED_IN, _WROTE, _SIGNED_IN, _WROTE),
)
"""What a pair does in the 40 steps of a month."""

assert len(_MONTH) == FACTS_PER_PAIR_MONTH

_minutes: dict[int, bytes] = {}


def _instant(moment_ms: int) -> bytes:
    minute, rest_ms = divmod(moment_ms, 60_000)
    prefix = _minutes.get(minute)
    if prefix is None:
        if len(_minutes) > 50_000:
            _minutes.clear()
        prefix = _minutes[minute] = datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%M:").encode()
    return b"%b%02d.%03dZ" % (prefix, rest_ms // 1_000, rest_ms % 1_000)


def main() -> None:
    """Print how many facts a second this makes, by the size of the platform."""
    for pairs, programs in ((1_000, 10), (200_000, 1_000)):
        platform = Platform(pairs, programs)
        for name, records in (("reference facts", platform.reference()), ("facts", platform.facts())):
            begun = time.perf_counter()
            count = size = 0
            for record in islice(records, 300_000):
                count += 1
                size += len(record[2])
            rate = count / (time.perf_counter() - begun)
            sys.stdout.write(f"{pairs:>9,} pairs: {rate:>9,.0f} {name} a second, {size / count:.0f} bytes each\n")


if __name__ == "__main__":
    main()
