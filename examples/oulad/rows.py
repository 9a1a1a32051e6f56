"""Facts made of the rows: what each enrolment, each piece of work and each submission says on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from examples.oulad.pairing import MINUTE_MS, Lot, Pair, draw, instant_text
from examples.oulad.source import Presentation, Submission, Work
from examples.oulad.timeline import TIMEZONE, Timeline

SIGN_IN_ROWS: Final = 8
"""Rows of pre-course clicks (one per page and day) that make one sign-in: the clicks thinned to what a person did."""
MOST_SIGN_INS: Final = 8
SIGN_IN_DAYS: Final = 28
"""Pages open four weeks before the start; the data do not tell the day of a pre-course click."""

_BAND: Final = 20
_SURVEY_OPEN_DAYS: Final = 7
_JSON: Final = msgspec.json.Encoder()


class InboundRecord(NamedTuple):
    """One record to send. `topic` is the name without a prefix; `arrived_ms` is its timestamp, ms UTC."""

    topic: str
    key: bytes
    value: bytes
    arrived_ms: int


class Rows:
    """Collects records with their arrival; what was true before the year began arrives in one load at its start."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._loaded = 0
        self._rows: list[tuple[int, int, str, bytes, bytes]] = []

    def by_arrival(self) -> Iterator[InboundRecord]:
        """Yield what was collected by arrival; what arrives together keeps the order of its making."""
        self._rows.sort()
        return (InboundRecord(topic, key, value, arrived_ms) for arrived_ms, _, topic, key, value in self._rows)

    def program(self, presentation: Presentation) -> None:
        """State the program, its run and its break."""
        timeline = self._timeline
        module = presentation.module.lower()
        self._reference(
            "programs",
            presentation.name,
            "program.changed",
            timeline.begin_ms - MINUTE_MS,
            draw("program", presentation.name),
            program_id=presentation.name,
            kind="cohort",
            self_matching=False,
            carry_over=False,
            starts_at=instant_text(timeline.midnight_ms(presentation, 0)),
            ends_at=instant_text(timeline.midnight_ms(presentation, presentation.length_days)),
            timezone=TIMEZONE,
            breaks=[
                {"from": first.isoformat(), "to": last.isoformat()} for first, last in timeline.breaks(presentation)
            ],
            coordinator_ids=[f"coordinator-{module}"],
            backup_coordinator_ids=[f"coordinator-{module}-backup"],
        )

    def tutor(self, presentation: Presentation, tutor: str) -> None:
        """State a mentor, who is there from the beginning."""
        self._participant(presentation.name, tutor, "mentor", "active", self._timeline.begin_ms - MINUTE_MS)

    def pair(self, pair: Pair) -> None:
        """State the student and the pair through registration, start and unregistration, and the sign-ins before."""
        timeline, enrolment = self._timeline, pair.enrolment
        registered_ms, matched_ms = pair.registered_ms(timeline), pair.matched_ms(timeline)
        left_day = enrolment.unregistered_day
        self._participant(pair.program_id, pair.student, "mentee", "active", registered_ms)
        if enrolment.registered_day < 0:
            self._pair_changed(pair, "draft", registered_ms + MINUTE_MS, matched_ms)
        if left_day is None or left_day >= pair.matched_day:
            self._pair_changed(pair, "active", matched_ms, matched_ms)
        if left_day is not None:
            left_ms = pair.left_ms(timeline, left_day)
            self._pair_changed(pair, "closed", left_ms, matched_ms)
            self._participant(pair.program_id, pair.student, "mentee", "left", left_ms + MINUTE_MS, registered_ms)
        first_day = max(enrolment.registered_day, -SIGN_IN_DAYS)
        for number in range(min(MOST_SIGN_INS, -(-enrolment.pre_course_rows // SIGN_IN_ROWS)) if first_day < 0 else 0):
            lot = draw("signed_in", pair.suffix, str(number))
            moment_ms = timeline.daytime_ms(pair.presentation, first_day + lot.number % -first_day, lot.part)
            if moment_ms > registered_ms and (left_day is None or moment_ms < pair.left_ms(timeline, left_day)):
                self._activity(pair, "activity.signed_in", moment_ms, lot)

    def planned(self, pair: Pair, work: Work, due_day: int) -> None:
        """Put one piece of work into the pair's calendar, and send the survey the day after it is due."""
        timeline = self._timeline
        lot = draw("scheduled", work.work, pair.suffix)
        day = max(due_day - 16 - lot.number % 6, pair.matched_day)
        if due_day > pair.matched_day and pair.is_in_on(day):
            after_match_ms = pair.matched_ms(timeline) + 30 * MINUTE_MS + int(120 * MINUTE_MS * lot.part)
            self._add(
                "meetings",
                pair.program_id,
                "meeting.scheduled",
                max(timeline.daytime_ms(pair.presentation, day, lot.part), after_match_ms),
                lot,
                meeting_id=f"work-{work.work}-{pair.suffix}",
                pair_id=pair.pair_id,
                starts_at=instant_text(timeline.noon_ms(pair.presentation, due_day)),
                participant_id=pair.tutor,
                origin="platform",
            )
        if pair.is_in_on(due_day + 1):
            survey = draw("survey", work.work, pair.suffix)
            self._add(
                "ratings",
                pair.program_id,
                "survey.sent",
                timeline.daytime_ms(pair.presentation, due_day + 1, survey.part / 7),
                survey,
                survey_id=f"survey-{work.work}-{pair.suffix}",
                kind="post_meeting",
                participant_id=pair.student,
                pair_id=pair.pair_id,
                due_at=instant_text(timeline.noon_ms(pair.presentation, due_day + 1 + _SURVEY_OPEN_DAYS)),
            )

    def submitted(self, pair: Pair, work: Work, submission: Submission) -> None:
        """State work handed in, and once it is due and marked (one to five days later) what the student says of it.

        Scores of people who left meanwhile still arrive, as they did.
        """
        timeline = self._timeline
        held = draw("held", work.work, pair.suffix)
        held_ms = timeline.daytime_ms(pair.presentation, submission.day, held.part)
        if work.type == "CMA":
            self._activity(pair, "activity.content_viewed", held_ms, held)
        if work.type != "TMA" or work.due_day is None:
            return
        self._add(
            "meetings",
            pair.program_id,
            "meeting.held",
            held_ms,
            held,
            meeting_id=f"work-{work.work}-{pair.suffix}",
            pair_id=pair.pair_id,
            starts_at=instant_text(held_ms),
            participant_id=pair.student,
            origin="platform",
        )
        rated = draw("rated", work.work, pair.suffix)
        answer_day = max(work.due_day, submission.day) + 1 + rated.number % 5
        rated_ms = timeline.daytime_ms(pair.presentation, answer_day, (1 + 6 * rated.part) / 7)
        rating = rating_of(submission.score)
        answer: dict[str, object] = {
            "participant_id": pair.student,
            "pair_id": pair.pair_id,
            "survey_id": f"survey-{work.work}-{pair.suffix}",
        }
        self._add(
            "ratings",
            pair.program_id,
            "rating.submitted",
            rated_ms,
            rated,
            kind="post_meeting",
            rating=rating,
            **answer,
        )
        self._add(
            "sentiment",
            pair.program_id,
            "sentiment.submitted",
            rated_ms + 1_000,
            draw("felt", work.work, pair.suffix),
            about="match",
            polarity="negative" if rating <= 2 else "neutral" if rating == 3 else "positive",
            score=round(submission.score / 50 - 1, 2),
            **answer,
        )

    def _activity(self, pair: Pair, type_name: str, occurred_ms: int, lot: Lot) -> None:
        self._add("participant-activity", pair.program_id, type_name, occurred_ms, lot, participant_id=pair.student)

    def _participant(
        self, program_id: str, person: str, role: str, state: str, occurred_ms: int, joined_ms: int | None = None
    ) -> None:
        self._reference(
            "participants",
            f"{program_id}/{person}",
            "participant.changed",
            occurred_ms,
            draw(state, person),
            program_id=program_id,
            participant_id=person,
            roles=[role],
            state=state,
            joined_at=instant_text(occurred_ms if joined_ms is None else joined_ms),
        )

    def _pair_changed(self, pair: Pair, state: str, occurred_ms: int, matched_ms: int) -> None:
        closed = {"closed_at": instant_text(occurred_ms), "close_reason": "left_program"} if state == "closed" else {}
        self._reference(
            "pairs",
            f"{pair.program_id}/{pair.pair_id}",
            "pair.changed",
            occurred_ms,
            draw(state, pair.pair_id),
            program_id=pair.program_id,
            pair_id=pair.pair_id,
            kind="one_to_one",
            mentor_ids=[pair.tutor],
            mentee_ids=[pair.student],
            state=state,
            matched_at=instant_text(matched_ms),
            **closed,
        )

    def _reference(self, topic: str, key: str, type_name: str, occurred_ms: int, lot: Lot, **fields: object) -> None:
        arrived_ms = occurred_ms + lot.delay_ms
        if occurred_ms < self._timeline.begin_ms:
            self._loaded += 1
            arrived_ms = self._timeline.begin_ms + 10 * self._loaded
        self._append(topic, key, type_name, occurred_ms, arrived_ms, lot, fields)

    def _add(self, topic: str, program_id: str, type_name: str, occurred_ms: int, lot: Lot, **fields: object) -> None:
        fields["program_id"] = program_id
        self._append(topic, program_id, type_name, occurred_ms, occurred_ms + lot.delay_ms, lot, fields)

    def _append(
        self,
        topic: str,
        key: str,
        type_name: str,
        occurred_ms: int,
        arrived_ms: int,
        lot: Lot,
        fields: dict[str, object],
    ) -> None:
        value = {"event_id": lot.event_id, "type": type_name, "occurred_at": instant_text(occurred_ms), **fields}
        self._rows.append((arrived_ms, len(self._rows), topic, key.encode(), _JSON.encode(value)))


def rating_of(score: float) -> int:
    """Turn a score (0 to 100) into a rating: bands of twenty, so that below the pass mark of 40 is 2 or less."""
    return min(5, 1 + int(score // _BAND))
