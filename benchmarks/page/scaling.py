"""docs/scaling.md and the constants behind it."""

from __future__ import annotations

from typing import Final

from agents.sizing import FACTS_PER_PAIR_MONTH, Choices, Measured, Sizing, rows, size
from benchmarks.page.rows import middle, number, table
from benchmarks.page.targets import Results

TIERS: Final = (
    ("one program", 3_000, 1.0),
    ("a platform", 200_000, 60.0),
    ("all of a country", 10_000_000, 3_000.0),
    ("stress", 100_000_000, 31_000.0),
)


class IncompleteError(RuntimeError):
    """Figures that sizes are computed from have not been measured."""


def measured(results: Results) -> Measured:
    """The constants, from the medians of the results.

    Raises: IncompleteError, naming what is missing.
    """
    live, growth = results["live"], results["growth"]
    pairs = growth.get("pairs") or live.get("memory")
    largest = pairs.cases()[-1] if pairs else ""
    wanted = {
        "ingest_us": middle(live.get("ingest"), "ingest", "cpu_us"),
        "engine_us": middle(live.get("engine"), "engine", "cpu_us"),
        "broker_us": _both(results),
        "pair_bytes": middle(pairs, largest, "bytes_a_pair"),
        "inbound_bytes": middle(live.get("ingest"), "ingest", "inbound_bytes"),
        "journal_bytes": middle(live.get("engine"), "engine", "journal_bytes"),
        "state_bytes": middle(live.get("engine"), "engine", "state_bytes"),
        "intervention_bytes": middle(live.get("engine"), "engine", "intervention_bytes"),
        "stored_bytes": middle(pairs, largest, "stored_bytes_a_pair"),
        "stored_rows": middle(pairs, largest, "records_a_pair"),
        "recovery_rows": middle(live.get("recovery"), "recovery", "rate"),
    }
    if missing := [name for name, value in wanted.items() if value is None]:
        raise IncompleteError(f"not measured: {', '.join(missing)}")
    known = {name: float(f"{value:.4g}") for name, value in wanted.items() if value is not None}
    engine = live["engine"]
    return Measured(**known, commit=engine.commit, python=engine.machine.python)


def _both(results: Results) -> float | None:
    """The broker's CPU a fact: for what ingest reads and writes, and for what the engine does."""
    hops = [middle(results["live"].get(name), name, "broker_us") for name in ("ingest", "engine")]
    return sum(hop for hop in hops if hop is not None) if None not in hops else None


_FORMULAS: Final = """## The formulas

P pairs, F facts a second at peak; a = P · {facts} / 30 d, the average rate. All constants are measured but those under "chosen".

| | |
|---|---|
| CPUs busy in workers | F · (ingest + engine) |
| workers | the larger of CPUs / load and memory / (memory of a worker − 0.3 GB), at least 1 |
| memory for state | P · bytes a pair |
| reading state back | P · rows a pair / recovery rate / workers |
| partitions | the next power of two over workers · {partitions}, at least 8 |
| CPUs busy in brokers | F · broker, for one copy of everything |
| brokers | the larger of the replication and CPUs · replication / load |
| journal, interventions | a · {journal} d · bytes of each |
| inbound topics | a · {inbound} d · bytes |
| state topic | 2 · P · stored bytes a pair: compaction waits until as much again is dirty |
| disk | replication · all topics |
| network | F · (bytes written · (2 · replication − 1) + bytes read): producers, followers, readers |
"""


def page(costs: Measured) -> str:
    """The whole page."""
    chosen = Choices()
    sizings = {name: size(pairs, facts, costs, chosen) for name, pairs, facts in TIERS}
    return "\n".join((
        "# How much of what\n",
        "Made by `python -m benchmarks.page`. What the four tiers of our design need, computed from what was measured "
        "([performance](performance.md)) and from nothing else. `ebb doctor --size PAIRS FACTS` does the same for other sizes.\n",
        table(
            ("", *sizings),
            [
                ("active pairs", *(f"{one.pairs:,}" for one in sizings.values())),
                ("facts a second at peak", *(f"{one.facts_a_second:,g}" for one in sizings.values())),
                *_lines(list(sizings.values())),
            ],
        ),
        "A program by itself needs no cluster: the embedded broker of `ebb demo` takes it, for trying out; what is kept "
        "needs a Kafka, and one broker with replication 1 is enough for a laptop.\n",
        _FORMULAS.format(
            facts=FACTS_PER_PAIR_MONTH, partitions=chosen.partitions_a_worker, journal=chosen.journal_days,
            inbound=chosen.inbound_days,
        ),
        "## Measured\n",
        table(
            ("", ""),
            [
                ("ingest, CPU a fact", f"{number(costs.ingest_us)} µs"),
                ("engine, CPU a fact", f"{number(costs.engine_us)} µs"),
                ("broker, CPU a fact, both hops", f"{number(costs.broker_us)} µs"),
                ("memory a pair", f"{number(costs.pair_bytes)} bytes"),
                ("inbound record on disk", f"{number(costs.inbound_bytes)} bytes"),
                ("journal entry on disk", f"{number(costs.journal_bytes)} bytes"),
                ("state written a fact", f"{number(costs.state_bytes)} bytes"),
                ("interventions written a fact", f"{number(costs.intervention_bytes)} bytes"),
                ("stored a pair after compaction", f"{number(costs.stored_bytes)} bytes in {number(costs.stored_rows)} rows"),
                ("recovery", f"{number(costs.recovery_rows)} rows/s"),
            ],
        ),
        f"Commit {costs.commit}, Python {costs.python}.\n",
        "## Chosen\n",
        f"CPUs at peak at most {chosen.load:.0%} busy, so that an outage is caught up as fast as facts come; "
        f"{chosen.worker_gb:g} GB for a worker; replication {chosen.replication}; journal and interventions kept "
        f"{chosen.journal_days} days, inbound topics {chosen.inbound_days}.\n",
        "## What to know besides\n",
        "- The number of partitions is frozen with the data. Choose it for the size you may reach.\n"
        "- State is in memory whole. A worker that dies hands its partitions on, and they are read back first: the line "
        "\"reading state back\" is how long nothing comes out of them.\n"
        "- State is written oftener when facts come one by one than while a backlog is drained, which is what was measured: "
        "network and state topic are a lower bound at low load, where they do not matter.\n"
        "- Compression on producers (`lz4`, `zstd`) is not counted.\n"
        "- Nothing above two worker processes and one broker was measured. The larger tiers rest on cost a fact staying flat, "
        "which is shown for each range that fits this machine.\n",
    ))  # fmt: skip


def _lines(sizings: list[Sizing]) -> list[tuple[str, ...]]:
    columns = [list(rows(one)) for one in sizings]
    return [(line[0][0], *(amount for _, amount in line)) for line in zip(*columns, strict=True)]
