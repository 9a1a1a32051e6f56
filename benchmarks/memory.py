"""How much memory a pair takes in the engine, with its two people, timers and a week of remembered event ids.

    python -m benchmarks --only memory

RSS growth of a fresh process that applies reference facts of N pairs and one week of facts, divided by N; and the
average size of a stored record. `make bench-growth` does the same for up to a million pairs.
"""

from __future__ import annotations

from benchmarks.growth.pairs import grow
from benchmarks.harness.results import Part
from benchmarks.harness.session import Session


def run(session: Session) -> Part:
    """Measure memory, `memory` in the results."""
    pairs = 5_000 if session.is_quick else 200_000
    cases = {f"{pairs:,} pairs": lambda _: grow(session, pairs, max(1, pairs // 200), days=7)[-1]}
    return session.part("memory", cases, rounds=1, setting={"pairs": pairs, "days": 7, "partitions": 1})
