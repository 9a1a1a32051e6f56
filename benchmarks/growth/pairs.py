"""More pairs, and larger programs: the engine alone, so that nothing but the engine can make the difference."""

from __future__ import annotations

import json
import sys
from typing import Final

from benchmarks.harness.processes import REST, pinned
from benchmarks.harness.results import Part
from benchmarks.harness.session import Session
from benchmarks.synthetic import FACTS_PER_PAIR_MONTH

_TIMEOUT_S: Final = 1_500.0
_FACTS: Final = 250_000
PAIRS_PER_PROGRAM: Final = 200


def grow(
    session: Session, pairs: int, programs: int, *, days: float | None = None, facts: int = _FACTS
) -> list[dict[str, float]]:
    """Run the engine alone over reference facts and others.

    Args:
        days: of facts, instead of a number of them.

    Returns: figures of each fifth of the facts.
    """
    amount = facts if days is None else round(pairs * FACTS_PER_PAIR_MONTH * days / 30)
    log = session.folder / "alone.log"
    cpus = ",".join(map(str, sorted(REST)))
    command = [sys.executable, "-m", "benchmarks.growth.alone", str(pairs), str(programs), str(amount), cpus]
    with log.open("wb") as output, pinned(command, output) as process:
        if process.wait(_TIMEOUT_S) != 0:
            raise RuntimeError(f"the engine alone failed:\n{log.read_text()[-2000:]}")
    found: list[dict[str, float]] = json.loads(log.read_text().splitlines()[-1])
    return found


def run_pairs(session: Session) -> Part:
    """10 thousand pairs to a million with a week of facts, and three millions with fewer facts; `pairs`."""
    sizes = (500, 2_000) if session.is_quick else (10_000, 100_000, 1_000_000)
    cases = {
        f"{pairs}": lambda _, pairs=pairs: grow(session, pairs, max(1, pairs // PAIRS_PER_PROGRAM), days=7)
        for pairs in sizes
    }
    return session.part("pairs", cases, rounds=1, setting={"days": 7, "pairs_per_program": PAIRS_PER_PROGRAM})


def run_most_pairs(session: Session) -> Part:
    """Three million pairs, with too few facts to fill the memory of event ids; `most-pairs`."""
    pairs = 4_000 if session.is_quick else 3_000_000
    cases = {f"{pairs}": lambda _: grow(session, pairs, max(1, pairs // PAIRS_PER_PROGRAM))}
    return session.part(
        "most-pairs", cases, rounds=1, setting={"facts": _FACTS, "pairs_per_program": PAIRS_PER_PROGRAM}
    )


def run_programs(session: Session) -> Part:
    """The same pairs in many small programs or in one; `programs`."""
    pairs, facts = (1_000, 10_000) if session.is_quick else (100_000, _FACTS)
    sizes = [size for size in (50, 500, 5_000, 100_000) if size <= pairs]
    cases = {f"{size}": lambda _, size=size: grow(session, pairs, pairs // size, facts=facts) for size in sizes}
    return session.part("programs", cases, rounds=1, setting={"facts": facts, "pairs": pairs})
