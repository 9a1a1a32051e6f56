"""What is asked for, and whether it is reached: the same list for the page and the README."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from benchmarks.harness.results import Part
from benchmarks.page.rows import middle, number

Results = dict[str, dict[str, Part]]
DURABLE: Final = ("faust-memory", "faust-rocksdb", "quix", "quix-eos", "bytewax", "streams-alo", "streams-eos", "flink")


class Target(NamedTuple):
    """One figure beside what is asked for.

    Attributes:
        suite, part, case, figure: where it stands.
        least: it should be at least `bound`, otherwise at most.
        profile: which profile says why it falls short; `note` says what none does.
    """

    name: str
    suite: str
    part: str
    case: str
    figure: str
    bound: float
    unit: str
    least: bool = True
    profile: str | None = None
    note: str = ""


_WAITING: Final = (
    "a fact costs half as much CPU again as in a backlog (table below), because many small chunks pass through two consumers; "
    "with no time to spare the worker gathers, and what comes is older for it."
)
TARGETS: Final = (
    Target("engine, all rules, exactly once", "live", "engine", "engine", "rate", 50_000, "facts/s", profile="engine"),
    Target(
        "engine, first four rules", "live", "engine", "engine, first four rules", "rate", 60_000, "facts/s",
        profile="engine",
    ),
    Target("engine, CPU", "live", "engine", "engine", "cpu_us", 20, "µs a fact", False, "engine"),
    Target("pair job, CPU", "peers", "drain", "ebb", "cpu_us", 5, "µs a fact", False,
        note="the bare loop beside it is most of it (column x bare).",
    ),
    Target("ingest", "live", "ingest", "ingest", "rate", 80_000, "facts/s", profile="ingest"),
    Target("backtest, one core", "growth", "backtest", "all rules", "rate", 85_000, "facts/s", profile="backtest"),
    Target(
        "backtest, first four rules, one core", "growth", "backtest", "first four rules", "rate", 80_000, "facts/s",
        profile="backtest",
    ),
    Target(
        "backtest, two cores", "growth", "backtest", "all rules, 2 processes", "rate", 170_000, "facts/s",
        profile="backtest",
    ),
    Target("latency at 500/s, p50", "live", "latency", "500 a second", "p50_ms", 20, "ms", False, "commit", _WAITING),
    Target("latency at 500/s, p99", "live", "latency", "500 a second", "p99_ms", 100, "ms", False, "commit", _WAITING),
    Target(
        "latency at half the sustainable rate, p50", "live", "latency", "half of the sustainable rate", "p50_ms", 20,
        "ms", False, "commit", _WAITING,
    ),
    Target(
        "latency at half the sustainable rate, p99", "live", "latency", "half of the sustainable rate", "p99_ms", 100,
        "ms", False, "commit", _WAITING,
    ),
    Target("recovery", "live", "recovery", "recovery", "rate", 150_000, "rows/s", profile="recovery"),
    Target("memory at 200,000 pairs", "live", "memory", "200,000 pairs", "bytes_a_pair", 2_048, "bytes a pair", False,
        note="what lives adds up to some 1,180 bytes; the rest is what one unit decodes, and the holes it leaves.",
    ),
    Target("memory at a million pairs", "growth", "pairs", "1000000", "bytes_a_pair", 1_500, "bytes a pair", False,
        note="stored records are the smaller part; dictionaries, timers and a week of event ids are the rest.",
    ),
)  # fmt: skip


def found(results: Results, target: Target) -> float | None:
    """The median of the figure; None where it was not measured."""
    return middle(results[target.suite].get(target.part), target.case, target.figure)


def is_held(target: Target, value: float) -> bool:
    return value >= target.bound if target.least else value <= target.bound


def verdicts(results: Results) -> Iterator[tuple[str, str, str, str]]:
    """(what, measured, asked for, verdict) of every target."""
    for target in TARGETS:
        value = found(results, target)
        bound = f"{'≥' if target.least else '≤'} {number(target.bound)} {target.unit}"
        if value is None:
            yield target.name, "not measured", bound, "open"
        else:
            yield target.name, f"{number(value)} {target.unit}", bound, "held" if is_held(target, value) else "MISSED"
    yield from _peers(results)


def _peers(results: Results) -> Iterator[tuple[str, str, str, str]]:
    part = results["peers"].get("drain")
    ours = middle(part, "ebb", "cpu_us")
    costs = {name: cost for name in DURABLE if (cost := middle(part, name, "cpu_us")) is not None}
    if ours is None or not costs:
        return
    best = min(costs, key=costs.__getitem__)
    yield (
        "pair job beside durable peers", f"{number(ours)} µs", f"< {number(costs[best])} µs ({best})",
        "held" if ours < costs[best] else "MISSED",
    )  # fmt: skip
    limit = middle(part, "streams-eos", "warm_cpu_us")
    if limit is not None:
        yield (
            "pair job beside warm Kafka Streams, exactly once", f"{number(ours)} µs", f"≤ {number(limit)} µs",
            "held" if ours <= limit else "MISSED",
        )  # fmt: skip
