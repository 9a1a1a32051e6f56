"""What a fold reports back: whom the rules should be asked about."""

from typing import Final

from msgspec import Struct


class Submission(Struct, frozen=True, gc=False):
    """A rating or sentiment as the detectors count it.

    Attributes:
        at_ms: event time.
        counts: the first of this person about this pair on this local day.
        answers_ms: when the survey was sent that this is the first answer to, None when it answers none that is not
            judged.
        again: the same survey was answered on the other topic before, so that this is no answer of its own.
    """

    at_ms: int
    counts: bool
    answers_ms: int | None
    again: bool = False


class Touched(Struct, frozen=True, gc=False):
    """Pairs and participants a fact is about, by id. `everybody`: the program changed so that each of its pairs may
    be due anew."""

    pairs: tuple[str, ...] = ()
    participants: tuple[str, ...] = ()
    everybody: bool = False
    submission: Submission | None = None
    #: a survey went out that is no reminder or repeat of one not judged yet
    survey_sent_ms: int | None = None


NOBODY: Final = Touched()
