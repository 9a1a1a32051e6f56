"""Words that several rules share: what a survey, a side or a span of days is called in a record."""

from typing import Final

from streams.clock import DAY_MS
from streams.rule import evidence
from streams.state.episode import Evidence
from streams.state.pair import Rating

#: by index into `streams.state.pair.KINDS`
KIND_WORDS: Final = ("match quality survey", "survey after a meeting", "closing survey", "survey")
#: by `streams.state.pair.Side`
SIDE_WORDS: Final = ("participant", "mentor", "mentee")


def say_rating(rating: Rating, who: str, threshold: int | None = None) -> Evidence:
    """A rating as evidence: `who` rated, such as "mentee"."""
    text = f"the {who} rated {rating.value} of 5 in a {KIND_WORDS[rating.kind]}"
    return evidence(text, rating.ref, value=rating.value, threshold=threshold)


def in_days(duration_ms: int) -> str:
    """A span in whole days: "1 day", "14 days"."""
    days = duration_ms // DAY_MS
    return f"{days} day" if days == 1 else f"{days} days"
