"""docs/performance.md: what was measured, how, on what, and what falls short."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from benchmarks.harness.results import Part
from benchmarks.page.growth import section as growth
from benchmarks.page.rows import middle, number, ratio, runs, spread, table, when
from benchmarks.page.targets import TARGETS, Results, Target, found, is_held, verdicts
from benchmarks.peers.systems import SYSTEMS

_HEAD: Final = """# How fast it is

Made by `python -m benchmarks.page` from the JSON files in `benchmarks/results/`; a test keeps page and files together. To
repeat all of it: `make bench` (a quarter of an hour), `make bench-peers`, `make bench-growth`, `python -m benchmarks.profiles`.
"""
_METHOD: Final = """## How it is measured

- A real Kafka broker, one node, replication 1, on loopback, no compression. What is measured has one CPU to itself; broker, load
  and watcher share the others.
- **CPU microseconds a fact is the figure that counts**: user and system time of the process and its children. Rates suffer
  from neighbours, CPU time much less so; a million divided by it is what a whole core could do.
- Cases take turns (A-B-A-B). Before each run a bare client loop runs for about a second: aiokafka fetches records of 200
  bytes, msgspec decodes them, nothing else. "x bare" is CPU a fact over that loop's CPU a record of the same minute, median
  of the runs; it moves less from machine to machine than either.
- A figure is the median of all runs, with the least and the most in brackets. No run and no sample is left out.
- *Drain rate*: how fast a backlog goes while there is one: to the last commit that leaves something of it. *Sustainable rate*: the highest rate of an open loop at which the age of what comes out
  does not grow by more than 1 % of the time that passes.
- Latency counts from the instant at which a rating was *due* to be sent (open loop), to its intervention read back by a
  read_committed consumer, whether or not the sender was late.
- Warm-up is left out where it says so: reference facts and the first tenth of the facts (host, engine, ingest), the first 3
  seconds of each open loop. Nothing is left out of backtests.
- Facts are synthetic (`benchmarks/synthetic.py`): 40 a pair and month, mostly sign-ins and messages, meetings, a survey that 35 %
  answer. All rules of the catalogue are on.
