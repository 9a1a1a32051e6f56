"""The part of docs/performance.md about growth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from benchmarks.harness.results import Part
from benchmarks.page.rows import middle, number, ratio, runs, spread, table, when
from benchmarks.page.targets import Results

FLAT: Final = 1.20


class Axis(NamedTuple):
    """One way to grow, and what makes the cost rise where it does."""

    part: str
    title: str
    unit: str
    what: str
    reason: str


AXES: Final = (
    Axis(
        "pairs", "Pairs", "pairs", "The engine alone (decode, step, encoding of rows), 200 pairs a program, a week of facts.",
        "Few pairs stay decoded in memory; of many, each fact decodes its pair and people anew (`HOT_LIMIT` in "
        "`streams/state/table.py`), and a commit holds fewer facts of the same pair.",
    ),
    Axis(
        "programs", "Size of a program", "pairs in a program", "The engine alone, 100,000 pairs in all.",
        "Records of a program are encoded once a commit whatever its size, so many small programs write more rows; a very "
        "large one has larger tallies.",
    ),
    Axis(
        "partitions", "Partitions", "partitions", "The engine on a real Kafka, one worker, 20,000 pairs.",
        "The 60,000 records of these pairs go cold at each commit of a single partition (`HOT_LIMIT`), and stay decoded when "
        "several share them; many partitions make more and smaller commits of the same facts.",
    ),
    Axis(
        "workers", "Worker processes", "processes", "The engine on a real Kafka, 8 partitions.",
        "The second process shares its CPU with the broker.",
    ),
)  # fmt: skip


def section(results: Results) -> Iterator[str]:
    """Everything about growth that was measured."""
    growth = results["growth"]
    if not growth:
        return
    yield "## Growth\n\nCPU a fact should stay within 20 % over each range; where it does not, the reason is named.\n"
    for axis in AXES:
        if part := growth.get(axis.part):
            yield from _axis(axis, part, growth.get("most-pairs") if axis.part == "pairs" else None)
    if part := growth.get("launch"):
        yield from _launch(part)
    if part := growth.get("backlog"):
        yield from _backlog(part, results["live"].get("drain"))
    if part := growth.get("backtest"):
        yield from _backtest(part)
    if part := growth.get("backtest-memory"):
        yield from _backtest_memory(part)


def _axis(axis: Axis, part: Part, further: Part | None) -> Iterator[str]:
    yield f"### {axis.title}\n\n{axis.what}\n"
    shown = [(part, case) for case in part.cases()] + [(further, case) for case in (further.cases() if further else [])]
    head, figures = [axis.unit, "CPU µs a fact"], ["cpu_us"]
    for name, title in (
        ("rate", "facts/s"),
        ("bytes_a_pair", "bytes of memory a pair"),
        ("bytes_a_record", "bytes a record"),
    ):
        if any(one is not None and one.values(case, name) for one, case in shown):
            head.append(title)
            figures.append(name)
    yield table(
        [*head, "runs"],
        [(f"{int(case):,}", *(spread(one, case, name) for name in figures), runs(one, case)) for one, case in shown],
    )
    costs = [cost for case in part.cases() if (cost := middle(part, case, "cpu_us")) is not None]
    if len(costs) > 1:
        rise = max(costs) / min(costs)
        yield (
            f"Flat within {rise - 1:.0%}.\n" if rise <= FLAT
            else f"**Not flat: the dearest costs {rise - 1:.0%} more than the cheapest.** {axis.reason}\n"
        )  # fmt: skip
    if axis.part != "workers":
        yield f"![CPU a fact by {axis.unit}](performance/growth-{axis.part}.svg)\n"
    if further is not None:
        facts = float(further.setting["facts"])
        yield (
            f"The last line got {facts:,.0f} facts only, fewer than a week of its pairs: its memory holds few event ids.\n"
        )
    yield f"- {when(part)}\n"


def _launch(part: Part) -> Iterator[str]:
    yield (
        "### A launch\n\nPairs matched in one batch reach their tenth day together without a meeting; the engine alone. What else "
        "arrives waits for the longest slice, not for all of it.\n"
    )
    yield table(
        ("pairs", "interventions", "slices", "CPU s in all", "CPU s of the longest slice", "CPU µs a pair", "runs"),
        [
            (
                f"{int(case):,}", *(spread(part, case, name) for name in ("interventions", "slices", "cpu_s", "longest_slice_s")),
                number((middle(part, case, "cpu_s") or 0) / int(case) * 1e6), runs(part, case),
            )
            for case in part.cases()
        ],
    )  # fmt: skip
    yield f"- {when(part)}\n"


def _backlog(part: Part, drained: Part | None) -> Iterator[str]:
    waiting, rate = float(part.setting["waiting_s"]), float(part.setting["rate"])
    facts, taken = waiting * rate, middle(part, "worker", "catch_up_s") or 0
    yield (
        f"### A backlog\n\nA day at 1,000 facts a second is 86.4 million facts, too many for this machine, so it was scaled: "
        f"{facts:,.0f} facts wait ({waiting:.0f} s at {rate:,.0f} a second) and {rate:,.0f} a second go on coming. From the start of "
        f"the worker until what comes out is fresh again: **{spread(part, 'worker', 'catch_up_s')} s**.\n"
    )
    speed = middle(drained, "worker", "rate")
    if speed is not None and speed > rate:
        yield (
            f"With a drain rate D and R new facts a second, B facts take B / (D − R) seconds. With the drain rate measured above "
            f"(D = {number(speed)}) that is {number(facts / (speed - rate))} s here, without starting up; measured were {number(taken)}. For 24 h at "
            f"1,000 a second it is {number(86_400_000 / (speed - 1_000) / 3_600)} hours: computed, not measured.\n"
        )
    yield f"- {when(part)}\n"


def _backtest(part: Part) -> Iterator[str]:
    pairs, months = float(part.setting["pairs"]), float(part.setting["months"])
    entries = middle(part, "all rules", "entries") or 0
    yield (
        f"### A long backtest\n\n{entries:,.0f} facts of {pairs:,.0f} pairs over {months:g} months, as a recording of the journal; one process on "
        "one CPU, two on both.\n"
    )
    yield table(
        ("", "facts/s", "CPU µs a fact", "x bare", "runs"),
        [
            (case, spread(part, case, "rate"), spread(part, case, "cpu_us"), ratio(part, case), runs(part, case))
            for case in part.cases()
        ],
    )
    yield f"- {when(part)}\n"


def _backtest_memory(part: Part) -> Iterator[str]:
    yield (
        "### Memory of a backtest\n\nOne process; an eighth of all pairs, one partition, is in memory at a time, and an episode for each "
        "intervention so far.\n"
    )
    yield table(
        ("recording", "entries", "peak, MB", "of it before the first entry, MB", "runs"),
        [
            (case, *(spread(part, case, name) for name in ("entries", "peak_mb", "base_mb")), runs(part, case))
            for case in part.cases()
        ],
    )
    yield f"- {when(part)}\n"
