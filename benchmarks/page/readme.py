"""The figures of the README: the few that say most."""

from __future__ import annotations

from benchmarks.page.rows import middle, spread, table
from benchmarks.page.targets import Results, verdicts


def figures(results: Results) -> str:
    """A table, what was missed, and where to read more."""
    live, peers = results["live"], results["peers"].get("drain")
    lines = [
        ("pair job through our host, exactly once", live.get("host"), "pair job"),
        ("the same in the harness of the peers", peers, "ebb"),
        ("the same on Kafka Streams, exactly once", peers, "streams-eos"),
        ("the same on a stock Faust table, at least once", peers, "faust-memory"),
        ("engine, all rules, exactly once", live.get("engine"), "engine"),
        ("ingest: validate, re-key, journal", live.get("ingest"), "ingest"),
        ("whole worker, drain", live.get("drain"), "worker"),
        ("backtest of a recording, one core", results["growth"].get("backtest"), "all rules"),
        ("the same on two cores", results["growth"].get("backtest"), "all rules, 2 processes"),
    ]
    shown = [
        (title, spread(part, case, "rate"), spread(part, case, "cpu_us"))
        for title, part, case in lines
        if part is not None and case in part.cases()
    ]
    text = table(("", "a second", "CPU µs each"), shown)
    if late := live.get("latency"):
        calm = "500 a second"
        text += (
            f"\nRating to intervention at 500 facts a second: median {spread(late, calm, 'p50_ms')} ms, 99 % within "
            f"{spread(late, calm, 'p99_ms')} ms."
        )
    if sustained := middle(live.get("sustainable"), "worker", "rate"):
        text += f" One worker on one CPU sustains {sustained:,.0f} facts a second."
    missed = [name for name, *_, verdict in verdicts(results) if verdict == "MISSED"]
    text += "\n\n" + (
        f"Asked for and not reached: {'; '.join(missed)}. " if missed else "Everything asked for is reached. "
    )
    return (
        text
        + "How it was measured, on what, beside what, and where the time goes: [performance](docs/performance.md).\n"
    )
