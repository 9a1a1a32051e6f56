"""Surveys on their way to judgement: counted by the local day they were sent on, each judged once, answered or not."""

from msgspec import Struct

from streams.calendar import Calendar
from streams.windows import DayCounts

#: Far beyond the longest wait: a survey leaves by being judged, which only a long break delays.
_KEEP_DAYS = 3_660


class Surveys(Struct, array_like=True, gc=False):
    """Counters of a program that sends surveys. Bounded: days leave `sent` and `answered` when they come of age."""

    #: not judged yet, by local day of sending
    sent: DayCounts
    #: of those, answered so far
    answered: DayCounts
    #: judged, by the local day at whose end that happened
    judged: DayCounts
    #: judged surveys behind the baseline's guard
    waiting: int = 0
    #: judged batches so far, up to 2: the first one only teaches
    batches: int = 0
    #: clock of the newest batch
    batch_clock: int = 0


def start() -> Surveys:
    """Begin without surveys."""
    return Surveys(DayCounts(), DayCounts(), DayCounts())


def fork(surveys: Surveys) -> Surveys:
    """Copy, so that the copy can be changed alone."""
    return Surveys(
        surveys.sent.fork(),
        surveys.answered.fork(),
        surveys.judged.fork(),
        surveys.waiting,
        surveys.batches,
        surveys.batch_clock,
    )


def judged_ms(sent_day: int, answer_days: int, calendar: Calendar) -> int:
    """Find the instant at which surveys of a local day are judged: the end of the day on which they come of age."""
    return calendar.day_start(calendar.day_of_age(sent_day, answer_days) + 1)


def next_judged_ms(surveys: Surveys, answer_days: int, calendar: Calendar) -> int | None:
    """Find the instant of the next judgement, None when no survey is on its way."""
    oldest = surveys.sent.oldest()
    return None if oldest is None else judged_ms(oldest, answer_days, calendar)


def add_sent(surveys: Surveys, sent_day: int, count: int) -> None:
    """Count surveys sent on a local day that has not been judged."""
    surveys.sent.add(sent_day, count, _KEEP_DAYS)


def add_answered(surveys: Surveys, sent_day: int, count: int) -> None:
    """Count answers to surveys sent on a local day that has not been judged."""
    surveys.answered.add(sent_day, count, _KEEP_DAYS)


def take_batch(surveys: Surveys, at_ms: int, answer_days: int, calendar: Calendar) -> tuple[int, int]:
    """Take out all days that are of age at an instant; returns how many surveys that makes, and how many answered."""
    judged = answered = 0
    while (oldest := surveys.sent.oldest()) is not None and judged_ms(oldest, answer_days, calendar) <= at_ms:
        sent = surveys.sent.remove(oldest)
        judged += sent
        # An answer to a survey that was never recorded as sent counts for nothing.
        answered += min(sent, surveys.answered.remove(oldest))
    return judged, answered
