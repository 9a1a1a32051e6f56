"""A partition that is lost in the middle of the work of one entry goes on where the last flush stood."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.base import from_ms
from schemas.journal import Coordinates, RulesetEntry, encode_entry
from streams import engine as engine_module
from streams import ruleset
from streams.clock import DAY_MS
from streams.engine import Engine
from tests.streams.logs import entries, random_lines, stored
from tests.streams.timeline import START_MS


def _journal(seed: int, backfill: str) -> list[bytes]:
    launch = [
        {"type": "pair.changed", "pair_id": f"p{n}", "mentor_ids": [f"m{n}"], "mentee_ids": [f"n{n}"], "at": "0d"}
        for n in range(6)
    ]
    lines = random_lines(seed, 40)
    lines.insert(30, {"type": "program.changed", "at": "1d", "arrives": lines[30].get("arrives", lines[30]["at"]),
                      "starts_at": "3d", "ends_at": "90d"})  # fmt: skip
    journal = entries([*launch, *lines])
    rules = ruleset.parse({"rules": {"first_meeting.missing": {"not_scheduled_after": "2d"}, "rating.low": {"low": 3}}})
    activation = RulesetEntry(v=1, ruleset=rules.tree, hash=rules.hash, scope="*", backfill=backfill,  # type: ignore[arg-type]
                              source=Coordinates(topic="rulesets", partition=0, offset=0),
                              arrived_at=from_ms(START_MS + 9 * DAY_MS))  # fmt: skip
    journal.insert(25, encode_entry(activation))
    return journal


def _run(journal: list[bytes], restoring: bool) -> tuple[list[tuple[bytes, bytes]], dict[bytes, bytes], int]:
    engine, rows, out, cuts = Engine(), dict[bytes, bytes](), list[tuple[bytes, bytes]](), 0
    for offset, value in enumerate(journal):
        while not engine.apply(offset, value):
            cuts += 1
            out += stored(engine, rows)
            if restoring:
                engine = Engine()
                engine.restore(rows.items())
    out += stored(engine, rows)
    assert not engine.state.faults.counts
    return out, rows, cuts


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from(["none", "silent", "emit"]), st.integers(1, 3))
def test_a_restart_inside_a_sweep_or_a_flood_of_timers_changes_nothing(seed: int, backfill: str, size: int) -> None:
    journal = _journal(seed, backfill)
    whole, rows, _ = _run(journal, restoring=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_module, "SLICE", size)
        again, restored, cuts = _run(journal, restoring=True)
    assert cuts > 5
    assert (again, restored) == (whole, rows)
