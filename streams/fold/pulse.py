"""What a whole program does, by day: kept as sums while facts come in, so that nobody has to count its people later.

Tallies (`View.count`), each a record of its own:
- `mqs`: ratings of match quality surveys and their sum, by local day;
- `tone/<role>`: answers, positive ones, ratings and their sum, by local day, of people in that role (1 mentor, 2
  mentee, 0 both or not known);
- `held`: held meetings, by local day;
- `contacts`: how many active people had their *latest* contact on that day (UTC, because it is asked for at every
  contact), so that who was heard of since a day is a sum over days.

How many people are active stands in the program itself, and so do the first submission of its run and the last review.
"""

from typing import Any, Final

import schemas.facts as f
from streams.clock import DAY_MS
from streams.state.episode import FactRef
from streams.state.participant import ParticipantState
from streams.view import View

#: Days that are kept: the longest windows that the rules' parameters allow, and a break of two months in them.
KEPT_MQS_DAYS: Final = 122
KEPT_TONE_DAYS: Final = 66
KEPT_HELD_DAYS: Final = 224
KEPT_CONTACT_DAYS: Final = 106
GOOD: Final = 4


def note_contact(view: View, person: ParticipantState, at_ms: int) -> None:
    """A person's latest contact is about to move to another UTC day."""
    if person.is_active:
        day = at_ms // DAY_MS
        if person.contact_ms:
            view.recount("contacts", person.contact_ms // DAY_MS, day, KEPT_CONTACT_DAYS)
        else:
            view.count("contacts", day, (1,), KEPT_CONTACT_DAYS)


def note_activity(view: View, person: ParticipantState, change: int) -> None:
    """A person became active (`change` 1) or is no longer (-1)."""
    view.program.active_people += change
    view.touch_program()
    if person.contact_ms:
        view.count("contacts", person.contact_ms // DAY_MS, (change,), KEPT_CONTACT_DAYS)


def note_held(view: View, held_ms: int) -> None:
    view.count("held", view.calendar.day_of(held_ms), (1,), KEPT_HELD_DAYS)


def note_submission(view: View, fact: Any, ref: FactRef, role: int, is_repeated: bool) -> None:
    """A rating or sentiment arrived.

    Args:
        role: 1 mentor, 2 mentee, 0 both or not known.
        is_repeated: the same survey was answered on the other topic already, so that this is no answer of its own.
    """
    program, day = view.program, view.calendar.day_of(ref.at_ms)
    is_rating = isinstance(fact, f.RatingSubmitted)
    value = fact.rating if is_rating else 0
    is_positive = value >= GOOD if is_rating else fact.polarity == "positive"
    tone = (int(not is_repeated), int(is_positive and not is_repeated), int(is_rating), value)
    if any(tone):
        view.count(f"tone/{role}", day, tone, KEPT_TONE_DAYS)
    if is_rating and fact.kind == "mqs":
        view.count("mqs", day, (1, value), KEPT_MQS_DAYS)
    if ref.at_ms >= program.starts_ms and not has_started(view):
        program.started = ref
        view.touch_program()


def has_started(view: View) -> bool:
    """Whether the first submission of the program's present run is known; a run lasts from one start to the next, and
    an always-on program has one."""
    program = view.program
    return program.started is not None and (program.kind == "always_on" or program.started.at_ms >= program.starts_ms)
