"""`make bench-peers`: the pair job on other stream processors and on our host, in turn, several rounds.

The first use sets the peers up under `.cache/peers/` (Python environments, jars), which downloads some hundred MB and
needs Maven and a JDK. Each system gets records enough for half a minute or less; what is slower gets a share of them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Final

from benchmarks.harness.session import Session, say
from benchmarks.peers import latency
from benchmarks.peers.data import LOW_PERCENT, PAIRS, PARTITIONS, Expected, fill
from benchmarks.peers.setting_up import UnavailableError
from benchmarks.peers.systems import SYSTEMS, System
from benchmarks.peers.watching import UnfinishedError, beyond, drain

RECORDS: Final = 2_000_000
ROUNDS: Final = 5
TIMEOUT_S: Final = 180.0
_TINY: Final = 2_000
"""Records of the run that shows what starting up costs."""


def available() -> dict[str, System]:
    """The systems that can be set up here; says which cannot and why."""
    found = {}
    for name, system in SYSTEMS.items():
        try:
            system.command()
        except UnavailableError as error:
            say(f"left out: {system.title}. {error}")
        else:
            found[name] = system
    return found


def main() -> int:
    """Drain in rounds, then latency."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the load, two rounds")
    parser.add_argument("--only", action="append", choices=SYSTEMS, help="this system alone; may be repeated")
    parser.add_argument("--rounds", type=int, help=f"default {ROUNDS}")
    parser.add_argument("--part", action="append", choices=("drain", "latency"), help="this part alone")
    parser.add_argument("--keep", action="store_true", help="make the pages from quick results, too")
    given = parser.parse_args()
    records = RECORDS // 10 if given.quick else RECORDS
    rounds = given.rounds or (2 if given.quick else ROUNDS)
    systems = {name: one for name, one in available().items() if not given.only or name in given.only}
    with Session("peers", is_quick=given.quick, is_kept=given.keep) as session:
        if "drain" in (given.part or ["drain"]):
            _drain(session, systems, records, rounds)
        if "latency" in (given.part or ["latency"]):
            latency.run(session, systems, rounds)
    if given.keep or not given.quick:
        from benchmarks.page import write

        write()
    return 0


def _drain(session: Session, systems: dict[str, System], records: int, rounds: int) -> None:
    loads: dict[int, tuple[str, int, Expected]] = {}
    for amount in sorted({_TINY, *(round(records * one.share) for one in systems.values())}):
        topic = f"ratings-{amount}"
        session.broker.create_topic(topic, PARTITIONS, {"retention.ms": "-1"})
        loads[amount] = (topic, amount, fill(session.brokers, topic, amount))

    def case(name: str, system: System) -> Callable[[int], dict[str, float]]:
        amount = round(records * system.share)
        base: dict[str, float] = {}

        def once(number: int) -> dict[str, float]:
            try:
                if not base:
                    base.update(drain(session, system, f"{name}-start", *loads[_TINY], TIMEOUT_S))
                found = drain(session, system, f"{name}-{number}", *loads[amount], TIMEOUT_S)
            except UnfinishedError as error:
                say(str(error))
                return {"failed": 1.0}
            return found | beyond(base, found)

        return once

    session.part(
        "drain",
        {name: case(name, system) for name, system in systems.items()},
        rounds=rounds,
        setting={
            "records": records, "pairs": PAIRS, "partitions": PARTITIONS, "bytes": 178, "low_percent": LOW_PERCENT,
        },
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
