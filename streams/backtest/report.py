"""`report.html`: what a backtest found, on one page that needs nothing but itself. No scripts, no fonts, no network."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Final

_STYLE: Final = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% }
th, td { padding: .3rem .6rem; border-bottom: 1px solid #8884; text-align: left; overflow-wrap: anywhere }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums }
.verdict { font-size: 1.1rem } code { font-size: .9em }
"""
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


def verdict(summary: Mapping[str, Any]) -> str:
    """Say in one or two sentences what came out, doubts included."""
    rules: Mapping[str, Mapping[str, int]] = summary["interventions"]
    opened = sum(changes.get("opened", 0) for changes in rules.values())
    sentence = (
        f"{_many(summary['facts'], 'fact')} led to {_many(opened, 'intervention')} "
        f"under {_many(len(rules), 'rule')}, {_many(summary['interventions_total'], 'record')} in all."
    )
    doubts = []
    if summary["dead_letters"]:
        doubts.append(f"{_many(summary['dead_letters'], 'line')} could not be used (dead-letters.jsonl says why)")
    if summary["faults"]:
        doubts.append(f"the code of {', '.join(summary['faults'])} failed on some facts and was skipped there")
    return f"{sentence} Mind that {' and '.join(doubts)}." if doubts else sentence


def render(summary: Mapping[str, Any]) -> str:
    """Write the page of a summary as made by `streams.backtest.summary.summarise`. Equal summaries give equal pages."""
    hashes = summary["hashes"]
    settings = [
        ("Recording", "the journal" if summary["recording"] == "journal" else "facts as lines"),
        ("Rules", "as activated in the recording" if summary["rules"] == "recorded" else "one set throughout"),
        ("Engine", summary["engine"]),
        *((("Recorded by", ", ".join(summary["recorded_by"])),) if summary["recorded_by"] else ()),
        ("Journal partitions", str(summary["partitions"])),
        ("First and last decision", f"{summary['first_decided_at'] or '–'} to {summary['last_decided_at'] or '–'}"),
        ("Hash of the recording", hashes["recording"]),
        ("Hash of the rule sets", ", ".join(hashes["rulesets"])),
        ("SHA-256 of interventions.jsonl", hashes["interventions"]),
    ]
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8"><title>Backtest</title>',
            '<meta name="viewport" content="width=device-width">',
            f"<style>{_STYLE}</style></head><body>",
            "<h1>Backtest</h1>",
            f'<p class="verdict">{escape(verdict(summary))}</p>',
            "<h2>Interventions by rule and change</h2>",
            _interventions(summary["interventions"]),
            "<h2>What was read</h2>",
            _table(("What", "Count"), [(text, f"{summary[name]:,}") for name, text in _COUNTS]),
            "<h2>Settings and hashes</h2>",
            _table(("What", "Value"), settings, are_numbers=False),
            "</body></html>\n",
        )
    )


def _interventions(rules: Mapping[str, Mapping[str, int]]) -> str:
    if not rules:
        return "<p>None.</p>"
    seen = [change for change in _CHANGES if any(change in changes for changes in rules.values())]
    rows = [(rule, *(f"{changes.get(change, 0):,}" for change in seen)) for rule, changes in rules.items()]
    return _table(("Rule", *seen), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]], *, are_numbers: bool = True) -> str:
    number = ' class="number"' if are_numbers else ""
    lines = ["<table>", _row("th", head, number)]
    lines += [_row("td", row, number) for row in rows]
    return "\n".join((*lines, "</table>"))


def _row(tag: str, cells: tuple[str, ...], number: str) -> str:
    first, *rest = map(escape, cells)
    return f"<tr><{tag}>{first}</{tag}>" + "".join(f"<{tag}{number}>{cell}</{tag}>" for cell in rest) + "</tr>"


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
