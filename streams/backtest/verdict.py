"""What a backtest found, in a sentence or two, doubts included."""

from collections.abc import Mapping
from typing import Any

from streams.backtest.page import many, number, percent


def verdict(summary: Mapping[str, Any]) -> str:
    """Say what came out: of a comparison what changes and whether it would have been better."""
    sentences = []
    if "comparison" in summary:
        sentences = [_change(summary["comparison"], summary["load"]), *_better(summary["comparison"])]
    sentences.append(_what(summary))
    doubts = _doubts(summary)
    if doubts:
        sentences.append(f"Mind that {' and '.join(doubts)}.")
    return " ".join(sentences)


def _what(summary: Mapping[str, Any]) -> str:
    rules: Mapping[str, Mapping[str, int]] = summary["interventions"]
    opened = sum(changes.get("opened", 0) for changes in rules.values())
    return (
        f"{many(summary['facts'], 'fact')} led to {many(opened, 'intervention')} "
        f"under {many(len(rules), 'rule')}, {many(summary['interventions_total'], 'record')} in all."
    )


def _change(comparison: Mapping[str, Any], load: Mapping[str, Any]) -> str:
    total = comparison["total"]
    against = comparison["against"]
    if against == "live" and comparison["first_unequal"] is None and not set(total) - {"same"}:
        return "It equals what was published: zero differences."
    if not set(total) - {"same"}:
        return "Nothing differs from the rule set it was held against."
    words = [f"{total.get('added', 0):,} would be new", f"{total.get('removed', 0):,} gone"]
    words += [f"{total[kind]:,} {kind}" for kind in ("earlier", "later", "graver", "milder") if total.get(kind)]
    name = {"live": "what was published", "recorded": "the recorded rule sets"}.get(against, "the other rule set")
    sentence = f"Against {name}, {', '.join(words)}."
    messages, before = load["messages"], comparison["load"]["messages"]
    if messages != before:
        sentence += f" Coordinators would get {messages:,} messages instead of {before:,}."
    if against == "live" and comparison["first_unequal"]:
        sentence += f" The first record that was published otherwise: {comparison['first_unequal']}."
    return sentence


def _better(comparison: Mapping[str, Any]) -> list[str]:
    contrasts = comparison["contrast"].get("all rules, per alarm episode", {})
    told = []
    for name, words in (("precision", "precision"), ("recall", "recall")):
        one = contrasts.get(name)
        if one is None or one["difference"] is None or one["verdict"] == "the same":
            continue
        if one["low"] is None or one["verdict"].startswith("not decidable"):
            told.append(f"whether {words} changes is not decidable on this recording")
        else:
            told.append(
                f"{words} would be {one['verdict']} by {percent(abs(one['difference']))} "
                f"(95 % interval {number(100 * one['low'], 1)} to {number(100 * one['high'], 1)} points)"
            )
    return [f"Measured by how pairs ended, {'; '.join(told)}."] if told else []


def _doubts(summary: Mapping[str, Any]) -> list[str]:
    doubts = []
    if summary["dead_letters"]:
        doubts.append(f"{many(summary['dead_letters'], 'line')} could not be used (dead-letters.jsonl says why)")
    if unknown := summary.get("asked", {}).get("unknown_programs"):
        doubts.append(f"the recording knows nothing of {', '.join(unknown)}")
    if summary["faults"]:
        doubts.append(f"the code of {', '.join(summary['faults'])} failed on some facts and was skipped there")
    if summary.get("comparison", {}).get("behind"):
        behind = many(summary["comparison"]["behind"], "record")
        doubts.append(f"the live engine was behind when this was recorded, so {behind} could not be compared")
    return doubts
