"""The data as its authors published it: rows of the compressed tables, times in days from the start of the course.

Knows nothing of facts, topics or calendars beyond the first day of a presentation; `facts.py` gives the rows a meaning.
"""

from __future__ import annotations

import csv
import gzip
import io
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

TypeOfWork = Literal["TMA", "CMA", "Exam"]

DATA_FOLDER = Path(__file__).parent / "data"

# The data name the month only ("B" is February, "J" October). We take the first Saturday: work marked by tutors is then
# due on one weekday throughout a module, Thursday in BBB and Wednesday in DDD.
FIRST_DAYS = {"2013B": date(2013, 2, 2), "2013J": date(2013, 10, 5)}


class Presentation(msgspec.Struct, frozen=True):
    """One run of a module. `first_day` is the local date of day 0, `length_days` the days until it is over."""

    module: str
    code: str
    first_day: date
    length_days: int

    @property
    def name(self) -> str:
        """Module and presentation, e.g. "BBB-2013J"."""
        return f"{self.module}-{self.code}"


class Enrolment(msgspec.Struct, frozen=True):
    """One student in one presentation; days count from its first day and are negative before it."""

    presentation: str
    student: str
    registered_day: int
    unregistered_day: int | None
    final_result: Literal["Pass", "Distinction", "Fail", "Withdrawn"]
    pre_course_rows: int


class Work(msgspec.Struct, frozen=True):
    """One piece of assessed work: marked by a tutor (TMA), by the computer (CMA), or an exam."""

    work: str
    presentation: str
    type: TypeOfWork
    due_day: int | None


class Submission(msgspec.Struct, frozen=True):
    """Work handed in by one student, with its score from 0 to 100."""

    work: str
    presentation: str
    student: str
    day: int
    score: float


class Source(msgspec.Struct, frozen=True):
    """Everything in the four tables, except work carried over from an earlier year, which was no event in this one."""

    presentations: dict[str, Presentation]
    enrolments: tuple[Enrolment, ...]
    works: dict[str, Work]
    submissions: tuple[Submission, ...]


@cache
def load() -> Source:
    """Read the tables, once per process.

    Raises: FileNotFoundError when the data folder is missing, KeyError or ValueError when a table was changed.
    """
    presentations = {
        f"{row['code_module']}-{row['code_presentation']}": Presentation(
            module=row["code_module"],
            code=row["code_presentation"],
            first_day=FIRST_DAYS[row["code_presentation"]],
            length_days=int(row["module_presentation_length"]),
        )
        for row in _rows("courses")
    }
    enrolments = tuple(_enrolment(row) for row in _rows("enrolments"))
    works = {row["id_assessment"]: _work(row) for row in _rows("assessments")}
    submissions = tuple(
        Submission(
            work=row["id_assessment"],
            presentation=works[row["id_assessment"]].presentation,
            student=row["id_student"],
            day=int(row["date_submitted"]),
            score=float(row["score"]),
        )
        for row in _rows("submissions")
        if row["is_banked"] == "0"
    )
    return Source(presentations, enrolments, works, submissions)


def _rows(table: str) -> Iterator[dict[str, str]]:
    with gzip.open(DATA_FOLDER / f"{table}.csv.gz") as packed, io.TextIOWrapper(packed, encoding="utf-8") as text:
        yield from csv.DictReader(text)


def _enrolment(row: dict[str, str]) -> Enrolment:
    unregistered = int(row["date_unregistration"]) if row["date_unregistration"] else None
    # Twelve students have no registration day: they were there at the start, or before they left.
    registered = int(row["date_registration"]) if row["date_registration"] else min(0, unregistered or 0)
    return msgspec.convert(
        {
            "presentation": f"{row['code_module']}-{row['code_presentation']}",
            "student": row["id_student"],
            "registered_day": registered,
            "unregistered_day": unregistered,
            "final_result": row["final_result"],
            "pre_course_rows": int(row["pre_course_interaction_rows"] or 0),
        },
        Enrolment,
    )


def _work(row: dict[str, str]) -> Work:
    return msgspec.convert(
        {
            "work": row["id_assessment"],
            "presentation": f"{row['code_module']}-{row['code_presentation']}",
            "type": row["assessment_type"],
            "due_day": int(float(row["date"])) if row["date"] else None,
        },
        Work,
    )
