"""`report.html`: what a backtest found, on one page that can be sent around. Equal results give equal pages."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct, field

from streams.backtest.findings import comparison_sections, evaluation_sections, sweep_sections
from streams.backtest.page import columns, figure, heading, number, page, pairs, paragraph, percent, table
from streams.backtest.verdict import verdict

__all__ = ["Shown", "render", "verdict"]

_CHANGES: Final = (
    "opened",
    "evidence_added",
    "escalated",
    "acknowledged",
    "snoozed",
    "woken",
    "resolved",
    "expired",
    "retracted",
)
_COUNTS: Final = (
    ("facts", "Facts read"),
    ("duplicates", "of them repeats, which change nothing"),
    ("late", "of them more than 24 h late"),
    ("dropped_as_erased", "of them naming somebody who was erased"),
    ("dead_letters", "Lines that could not be used"),
    ("ignored_actions", "Coordinator actions that changed no intervention"),
    ("activations", "Rule sets activated by the recording"),
    ("ignored_activations", "Activations in the recording that were ignored"),
)


class Shown(Struct, frozen=True):
    """What the page shows beside the summary.

    Attributes:
        examples: by rule and kind of difference, lines of `comparison.jsonl`.
        drawings: SVG by name: `load`, `differences`, `leads`, and of a sweep `recall` and `lead_times`.
    """

    examples: Mapping[tuple[str, str], Sequence[Any]] = field(default_factory=dict)
    drawings: dict[str, str] = field(default_factory=dict)


def render(summary: Mapping[str, Any], shown: Shown | None = None) -> str:
    """Write the page of a summary as made by `streams.backtest.summary.summarise` and what was added to it."""
    return page("Backtest", _body(summary, shown if shown is not None else Shown()))


def _body(summary: Mapping[str, Any], shown: Shown) -> Iterator[str]:
    yield "<h1>Backtest</h1>"
    yield paragraph(verdict(summary), "verdict")
    yield from _parameters(summary)
    if "comparison" in summary:
        yield from comparison_sections(summary, shown.examples, shown.drawings)
    if "sweep" in summary:
        yield from sweep_sections(summary["sweep"], shown.drawings)
    else:
        yield heading("Interventions by rule and change")
        yield _interventions(summary["interventions"])
    yield from _load(summary, shown)
    if "evaluation" in summary:
        yield from evaluation_sections(summary, shown.drawings)
    yield heading("What was read")
    yield table(columns("What", "Count"), [(text, f"{summary[name]:,}") for name, text in _COUNTS])
    yield heading("Settings and hashes")
    yield paragraph("With the same recording, rule files and version of Ebb, the same command gives the same bytes.")
    yield pairs(_settings(summary))


def _parameters(summary: Mapping[str, Any]) -> Iterator[str]:
    changed = summary.get("parameters")
    if not changed:
        return
    other = "Against" if "comparison" in summary else "Shipped"
    yield heading("What is asked")
    rows = [(one["parameter"], _value(one["here"]), _value(one["there"])) for one in changed]
    yield table(columns("Parameter", "Asked about", other), rows)


def _value(value: Any) -> str:
    return "not stated" if value is None else str(value)


def _interventions(rules: Mapping[str, Mapping[str, int]]) -> str:
    if not rules:
        return "<p>None.</p>"
    seen = [change for change in _CHANGES if any(change in changes for changes in rules.values())]
    rows = [(rule, *(f"{changes.get(change, 0):,}" for change in seen)) for rule, changes in rules.items()]
    return table(columns("Rule", *seen), rows)


def _load(summary: Mapping[str, Any], shown: Shown) -> Iterator[str]:
    if "load" not in summary:
        return
    mine, theirs = summary["load"], summary.get("comparison", {}).get("load")
    yield heading("Messages per coordinator and week")
    yield paragraph(
        "Deliveries, not interventions: what a notifier would send under its policy, with quiet hours, digests, "
        "budgets and reminders; nobody answers, so reminders count in full. Weeks (Monday, UTC) of coordinators "
        "without a message count as well.",
        "soft",
    )
    names = (
        ("Coordinators who got any", "coordinators", 0),
        ("Messages", "messages", 0),
        ("Interventions' records in them", "items", 0),
        ("Median a week", "median", 1),
        ("90 of 100 weeks have at most", "p90", 1),
        ("Most in one week", "most", 0),
        (f"Weeks over {mine['capacity']}, of {mine['coordinator_weeks']:,}", "weeks_over_capacity", 0),
    )
    heads = ("", "Asked about", "Against") if theirs else ("", "Messages")
    rows = [
        (text, number(mine[name], digits), *((number(theirs[name], digits),) if theirs else ()))
        for text, name, digits in names
    ]
    yield table(columns(*heads), rows)
    yield _decided(mine["decided"], None if theirs is None else theirs["decided"])
    caption = f"{legend(theirs is not None)}Messages a week, all coordinators together."
    yield from figure(shown.drawings.get("load", ""), caption)


def _decided(mine: Mapping[str, float], theirs: Mapping[str, float] | None) -> str:
    """What was decided on each record, as shares."""
    names = sorted({*mine, *(theirs or ())}, key=lambda name: (-mine.get(name, 0.0), name))
    rows = [
        (
            name.replace(":", ": ").replace("_", " "),
            percent(mine.get(name, 0.0)),
            *(() if theirs is None else (percent(theirs.get(name, 0.0)),)),
        )
        for name in names
    ]
    heads = ("Of 100 deliveries", "Asked about", "Against") if theirs is not None else ("Of 100 deliveries", "Share")
    return table(columns(*heads), rows, "A delivery is a record on its way to one recipient; digests gather many.")


def legend(both: bool) -> str:
    """Which colour is which run."""
    if not both:
        return ""
    return '<span class="key here"></span>asked about<span class="key there"></span>against. '


def _settings(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    hashes, asked, read = summary["hashes"], summary.get("asked", {}), summary.get("read", {})
    comparison = summary.get("comparison")
    rows = [
        ("Recording", "the journal" if summary["recording"] == "journal" else "facts as lines"),
        ("Rules", "as activated in the recording" if summary["rules"] == "recorded" else "one set throughout"),
        ("Engine", summary["engine"]),
        *((("Recorded by", ", ".join(summary["recorded_by"])),) if summary["recorded_by"] else ()),
        ("Journal partitions", str(summary["partitions"])),
        ("Time covered", f"{_day(read.get('from'))} to {_day(read.get('to'))}"),
        ("First and last decision", f"{summary['first_decided_at'] or '–'} to {summary['last_decided_at'] or '–'}"),
    ]
    if asked.get("from") or asked.get("to"):
        rows.append(("Only what was decided", f"from {asked['from'] or 'the beginning'} to {asked['to'] or 'the end'}"))
    if asked.get("programs"):
        rows.append(("Only the programs", ", ".join(asked["programs"])))
    if "horizon_days" in asked:
        rows.append(("An alarm counts for", f"{asked['horizon_days']:g} days"))
    if "load" in summary:
        rows.append(("Capacity", f"{summary['load']['capacity']:,} messages per coordinator and week"))
    if (people := asked.get("recipients", "defaults")) != "defaults":
        rows.append(("SHA-256 of the recipients file", people))
    if comparison is not None:
        against = comparison["against"]
        words = {"live": "what was published", "recorded": "the recorded rule sets"}.get(against, f"rule set {against}")
        rows.append(("Held against", words))
    return [
        *rows,
        ("Hash of the recording", hashes["recording"]),
        ("Hash of the rule sets", ", ".join(hashes["rulesets"])),
        ("SHA-256 of interventions.jsonl", hashes["interventions"]),
    ]


def _day(instant: str | None) -> str:
    return "–" if instant is None else instant[:10]
