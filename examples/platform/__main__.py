"""Write a simulated year: `python -m examples.platform --out DIR`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from examples.platform import agents, fates, truth
from examples.platform.plans import YEAR_DAYS
from examples.platform.records import DAY_MS, Records
from examples.platform.truth import Truth

#: 2025-01-06, a Monday.
BEGIN_MS: Final = int(datetime(2025, 1, 6, tzinfo=UTC).timestamp()) * 1_000
MECHANICS: Final[dict[str, Callable[[int, int, Records], Truth]]] = {
    "fates": fates.simulate,
    "agents": agents.simulate,
}


def year(mechanics: str, seed: int, pairs: int) -> tuple[Records, Truth]:
    """Simulate a year of a platform.

    Raises: KeyError for unknown mechanics.
    """
    records = Records(seed, BEGIN_MS, BEGIN_MS + YEAR_DAYS * DAY_MS)
    return records, MECHANICS[mechanics](seed, pairs, records)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.platform", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write, made if missing")
    parser.add_argument("--pairs", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mechanics", choices=sorted(MECHANICS), default="fates")
    given = parser.parse_args()
    records, hidden = year(given.mechanics, given.seed, given.pairs)
    given.out.mkdir(parents=True, exist_ok=True)
    with (given.out / "facts.jsonl").open("wb") as file:
        file.writelines(records.lines())
    truth.write(hidden, given.out / "truth")


if __name__ == "__main__":
    main()
