"""What is scored: facts through the same engine as live, and the truth about them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec

from benchmarks.precision.scoring import Opened
from examples.oulad import facts as oulad
from examples.platform.__main__ import year
from examples.platform.truth import PairTruth, Truth
from schemas.base import to_ms
from schemas.rejections import Rejected
from streams.backtest.lines import read_arrival
from streams.backtest.replay import FactReplay
from streams.clock import DAY_MS
from streams.ruleset import RuleSet
from streams.writing import SPOKEN

#: Any end will do; this one keeps the figures the same.
_OULAD_END: Final = datetime(2026, 3, 18, 9, 30, tzinfo=UTC)
_DRAIN_EVERY: Final = 8_192


class Recording(NamedTuple):
    """A year of facts with its truth; instants ms UTC."""

    name: str
    opened: list[Opened]
    truth: Truth
    begin_ms: int
    end_ms: int
    facts: int
    faults: dict[str, int]


def simulated(mechanics: str, seed: int, pairs: int, rules: RuleSet | None) -> Recording:
    """Replay a simulated platform under a rule set, None = the shipped one.

    Raises: ValueError when a fact is no good.
    """
    records, truth = year(mechanics, seed, pairs)
    opened, faults = replay(records.lines(), rules)
    return Recording(mechanics, opened, truth, records.begin_ms, records.end_ms, len(records), faults)


def real(pairs: int | None, rules: RuleSet | None) -> Recording:
    """Replay the OULAD year; a student who withdrew or failed is a failing pair, in trouble all along.

    Their trouble has no known beginning, so precision here only says how often a named student did not pass.
    """
    lines = [oulad.line(record) for record in oulad.facts(_OULAD_END, pairs)]
    opened, faults = replay(lines, rules)
    ends = _program_ends(lines)
    begin_ms = to_ms(_OULAD_END) - 366 * DAY_MS
    truths = []
    for outcome in oulad.outcomes(_OULAD_END, pairs):
        program_end = ends[outcome.program_id]
        left = program_end if outcome.unregistered_at is None else min(program_end, to_ms(outcome.unregistered_at))
        fails = outcome.final_result in ("Fail", "Withdrawn")
        truths.append(
            PairTruth(
                program_id=outcome.program_id,
                pair_id=outcome.pair_id,
                people=("", outcome.pair_id.replace("pair-", "student-")),
                matched_ms=begin_ms,
                over_ms=left,
                fate=outcome.final_result,
                onset_ms=begin_ms if fails else None,
                ended_ms=left if fails else None,
            )
        )
    end_ms = to_ms(_OULAD_END)
    return Recording("oulad", opened, Truth(truths, []), begin_ms, end_ms, len(lines), faults)


def replay(lines: Iterable[bytes], rules: RuleSet | None) -> tuple[list[Opened], dict[str, int]]:
    """Run lines through the engine; returns what opened, and faults by rule.

    Raises: ValueError when a line is no good.
    """
    engine, opened = FactReplay(rules), dict[str, Opened]()
    for number, line in enumerate(lines, 1):
        arrival = read_arrival(line)
        bad = arrival if isinstance(arrival, Rejected) else engine.feed(arrival)
        if bad is not None:
            raise ValueError(f"line {number}: {bad}")
        if number % _DRAIN_EVERY == 0:
            _drain(engine, opened)
    tally = engine.close()
    _drain(engine, opened)
    faults = {key[1]: count for key, count in tally.items() if key[0] == "faults"}
    return list(opened.values()), faults


def _drain(engine: FactReplay, opened: dict[str, Opened]) -> None:
    """Collect interventions: as of their opening or, once one goes to a coordinator, as of the first such record."""
    for _, decisions in engine.decisions():
        for at_ms, record in decisions:
            known = opened.get(record.intervention_id)
            says = record.change in SPOKEN and record.delivery != "none" and record.audience != "participant"
            if known is None or (says and not known.is_said):
                opened[record.intervention_id] = Opened(
                    at_ms,
                    record.rule.id,
                    record.rule_class,
                    record.subject.id,
                    record.program_id,
                    tuple(record.pair_ids),
                    tuple(record.participant_ids),
                    says,
                )


def _program_ends(lines: Iterable[bytes]) -> dict[str, int]:
    ends: dict[str, int] = {}
    for line in lines:
        if b'"program.changed"' in line:
            fact = _PROGRAM.decode(line)
            ends[fact.program_id] = to_ms(fact.ends_at)
    return ends


class _Program(msgspec.Struct):
    program_id: str
    ends_at: datetime


_PROGRAM: Final = msgspec.json.Decoder(_Program)
