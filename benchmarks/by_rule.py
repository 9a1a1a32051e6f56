"""What each rule costs: a replay in which every judgement is timed.

    python -m benchmarks --only rules

Counted is the thread's own CPU from asking a rule to the records that follow from its answer. Reading a clock twice
costs half a microsecond or so, which is in every judgement; so rules are to be compared with one another here, and the
whole with `benchmarks.backtest`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from time import thread_time_ns
from typing import Any, NamedTuple

from agents.backtest.runs import few_collections
from benchmarks.backtest import PAIRS_PER_PROGRAM, PROGRESS_EVERY, SOURCES
from benchmarks.harness.results import Part
from benchmarks.harness.session import Case, Figures, Session, say
from benchmarks.synthetic import Platform
from schemas.base import from_ms
from schemas.codec import Accepted, decode_fact
from schemas.journal import ProgressEntry, SourcesEntry, encode_fact_entry
from streams.engine import Engine
from streams.judging import Judging
from streams.rule import Rule


class Cost(NamedTuple):
    """How often a rule was asked, per 1,000 facts, and what it cost: CPU us a judgement, and spread over all facts."""

    rule: str
    asked: float
    judgement_us: float
    fact_us: float


def measure(pairs: int, months: float) -> list[Cost]:
    """Replay one partition with all rules. Returns: the costs of the rules that were asked, dearest first."""
    engine, facts = Engine(), 0
    with few_collections(), _timed() as spent:
        engine.step(0, SourcesEntry(v=1, expected=SOURCES, since=dict.fromkeys(SOURCES), clock="wall", topic_ids={}))
        platform = Platform(pairs, max(1, pairs // PAIRS_PER_PROGRAM))
        for number, (topic, key, value, at_ms) in enumerate(chain(platform.reference(), platform.months(months))):
            accepted = decode_fact(topic, key, value, arrived_ms=at_ms)
            assert isinstance(accepted, Accepted), accepted
            entry = encode_fact_entry(topic, 0, number, at_ms, accepted.encoded, None)
            if number % PROGRESS_EVERY == 0:
                progress = ProgressEntry(v=1, sources=dict.fromkeys(SOURCES, from_ms(at_ms)))
                while not engine.step(number, progress):
                    pass
                engine.decisions()
            while not engine.apply(number, entry):
                pass
            facts += 1
    costs = [Cost(name, 1e3 * n / facts, ns / n / 1e3, ns / facts / 1e3) for name, (n, ns) in spent.items()]
    return sorted(costs, key=lambda each: -each.fact_us)


@contextmanager
def _timed() -> Iterator[dict[str, tuple[int, int]]]:
    spent: dict[str, tuple[int, int]] = {}
    plain = Judging.judge_record

    def judge_record(self: Judging, rule: Rule, *args: Any, **named: Any) -> None:
        began = thread_time_ns()
        plain(self, rule, *args, **named)
        count, before = spent.get(rule.id, (0, 0))
        spent[rule.id] = (count + 1, before + thread_time_ns() - began)

    Judging.judge_record = judge_record  # type: ignore[method-assign]
    try:
        yield spent
    finally:
        Judging.judge_record = plain  # type: ignore[method-assign]


def run(session: Session) -> Part:
    """Measure every rule, `rules` in the results."""
    pairs, months = (500, 0.5) if session.is_quick else (3_000, 1.0)
    costs = measure(pairs, months)
    cases: dict[str, Case] = {each.rule: partial(_figures, each) for each in costs}
    say(f"{'cost by rule':<34}{'asked per 1,000 facts':>22}{'us each':>10}{'us a fact':>11}")
    for each in costs:
        say(f"{each.rule:<34}{each.asked:>22,.1f}{each.judgement_us:>10.1f}{each.fact_us:>11.2f}")
    say(f"{'all rules':<66}{sum(each.fact_us for each in costs):>11.2f}")
    return session.part("rules", cases, rounds=1, setting={"pairs": pairs, "months": months}, is_timed=False)


def _figures(cost: Cost, _: int) -> Figures:
    return {"asked_per_1000": cost.asked, "judgement_us": cost.judgement_us, "fact_us": cost.fact_us}
