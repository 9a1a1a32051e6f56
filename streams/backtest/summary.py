"""What a backtest counted, as `summary.json` tells it. Nothing in it depends on the machine or on how long it took."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, Literal

from msgspec import Struct

from schemas.base import from_ms, instant_text
from streams.backtest.replay import Tally

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
