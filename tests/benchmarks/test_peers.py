"""Our program and the Python peers' rule give the same outputs for the same records."""

import json

from benchmarks.peers.data import LOW_PERCENT, ratings
from benchmarks.peers.rule import step
from benchmarks.peers.run_ebb import PairRule
from benchmarks.peers.systems import SYSTEMS
from benchmarks.peers.watching import beyond

RECORDS = 50_000


def test_our_fold_gives_what_the_rule_gives() -> None:
    fold, states, wanted = PairRule(), dict[str, dict[str, object]](), list[dict[str, object]]()
    for offset, (_, _, value) in enumerate(ratings(RECORDS)):
        assert fold.apply(offset, value)
        fact = json.loads(value)
        states[fact["pair_id"]], found = step(states.get(fact["pair_id"]), fact)
        if found is not None:
            wanted.append(found)
    assert [json.loads(message.value) for message in fold.flush().interventions] == wanted
    assert abs(len(wanted) / RECORDS - LOW_PERCENT / 100) < 0.002


def test_our_fold_goes_on_from_its_rows() -> None:
    values = [value for _, _, value in ratings(4_000)]
    whole, first, second = PairRule(), PairRule(), PairRule()
    for offset, value in enumerate(values):
        whole.apply(offset, value)
        if offset < 2_000:
            first.apply(offset, value)
    before = first.flush()
    second.restore({key: row for key, row in before.rows if row is not None})
    assert second.applied == 1_999
    for offset, value in enumerate(values[2_000:], 2_000):
        second.apply(offset, value)
    after = second.flush()
    assert before.interventions + after.interventions == whole.flush().interventions


def test_records_are_the_same_every_time() -> None:
    first, second = list(ratings(1_000)), list(ratings(1_000))
    assert first == second
    assert {len(value) for _, _, value in first} <= set(range(170, 182))


def test_starting_up_counts_for_nobody() -> None:
    base = {"records": 2_000.0, "wall_s": 3.0, "cpu_s": 2.0}
    found = beyond(base, {"records": 1_002_000.0, "wall_s": 13.0, "cpu_s": 12.0})
    assert found == {"rate": 100_000.0, "cpu_us": 10.0, "start_cpu_s": 2.0, "start_s": 3.0}
    assert "rate" not in beyond(base, {"records": 102_000.0, "wall_s": 2.5, "cpu_s": 2.5})


def test_every_system_says_what_it_guarantees() -> None:
    assert [
        name for name, one in SYSTEMS.items() if not one.guarantee or not one.setting or not 0 < one.share <= 1
    ] == []
