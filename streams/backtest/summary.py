"""What a backtest counted, as `summary.json` tells it. Nothing in it depends on the machine or on how long it took."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, Literal

from msgspec import Struct

from schemas.base import from_ms, instant_text
from streams.backtest.evaluate import ALL, EPISODES, Evaluation, Scores
from streams.backtest.load import quantile
from streams.backtest.replay import Tally
from streams.clock import DAY_MS

#: counted once per journal partition though it happened once
_TOLD_TO_EVERYBODY: Final = frozenset({"activations", "ruleset", "version"})


class Settings(Struct, frozen=True, kw_only=True):
    """What was asked of a backtest.

    Attributes:
        kind: of the recording: `journal` (Parquet) or `facts` (.jsonl).
        rules: `recorded`, or the content hash of the rule set that was in force throughout.
        engine: version of this code.
        recording: content hash of the recording.
        partitions: how many journal partitions there are.
    """

    kind: Literal["journal", "facts"]
    rules: str
    engine: str
    recording: str
    partitions: int


class Output(Struct, frozen=True, kw_only=True):
    """What came out: how many interventions, the SHA-256 of their file, first and last instant decided (ms UTC)."""

    lines: int
    sha256: str
    first_ms: int | None
    last_ms: int | None


def merge(tallies: Iterable[Tally]) -> Tally:
    """Add up what was counted in several partitions."""
    total: Tally = Counter()
    for tally in tallies:
        for key, count in tally.items():
            total[key] = max(total[key], count) if key[0] in _TOLD_TO_EVERYBODY else total[key] + count
    return total


def summarise(tally: Tally, settings: Settings, output: Output) -> dict[str, Any]:
    """Make the tree of `summary.json`.

    Args:
        tally: everything counted, over all partitions.
        settings: what was asked.
        output: what came out.
    """
    activations = tally["activations",]
    is_recorded = settings.rules == "recorded"
    return {
        "recording": settings.kind,
        "partitions": settings.partitions,
        "entries": tally["entries",],
        "facts": _sum(tally, "facts"),
        "facts_by_topic": _labels(tally, "facts"),
        "duplicates": _sum(tally, "duplicates"),
        "repeats_by_ingest": tally["repeats_by_ingest",],
        "late": _sum(tally, "late"),
        "dead_letters": tally["dead_letters",],
        "ignored_actions": tally["ignored_actions",],
        "erasures": tally["erasures",],
        "dropped_as_erased": _sum(tally, "erased"),
        "dropped_as_unknown_pair": tally["provisional_dropped",],
        "comments": {"read": tally["comments",], "flags": _labels(tally, "comment_flags")},
        "activations": activations if is_recorded else 0,
        "ignored_activations": 0 if is_recorded else activations,
        "faults": _labels(tally, "faults"),
        "interventions": _by_rule_and_change(tally),
        "interventions_total": output.lines,
        "first_decided_at": _instant(output.first_ms),
        "last_decided_at": _instant(output.last_ms),
        "rules": "recorded" if is_recorded else "fixed",
        "engine": settings.engine,
        "recorded_by": sorted(_labels(tally, "version")),
        "hashes": {
            "recording": settings.recording,
            "rulesets": sorted(_labels(tally, "ruleset")),
            "interventions": output.sha256,
        },
    }


def scores_tree(evaluation: Evaluation, rules: Iterable[str], *, even_silent: bool = False) -> dict[str, Any]:
    """Scores as `summary.json` tells them: rules that spoke (or `even_silent` ones), and all of them together."""
    spoke = [
        rule
        for rule in rules
        if even_silent or evaluation.total(rule).alarms or evaluation.total(rule, helped=True).alarms
    ]
    return {
        "ends": dict(sorted(evaluation.ends.items())),
        "rules": {
            rule: {
                **_scores(evaluation.total(rule)),
                "lead_days": _leads(evaluation.leads_ms.get(rule, [])),
                "programs": len(evaluation.plain.get(rule, {})),
                "helped": _scores(evaluation.total(rule, helped=True)),
            }
            for rule in (EPISODES, ALL, *spoke)
        },
    }


def _scores(scores: Scores) -> dict[str, Any]:
    return {
        "alarms": scores.alarms,
        "right": scores.right,
        "wrong": scores.wrong,
        "undecided": scores.undecided,
        "precision": _rounded(scores.precision),
        "bad_ends": scores.bad_ends,
        "caught": scores.caught,
        "recall": _rounded(scores.recall),
        "false_alarms_per_pair_week": _rounded(scores.false_per_pair_week, 6),
        "pair_weeks_between_false_alarms": _rounded(1 / false, 1) if (false := scores.false_per_pair_week) else None,
        "alerts_per_50_pairs_and_month": _rounded(scores.alerts_per_50_pairs_and_month, 3),
    }


def _leads(leads_ms: list[int]) -> dict[str, Any]:
    days = [lead / DAY_MS for lead in sorted(leads_ms)]
    shares = (("p10", 0.1), ("p25", 0.25), ("median", 0.5), ("p75", 0.75), ("p90", 0.9))
    return {"n": len(days), **{name: _rounded(quantile(days, share), 1) for name, share in shares}}


def _rounded(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(value, digits)


def _sum(tally: Tally, name: str) -> int:
    return sum(count for key, count in tally.items() if key[0] == name)


def _labels(tally: Tally, name: str) -> dict[str, int]:
    return {key[1]: count for key, count in sorted(tally.items()) if key[0] == name}


def _by_rule_and_change(tally: Tally) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for key, count in sorted(tally.items()):
        if key[0] == "interventions":
            found.setdefault(key[1], {})[key[2]] = count
    return found


def _instant(instant_ms: int | None) -> str | None:
    return None if instant_ms is None else instant_text(from_ms(instant_ms))
