"""`make bench-growth`: what a fact costs as pairs, programs, partitions, workers grow; launches, backlogs, backtests.

About three quarters of an hour in all; each part can be run alone (`--only pairs`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Final

from benchmarks import backtest, backtest_memory
from benchmarks.growth import cluster, launch, pairs
from benchmarks.harness.results import Part
from benchmarks.harness.session import Session, say

PARTS: Final[dict[str, Callable[[Session], Part]]] = {
    "programs": pairs.run_programs,
    "launch": launch.run,
    "partitions": cluster.run_partitions,
    "workers": cluster.run_workers,
    "backlog": cluster.run_backlog,
    "pairs": pairs.run_pairs,
    "most-pairs": pairs.run_most_pairs,
    "backtest": backtest.run_long,
    "backtest-memory": backtest_memory.run,
}


def main() -> int:
    """Run the parts asked for, then make the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small loads: shows that it works, and no more")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part alone; may be repeated")
    parser.add_argument("--keep", action="store_true", help="make the pages from quick results, too")
    given = parser.parse_args()
    failed: list[str] = []
    for name in given.only or PARTS:
        with Session("growth", is_quick=given.quick, is_kept=given.keep) as session:
            try:
                PARTS[name](session)
            except RuntimeError as error:  # the other parts say what they have to say all the same
                say(f"{name} failed: {error}")
                failed.append(name)
    if given.keep or not given.quick:
        from benchmarks.page import write

        write()
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
