"""`make bench`: our own figures, on a real Kafka, one CPU for what is measured; the pages are made from what it writes.

Each part can be run alone (`--only engine`). Timings on a shared machine are noisy: every run stands beside a bare
client loop of the same minute, and CPU microseconds say more than rates.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Final

from benchmarks import backtest, by_rule, engine, host, ingest, live, memory
from benchmarks.harness.results import Part
from benchmarks.harness.session import Session, say

PARTS: Final[dict[str, Callable[[Session], Part]]] = {
    "host": host.run,
    "engine": engine.run,
    "ingest": ingest.run,
    "live": live.run,
    "backtest": backtest.run,
    "rules": by_rule.run,
    "memory": memory.run,
}


def main() -> int:
    """Run the parts asked for; a broker of its own for each, so that none inherits another's topics."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small loads, two rounds: two minutes instead of fifteen")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part alone; may be repeated")
    parser.add_argument("--keep", action="store_true", help="make the pages from quick results, too")
    given = parser.parse_args()
    began = time.monotonic()
    failed: list[str] = []
    for name in given.only or PARTS:
        with Session("live", is_quick=given.quick, is_kept=given.keep) as session:
            try:
                PARTS[name](session)
            except RuntimeError as error:  # the other parts say what they have to say all the same
                say(f"{name} failed: {error}")
                failed.append(name)
    if given.keep or not given.quick:
        from benchmarks.page import write

        write()
    say(f"done in {time.monotonic() - began:.0f} s")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
