"""Where the time goes: `python -m benchmarks.profiles [--only engine]`.

cProfile makes every call dearer, so shares say where to look and not what a fact costs; the time of built-in functions
is given to whoever calls them. Engine (with commits as large as in a backlog), commit (ones of a few facts, as when
little comes) and ingest are whole workers on a real Kafka, recovery and backtests run without one.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import re
import sys
from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import Any, Final

from benchmarks import backtest, engine, ingest
from benchmarks.harness.drain import drain
from benchmarks.harness.session import Session, Setting
from benchmarks.host import make_topics
from benchmarks.synthetic import Platform
from schemas.topics import Topics
from streams.engine import Engine

AREAS: Final = (
    (r"/streams/rules/", "rules"),
    (r"/streams/(judging|rule|view|lifecycle|neglect|inhibition|writing|coordination|causes|steps|phrases)", "judging"),
    (r"/streams/fold/", "folding"),
    (r"/streams/state/", "state and its encoding"),
    (r"/streams/(backtest|delivery)/|/agents/(backtest|recordings)/|pyarrow", "backtest: reading, scoring, writing"),
    (r"/streams/(detectors|slowdown|calendar|windows|workdays)", "detectors and calendars"),
    (r"/streams/", "the step itself"),
    (r"/schemas/|/msgspec|/pydantic|/json/", "decoding and encoding"),
    (r"/agents/host/|/agents/engine", "host: lanes, transactions"),
    (r"/agents/ingest/", "ingest: merge, checks, units"),
    (r"/aiokafka/|/confluent_kafka/", "Kafka client"),
    (r"/asyncio/|/selectors|/faust/|/mode/|/socket", "event loop, Faust"),
)
"""Where a function stands → what it does, first match."""
REST: Final = "everything else"
TOP: Final = 12
FEW: Final = 5
"""Facts in a small commit."""
Key = tuple[str, int, str]


def area_of(path: str) -> str:
    """What the functions of a file do."""
    return next((name for pattern, name in AREAS if re.search(pattern, path)), REST)


def shares(stats: pstats.Stats) -> tuple[Counter[str], Counter[str]]:
    """Own seconds by area, and by function."""
    areas, functions = Counter[str](), Counter[str]()
    table: dict[Key, Any] = stats.stats  # type: ignore[attr-defined]
    for key, (_, _, own, _, callers) in table.items():
        path, _, name = key
        if path == "~" and callers:
            for caller, spent in callers.items():
                areas[area_of(caller[0])] += spent[2]
            functions[_plain(name)] += own
            continue
        areas[area_of(path)] += own
        functions[f"{_short(path)}: {name}"] += own
    return areas, Counter({name: own for name, own in functions.items() if "epoll" not in name})


def _short(path: str) -> str:
    found = re.search(r"(?:/|^)((?:streams|schemas|agents|aiokafka|asyncio|faust)/.*)\.py$", path)
    return found[1] if found else re.sub(r".*/|\.py$", "", path)


def _plain(name: str) -> str:
    """A built-in function without its address."""
    return re.sub(r" at 0x[0-9a-f]+", "", name).strip("<>")


def figures(stats: pstats.Stats, facts: int) -> list[tuple[str, dict[str, float]]]:
    """Shares of own time, without what was spent waiting, areas first."""
    waiting = sum(row[2] for key, row in stats.stats.items() if "epoll" in key[2])  # type: ignore[attr-defined]
    areas, functions = shares(stats)
    areas["event loop, Faust"] -= waiting
    total = sum(areas.values())
    rows = [(f"area: {name}", own) for name, own in areas.most_common() if own / total >= 0.005]
    rows += [(f"function: {name}", own) for name, own in functions.most_common(TOP)]
    return [(case, {"share": own / total, "us": own / facts * 1e6}) for case, own in rows]


def of_engine(session: Session) -> tuple[pstats.Stats, int]:
    """A worker with the engine on a real Kafka, commits and all."""
    return _of_worker(session, 20_000 if session.is_quick else 100_000, {})


def of_commit(session: Session) -> tuple[pstats.Stats, int]:
    """The same with small commits."""
    return _of_worker(session, 2_000 if session.is_quick else 20_000, {"BENCH_UNIT": str(FEW)})


def _of_worker(session: Session, facts: int, setting: dict[str, str]) -> tuple[pstats.Stats, int]:
    records, _ = engine.fill(session, engine.JOURNAL, Platform(5_000, 25), facts)
    make_topics(session, "profile.")
    seen = session.folder / "engine.profile"
    environment = {"BENCH_JOURNAL": engine.JOURNAL, "BENCH_PROFILE": str(seen)} | setting
    drain("benchmarks.engine_worker", session.brokers, "profile.", records, session.folder, environment=environment)
    return pstats.Stats(str(seen)), records


def of_ingest(session: Session) -> tuple[pstats.Stats, int]:
    """A worker with ingest on a real Kafka."""
    facts, topics = 20_000 if session.is_quick else 100_000, Topics("profile.")
    ingest.create(session, topics)
    written = ingest.fill(session, topics, Platform(5_000, 25), facts)
    seen = session.folder / "ingest.profile"
    ingest.measure(session, topics, facts, seen)
    return pstats.Stats(str(seen)), written


def of_recovery(session: Session) -> tuple[pstats.Stats, int]:
    """Rows into an engine, as they come from the state topic."""
    pairs = 2_000 if session.is_quick else 20_000
    former, rows = Engine(), dict[bytes, bytes]()
    former.apply(0, engine.first_entry())
    values = (value for _, value in engine.entries(Platform(pairs, pairs // 200), pairs * 10))
    offset = 0
    while batch := list(islice(values, 10_000)):
        for value in batch:
            offset += 1
            former.apply(offset, value)
        for key, row in former.flush().rows:
            if row is None:
                rows.pop(key, None)
            else:
                rows[key] = row
    profiler, later = cProfile.Profile(), Engine()
    profiler.runcall(later.restore, dict(rows))
    return pstats.Stats(profiler), len(rows)


def of_backtest(session: Session) -> tuple[pstats.Stats, int]:
    """A replay of a recording, in this process."""
    pairs, months = (1_000, 0.25) if session.is_quick else (5_000, 0.5)
    return backtest.profile(pairs, months), round(pairs * months * 40) + 3 * pairs


PROFILES: Final[dict[str, Callable[[Session], tuple[pstats.Stats, int]]]] = {
    "ingest": of_ingest,
    "engine": of_engine,
    "commit": of_commit,
    "recovery": of_recovery,
    "backtest": of_backtest,
}


def main() -> int:
    """Profile, write the results, make the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small loads")
    parser.add_argument("--only", choices=PROFILES, action="append", help="this one alone; may be repeated")
    parser.add_argument("--keep", action="store_true", help="make the pages from quick results, too")
    given = parser.parse_args()
    for name in given.only or PROFILES:
        with Session("profiles", is_quick=given.quick, is_kept=given.keep) as session:
            stats, facts = PROFILES[name](session)
            rows = dict(figures(stats, facts))
            cases = {case: (lambda _, found=found: found) for case, found in rows.items()}
            setting: Setting = {"facts": facts}
            session.part(name, cases, rounds=1, setting=setting, is_timed=False)
    if given.keep or not given.quick:
        from benchmarks.page import write

        write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
