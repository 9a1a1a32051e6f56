"""The pair job for the Python peers, which run in environments of their own: so this imports nothing of ours."""

from __future__ import annotations

from typing import Any


def step(state: dict[str, Any] | None, fact: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Keep count, sum, the last five ratings and the last time of a pair.

    Returns: the new state, and an output where the rating is 2 or less.
    """
    rating = fact["rating"]
    if state is None:
        state = {"count": 1, "sum": rating, "last": [rating], "at": fact["occurred_at"]}
    else:
        last = [*state["last"], rating][-5:]
        state = {"count": state["count"] + 1, "sum": state["sum"] + rating, "last": last, "at": fact["occurred_at"]}
    if rating > 2:
        return state, None
    return state, {"event_id": fact["event_id"], "pair_id": fact["pair_id"], "rating": rating} | state
