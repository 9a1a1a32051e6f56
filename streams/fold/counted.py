"""Totals of a program that metrics show: what was said, how it was rated, how often people met."""

from collections.abc import Callable
from typing import Any, Final

import schemas.facts as f
from streams.view import View


def _count_sentiment(view: View, fact: Any) -> None:
    counted = view.program.counted
    if fact.polarity == "positive":
        counted.positive += 1
    elif fact.polarity == "negative":
        counted.negative += 1
    else:
        counted.neutral += 1


def _count_rating(view: View, fact: Any) -> None:
    view.program.counted.ratings[fact.rating - 1] += 1


def _count_meeting(view: View, fact: Any) -> None:
    view.program.counted.meetings_held += 1


#: How a fact that is no repeat is counted, where it is.
COUNTS: Final[dict[type, Callable[[View, Any], None]]] = {
    f.SentimentSubmitted: _count_sentiment,
    f.RatingSubmitted: _count_rating,
    f.MeetingHeld: _count_meeting,
}
