"""The presentations as inbound facts, in the order of their arrival.

One presentation is a program, one enrolment a pair of a student and an (invented) tutor. Work that a tutor marks is a
meeting: planned when it is set, held when it is handed in, rated by its score. What the computer marks is activity of
the student alone; exams and final results are the outcome and never become facts (see `outcomes`). The table is in
`examples/README.md`.

Nothing here is random: ids, times of day and delays are read off a hash of what the row is about, so that the same
`end` gives the same bytes.

    python -m examples.oulad.facts > facts.jsonl
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from examples.oulad.pairing import instant, instant_text, pairs_of
from examples.oulad.rows import InboundRecord, Rows
from examples.oulad.source import load
from examples.oulad.timeline import Timeline

DEMO_PAIRS: Final = 4_400
"""So many pairs give a year of about 125,000 facts; all 7,155 give 203,000."""


class Outcome(msgspec.Struct, frozen=True):
    """How an enrolment ended: what a forecast may be judged by, and no fact may say."""

    program_id: str
    pair_id: str
    final_result: Literal["Pass", "Distinction", "Fail", "Withdrawn"]
    unregistered_at: datetime | None


def facts(end: datetime, limit_pairs: int | None = None) -> Iterator[InboundRecord]:
    """Yield a year of facts, ordered by arrival.

    Args:
        end: when the year is over, usually now; aware. The newest presentation ends in the week before it.
        limit_pairs: keep so many pairs, spread over all programs; None keeps every one.

    Raises: ValueError when `end` is naive or `limit_pairs` negative.
    """
    timeline = Timeline(end)
    rows = Rows(timeline)
    source = load()
    for presentation in source.presentations.values():
        rows.program(presentation)
    pairs = pairs_of(source, timeline, limit_pairs)
    for tutor, presentation in dict.fromkeys((pair.tutor, pair.presentation) for pair in pairs.values()):
        rows.tutor(presentation, tutor)
    for pair in pairs.values():
        rows.pair(pair)
    for work in source.works.values():
        if work.type == "TMA" and work.due_day is not None:
            for pair in pairs.values():
                if pair.enrolment.presentation == work.presentation:
                    rows.planned(pair, work, work.due_day)
    for submission in source.submissions:
        found = pairs.get((submission.presentation, submission.student))
        if found is not None:
            rows.submitted(found, source.works[submission.work], submission)
    return rows.by_arrival()


def outcomes(end: datetime, limit_pairs: int | None = None) -> Iterator[Outcome]:
    """Yield how each pair of `facts` with the same arguments ended, in no particular order."""
    timeline = Timeline(end)
    for pair in pairs_of(load(), timeline, limit_pairs).values():
        left_day = pair.enrolment.unregistered_day
        yield Outcome(
            program_id=pair.program_id,
            pair_id=pair.pair_id,
            final_result=pair.enrolment.final_result,
            unregistered_at=None if left_day is None else instant(pair.left_ms(timeline, left_day)),
        )


def line(record: InboundRecord) -> bytes:
    """Write a record as one line of a `.jsonl` recording: the fact's fields, `topic` and `arrived_at`."""
    place = f',"topic":"{record.topic}","arrived_at":"{instant_text(record.arrived_ms)}"}}\n'
    return record.value[:-1] + place.encode()


def main() -> None:
    """Write the year as a `.jsonl` recording to standard output."""
    parser = argparse.ArgumentParser(prog="python -m examples.oulad.facts", description=main.__doc__)
    parser.add_argument("--end", type=datetime.fromisoformat, help="when the year ends, with an offset (default: now)")
    parser.add_argument("--pairs", type=int, help="keep so many pairs, spread over all programs (default: all)")
    given = parser.parse_args()
    end = datetime.now(UTC) if given.end is None else given.end  # noqa: TID251
    try:
        sys.stdout.buffer.writelines(line(record) for record in facts(end, given.pairs))
        sys.stdout.buffer.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough; Python must not flush again at its exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