"""
_LATENCIES: Final = ("500 a second", "half of the sustainable rate")


def page(results: Results) -> str:
    """The whole page."""
    parts = [_HEAD, *_asked(results), _METHOD, _machine(results), *_ours(results), *_latency(results)]
    parts += [*_peers(results), *growth(results), *_profiles(results), _limits()]
    return "\n".join(parts)


def _asked(results: Results) -> Iterator[str]:
    yield "## What is asked for\n"
    yield table(("", "measured (median)", "asked for", ""), verdicts(results))
    missed = [
        target for target in TARGETS if (value := found(results, target)) is not None and not is_held(target, value)
    ]
    if missed:
        yield "What the profiles say about what is missed:\n"
        for target in missed:
            yield f"- **{target.name}**: {_why(results, target)}"
        yield ""


def _why(results: Results, target: Target) -> str:
    if not target.profile:
        return target.note
    part, profile = results["profiles"].get(target.profile), target.profile
    if part is None:
        return "not profiled yet."
    areas = [run for run in part.runs if run.case.startswith("area: ")]
    told = ", ".join(f"{run.case[6:]} {run.figures['share']:.0%}" for run in areas[:5])
    return f"{target.note} Of the time of `{profile}`: {told} (tables below).".strip()


def _machine(results: Results) -> str:
    part = next((one for suite in ("live", "peers", "growth") for one in results[suite].values()), None)
    if part is None:
        return ""
    machine = part.machine
    packages = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
    build = "" if machine.is_optimised else " built without `--enable-optimizations`, which makes it slower"
    return (
        f"## On what\n\n{machine.cpus} CPUs ({machine.cpu}), {machine.memory_gb:g} GB, Linux {machine.kernel}, Python "
        f"{machine.python}{build}, Java {machine.java}, Kafka {machine.kafka}; {packages}. Each table says when it was "
        "measured and how much of the CPUs others took meanwhile.\n"
    )


def _line(part: Part | None, case: str, title: str) -> tuple[str, ...]:
    return (
        title, spread(part, case, "rate"), spread(part, case, "cpu_us"), ratio(part, case),
        spread(part, case, "foreign"), runs(part, case),
    )  # fmt: skip


def _ours(results: Results) -> Iterator[str]:
    live = results["live"]
    wanted = (
        ("host", "pair job", "pair job through our host, exactly once"),
        ("engine", "engine", "engine, all rules, exactly once"),
        ("ingest", "ingest", "ingest"),
        ("ingest", "ingest, 1 % bad", "ingest, 1 % bad records"),
        ("drain", "worker", "whole worker (ingest and engine), drain"),
        ("backtest", "recording", "backtest of a short recording"),
        ("backtest", "lines of facts", "backtest of lines of facts"),
    )
    yield "## Ours\n"
    yield table(
        ("", "a second", "CPU µs each", "x bare", "CPUs others took", "runs"),
        [_line(live.get(part), case, title) for part, case, title in wanted if part in live],
    )
    if part := live.get("recovery"):
        rows = middle(part, "recovery", "rows") or 0
        yield f"State is read back at {spread(part, 'recovery', 'rate')} rows a second ({rows:,.0f} rows).\n"
    if part := live.get("sustainable"):
        holds, fails = middle(part, "worker", "rate") or 0, middle(part, "worker", "fails") or 0
        above = f"; {fails:,.0f} a second do not hold" if fails else ""
        yield f"One worker on one CPU sustains **{holds:,.0f} facts a second**{above}.\n"
    if part := live.get("engine"):
        written, facts = middle(part, "engine", "rows"), middle(part, "engine", "committed")
        commits, seconds = middle(part, "engine", "commits"), middle(part, "engine", "commit_s")
        if written and facts and commits and seconds is not None:
            yield (
                f"While it drains, the engine commits {number(facts / commits)} facts at a time: {written / facts:.2f} state rows "
                f"a fact, {number(seconds * 1_000)} ms a commit, {spread(part, 'engine', 'peak_mb')} MB at most in memory.\n"
            )
    yield "".join(f"- {part.name}: {when(part)}\n" for part in live.values())


def _latency(results: Results) -> Iterator[str]:
    part = results["live"].get("latency")
    if part is None:
        return
    yield "## Latency\n\nFrom inbound topic to intervention, the whole worker on one CPU, 100 ratings a second looked at.\n"
    yield table(
        ("load", "facts a second", "p50 ms", "p99 ms", "worst ms", "CPU µs a fact", "answers of all expected"),
        [
            (
                case, spread(part, case, "rate"), *(spread(part, case, f"{name}_ms") for name in ("p50", "p99", "worst")),
                spread(part, case, "cpu_us"),
                f"{sum(part.values(case, 'samples')):,.0f} of {sum(part.values(case, 'expected')):,.0f}",
            )
            for case in _LATENCIES
        ],
    )  # fmt: skip
    yield "![Latency by percentile](performance/latency.svg)\n"
    yield f"- {when(part)}\n"


def _peers(results: Results) -> Iterator[str]:
    part = results["peers"].get("drain")
    if part is None:
        return
    yield "## Beside other stream processors\n"
    yield (
        "The pair job: JSON ratings of 178 bytes, 20,000 pairs, 4 partitions; for each record parse, update count, sum, the last "
        "five ratings and the last time of its pair, keep that durably in the system's own way, put out a record when the rating "
        "is 2 or less (2 %). Each is set up as its own documentation advises. Every output is read back and checked; a wrong sum "
        "stops the benchmark. CPU is that of the whole run less that of a run with 2,000 records, so that starting up counts for "
        "nobody; *warm* is the second half of a run, the fair figure for what a JVM does in the long run (not told of systems "
        "whose outputs become visible seconds apart; nothing there is compiled meanwhile).\n"
    )
    lines = [
        (
            SYSTEMS[name].title, SYSTEMS[name].guarantee, SYSTEMS[name].setting, spread(part, name, "cpu_us"),
            "" if SYSTEMS[name].in_bursts else spread(part, name, "warm_cpu_us"), spread(part, name, "rate"), spread(part, name, "peak_mb"), runs(part, name),
        )
        for name in SYSTEMS
        if name in part.cases()
    ]  # fmt: skip
    head = ("", "guarantee", "set", "CPU µs a record", "warm", "records/s", "MB", "runs")
    yield table(head, lines).replace("|---|---:|---:|", "|---|---|---|")
    yield "![CPU by system](performance/peers.svg)\n"
    yield (
        "Guarantees differ, and so does what is stored: JSON in Faust and Quix, compact binary in Kafka Streams, ours and Flink, "
        "pickled objects in Bytewax. Faust gets 3 % of the records (1 % for the window), Quix 40 %, so that a run takes no longer "
        "than half a minute.\n"
    )
    if late := results["peers"].get("latency"):
        yield "At 500 records a second, from due to read back, every fifth giving an output:\n"
        yield table(
            ("", "p50 ms", "p99 ms", "worst ms", "CPU µs a record", "runs"),
            [
                (
                    SYSTEMS[name].title, *(spread(late, name, f"{one}_ms") for one in ("p50", "p99", "worst")),
                    spread(late, name, "cpu_us"), runs(late, name),
                )
                for name in late.cases()
            ],
        )  # fmt: skip
        yield f"- latency: {when(late)}"
    yield f"- drain: {when(part)}\n"


def _profiles(results: Results) -> Iterator[str]:
    if not results["profiles"]:
        return
    yield "## Where the time goes\n"
    yield (
        "By cProfile, which makes every call dearer: shares say where to look, not what a fact costs. Time spent waiting is left "
        "out. Built-in functions count for whoever calls them in the first table, for themselves in the second.\n"
    )
    for name, part in results["profiles"].items():
        areas = [(run.case[6:], f"{run.figures['share']:.0%}") for run in part.runs if run.case.startswith("area: ")]
        top = [
            (f"`{run.case[10:]}`", f"{run.figures['share']:.1%}")
            for run in part.runs
            if run.case.startswith("function: ")
        ]
        yield f"### {name}\n"
        yield table(("what", "share"), areas)
        yield table(("function", "own time"), top[:10])
        yield f"- {when(part)}\n"


def _limits() -> str:
    return """## What this does not show

- One broker, replication 1, loopback: what replication and a network add is not in it.
- Two CPUs: more than two worker processes, and brokers on machines of their own, were not measured.
- Synthetic facts: evenly spread over pairs; a platform has busy mornings.
- State of 20,000 pairs fits every cache; what a million costs stands under growth.
"""
