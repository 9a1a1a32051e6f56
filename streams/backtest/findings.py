"""The page's sections on what differs between two runs, and on how a run compares with how pairs ended."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

from streams.backtest.evaluate import EPISODES
from streams.backtest.page import columns, figure, heading, many, number, paragraph, percent, table

_KINDS: Final = (
    "added",
    "removed",
    "moved",
    "earlier",
    "later",
    "graver",
    "milder",
    "stage",
    "delivery",
    "end",
    "same",
)
_WORDS: Final = {
    "added": "Added",
    "removed": "Removed",
    "earlier": "Earlier",
    "later": "Later",
    "graver": "Graver",
    "milder": "Milder",
    "stage": "Other stage",
    "delivery": "Other delivery",
    "end": "Other end",
}
_MOST_ROWS: Final = 25


def comparison_sections(
    summary: Mapping[str, Any], examples: Mapping[tuple[str, str], Sequence[Any]], drawings: Mapping[str, str]
) -> Iterator[str]:
    """What differs, by rule, program, cohort and week, with examples."""
    comparison = summary["comparison"]
    yield heading("What would change")
    yield paragraph(
        "An intervention is added or removed when the other run has none on the same rule and subject that was open at "
        "the same time; otherwise it may have moved: opened earlier or later, with another severity or stage.",
        "soft",
    )
    if not comparison["by_rule"]:
        yield "<p>Nothing.</p>"
        return
    yield _counts("Rule", comparison["by_rule"])
    shifts = comparison["shift_days"]
    if shifts:
        rows = [
            (rule, number(one["n"]), number(one["p10"], 1), number(one["median"], 1), number(one["p90"], 1))
            for rule, one in shifts.items()
        ]
        yield table(
            columns("Moved by days", "Count", "p10", "Median", "p90"), rows, "Negative: earlier than in the other run."
        )
    yield from figure(
        drawings.get("differences", ""),
        '<span class="key here"></span>added<span class="key there"></span>removed, by week of opening.',
    )
    yield _counts("Cohort", comparison["by_cohort"])
    yield paragraph("A cohort is the month in which the program's run starts.", "soft")
    yield _counts("Program", comparison["by_program"])
    yield from _examples(examples)


def _counts(head: str, groups: Mapping[str, Mapping[str, int]]) -> str:
    seen = [kind for kind in _KINDS if any(kind in counts for counts in groups.values())]
    ordered = sorted(groups.items(), key=lambda one: (-sum(one[1].get(kind, 0) for kind in _KINDS[:3]), one[0]))
    rows = [(name, *(f"{counts.get(kind, 0):,}" for kind in seen)) for name, counts in ordered[:_MOST_ROWS]]
    left_out = len(ordered) - _MOST_ROWS
    caption = f"{many(left_out, 'more row')} in summary.json." if left_out > 0 else ""
    return table(columns(head, *(kind.capitalize() for kind in seen)), rows, caption)


def _examples(examples: Mapping[tuple[str, str], Sequence[Any]]) -> Iterator[str]:
    if not examples:
        return
    yield heading("Examples, with the facts behind them")
    for (rule, kind), found in sorted(examples.items(), key=lambda one: (list(_WORDS).index(one[0][1]), one[0][0])):
        yield f"<h3>{_WORDS[kind]}: <code>{escape(rule)}</code></h3>"
        yield from map(_example, found)


def _example(one: Mapping[str, Any]) -> str:
    subject = one["subject"]
    who = f"{escape(subject['type'].replace('_', ' '))} <code>{escape(subject['id'])}</code>"
    parts = [f"<article><h4>{who}, program <code>{escape(one['program_id'])}</code></h4>"]
    for name, words in (("here", "Asked about"), ("there", "Against")):
        side = one[name]
        if side is None:
            parts.append(f"<p><strong>{words}:</strong> nothing.</p>")
            continue
        state = f"{side['severity']}, stage {side['stage']}" if side["stage"] else side["severity"]
        ended = f", {side['ending']} {side['closed_at'][:10]}" if side["ending"] else ", still open"
        parts.append(
            f"<p><strong>{words}:</strong> opened {escape(side['opened_at'][:16].replace('T', ' '))} UTC, at the end "
            f"{escape(state)}{escape(ended)}. {escape(side.get('became') or side['summary'])}</p>"
        )
        if name == "here" or one["here"] is None:
            facts = side.get("became_evidence") or side["evidence"]
            parts.append("<ul>" + "".join(map(_fact, facts[-4:])) + "</ul>")
    return "".join((*parts, "</article>"))


def _fact(item: Mapping[str, Any]) -> str:
    numbers = [f"{name} {item[name]:g}" for name in ("value", "threshold", "window_days") if item.get(name) is not None]
    source = item.get("event_id")
    return (
        f"<li>{escape(item['at'][:10])}: {escape(item['text'])}"
        + (f" ({escape(', '.join(numbers).replace('_', ' '))})" if numbers else "")
        + (f" <code>{escape(source)}</code>" if source else "")
        + "</li>"
    )


def evaluation_sections(summary: Mapping[str, Any], drawings: Mapping[str, str]) -> Iterator[str]:
    """Precision, recall and lead time, with their counts and what is not known."""
    evaluation, comparison = summary["evaluation"], summary.get("comparison")
    ends = evaluation["ends"]
    bad = sum(count for reason, count in ends.items() if reason not in ("open", "completed", "other"))
    yield heading("Against how pairs ended")
    if not bad:
        yield paragraph("Not decidable: no pair in this recording ended badly, or none was recorded as such.")
        return
    horizon = summary["asked"]["horizon_days"]
    told = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in ends.items())
    yield paragraph(
        f"How pairs ended: {told}. An alarm is right when its pair ends badly within {horizon:g} days. Alarms whose "
        f"{horizon:g} days reach beyond the recording are undecided and in no share; pairs that a coordinator had "
        "helped are left out here and stand in the last columns.",
        "soft",
    )
    heads = ("Rule", "Alarms", "Right", "Wrong", "Undecided", "Precision", "Bad ends", "Caught", "Recall")
    more = ("Lead, median d", "p10", "p90", "Weeks between false alarms", "Helped: alarms", "of them right")
    for name, one in (("Asked about", evaluation), ("Against", (comparison or {}).get("evaluation"))):
        if one is None:
            continue
        rows = [(rule, *_scores(scores)) for rule, scores in one["rules"].items()]
        yield table(columns(*heads, *more), rows, f"{name}. Pair-weeks between false alarms; lead time in days.")
    if comparison is not None:
        yield from _contrasts(comparison["contrast"])
    caught = evaluation["rules"][EPISODES]["caught"]
    yield from figure(
        drawings.get("leads", ""),
        f"Lead time: from the first alarm to the end, {many(caught, 'pair')} that ended badly and had an alarm before.",
    )


def _scores(scores: Mapping[str, Any]) -> Iterator[str]:
    for name in ("alarms", "right", "wrong", "undecided"):
        yield number(scores[name])
    yield percent(scores["precision"])
    yield from (number(scores["bad_ends"]), number(scores["caught"]), percent(scores["recall"]))
    leads = scores["lead_days"]
    yield from (number(leads[name], 1) for name in ("median", "p10", "p90"))
    yield number(scores["pair_weeks_between_false_alarms"])
    yield from (number(scores["helped"]["alarms"]), number(scores["helped"]["right"]))


def _contrasts(contrasts: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield "<h3>Is it better?</h3>"
    rows = []
    for rule, metrics in contrasts.items():
        for name, one in metrics.items():
            as_text = percent if name in ("precision", "recall") else _plain
            interval = "–" if one["low"] is None else f"{as_text(one['low'])} to {as_text(one['high'])}"
            rows.append((rule, name.replace("_", " "), as_text(one["difference"]), interval, one["verdict"]))
    yield table(
        columns("Rule", "Measure", "Difference", "95 % interval", "Verdict", text=2),
        rows,
        "Asked about minus against. Paired bootstrap over programs.",
    )


def _plain(value: float | None) -> str:
    return number(value, 3)


def sweep_sections(sweep: Mapping[str, Any], drawings: Mapping[str, str]) -> Iterator[str]:
    """A frontier: what each value of a parameter would cost and catch."""
    yield heading("What each value would cost, and catch")
    rows = [
        (
            *map(str, one["values"]),
            number(one["alerts_per_50_pairs_and_month"], 2),
            percent(one["recall"]),
            percent(one["precision"]),
            *(number(one["lead_days"][name], 1) for name in ("p10", "median", "p90")),
            f"{one['alarms']:,} / {one['bad_ends']:,}",
        )
        for one in sweep["points"]
    ]
    names = [f"{one['rule']} {one['parameter']}" for one in sweep["parameters"]]
    heads = ("Alerts per 50 pairs and month", "Recall", "Precision", "Lead p10, d", "median", "p90")
    yield table(columns(*names, *heads, "Alarms / bad ends", text=len(names)), rows, f"Scores of {sweep['scored']}.")
    by = escape(" and ".join(names))
    yield from figure(drawings.get("recall", ""), f"Recall against alerts, by value of {by}.")
    yield from figure(drawings.get("lead_times", ""), f"Median lead time against alerts, by value of {by}.")
