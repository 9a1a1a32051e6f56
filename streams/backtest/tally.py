"""What replays share: how they count, how they keep memory bounded, and how they say that they cannot go on."""

from collections import Counter
from typing import Final

from schemas.journal import CommentInfo
from streams.engine import Engine

#: Changed records that may wait in memory. Beyond it they are packed, as a commit packs them; results stay the same.
MAX_CHANGED: Final = 50_000

Tally = Counter[tuple[str, ...]]
"""Counts by name and label, such as ``("facts", "ratings")``, ``("interventions", "rating.low", "opened")``."""


class ReplayError(ValueError):
    """A recording that this code cannot replay. The text is one sentence for the person who asked."""


def pack(engine: Engine) -> None:
    """Pack changed records when there are many."""
    if engine.state.pending() > MAX_CHANGED:
        engine.flush_state()


def move(engine: Engine, now_ms: int) -> None:
    """Bring a partition to an instant, and finish what is due however much it is: no commit has to be kept small."""
    is_done = engine.advance(now_ms)
    while not is_done or engine.state.sweeps:
        is_done = engine.settle()


def count_comment(tally: Tally, comment: CommentInfo) -> None:
    """Count a comment and what it was flagged for."""
    tally["comments",] += 1
    for flag in comment.flags:
        tally["comment_flags", flag] += 1


def engine_counts(engine: Engine) -> Tally:
    """What an engine counted by itself."""
    counts = Counter(engine.state.counts)
    for name, count in engine.state.faults.counts.items():
        counts["faults", name] = count
    return counts
