"""The first mechanics: how and when a pair will fail is drawn at its matching, and its facts follow from that."""

from __future__ import annotations

from random import Random

from examples.platform.behaviour import live
from examples.platform.pairs import Pair, pairs_of
from examples.platform.plans import programs, state_program
from examples.platform.records import Records
from examples.platform.truth import PairTruth, Truth


def simulate(seed: int, pairs: int, records: Records) -> Truth:
    """Fill `records` with a year, and return the truth about it."""
    begin_ms, end_ms = records.begin_ms, records.end_ms
    planned = programs(seed, pairs, begin_ms)
    truths = []
    for program in planned:
        random = Random(f"fates/{seed}/{program.program_id}")
        state_program(records, program)
        for pair in pairs_of(program, random, begin_ms, end_ms):
            if pair.over_ms <= begin_ms or pair.matched_ms >= end_ms:
                continue
            live(pair, records, random)
            truths.append(_truth(pair, end_ms))
    return Truth(truths, [program.trouble for program in planned if program.trouble is not None])


def _truth(pair: Pair, end_ms: int) -> PairTruth:
    began = pair.fails and pair.onset_ms < end_ms
    return PairTruth(
        program_id=pair.program.program_id,
        pair_id=pair.pair_id,
        people=pair.people,
        matched_ms=pair.matched_ms,
        over_ms=min(pair.over_ms, end_ms),
        fate=pair.fate if began else "well",
        onset_ms=pair.onset_ms if began else None,
        ended_ms=pair.ended_ms if began and pair.ended_ms < end_ms else None,
        patches=list(pair.patches),
    )
