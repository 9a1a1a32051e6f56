"""What a lane does not begin with: state, journal or topics that do not fit together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import pytest

from agents.embedded import EmbeddedBroker
from agents.engine import EngineFold
from agents.host.checks import Topology, host_row
from agents.host.fold import HOST_KEY, POSITION_KEY
from agents.host.lane import LaneOptions
from agents.host.process import Refusal
from streams.state.parts import part_key
from tests.agents.host.lane_bench import TOPOLOGY, Bench, fed, run

POSITION_3: Final = b"\x92\x03\x00"


def _refusal(embedded: EmbeddedBroker, prepare: Callable[[Bench], object], options: LaneOptions | None = None) -> str:
    found: list[str] = []

    async def test(bench: Bench) -> None:
        outcome = prepare(bench)
        assert asyncio.iscoroutine(outcome)
        await outcome
        bench.open(options=options)
        error = await bench.ended
        assert isinstance(error, Refusal), error
        found.append(error.sentence)

    run(embedded, test)
    return found[0]


def test_a_state_that_does_not_end_with_a_position_is_refused(embedded: EmbeddedBroker) -> None:
    async def prepare(bench: Bench) -> None:
        await bench.write(bench.topics.state, [(POSITION_KEY, POSITION_3), (b"pair-1", b"x")])

    assert "does not end with a position" in _refusal(embedded, prepare)


def test_a_journal_shorter_than_the_position_is_refused(embedded: EmbeddedBroker) -> None:
    async def prepare(bench: Bench) -> None:
        await bench.journal(2)
        await bench.write(bench.topics.state, [(HOST_KEY, host_row(TOPOLOGY)), (POSITION_KEY, POSITION_3)])

    assert "ends at 2 but entry 3 has been applied" in _refusal(embedded, prepare)


def test_a_journal_whose_head_has_passed_the_position_is_refused(embedded: EmbeddedBroker) -> None:
    async def prepare(bench: Bench) -> None:
        await bench.journal(9)
        embedded.delete_records(bench.topics.journal, 0, 6)
        await bench.write(bench.topics.state, [(HOST_KEY, host_row(TOPOLOGY)), (POSITION_KEY, POSITION_3)])

    assert "retention has removed 2 entries" in _refusal(embedded, prepare)


def test_an_empty_state_beside_interventions_is_refused_unless_told_to_rebuild(embedded: EmbeddedBroker) -> None:
    async def prepare(bench: Bench) -> None:
        await bench.write(bench.topics.interventions, [(b"pair-1", b"{}")])

    assert "the state was lost" in _refusal(embedded, prepare)

    async def test(bench: Bench) -> None:
        await prepare(bench)
        lane = await bench.opened(options=LaneOptions(rebuild_lost_state=True))
        lane.deliver(fed(range(2)))
        await bench.until(lambda: lane.durable == 1)

    run(embedded, test)


def test_another_partition_count_or_a_recreated_topic_is_refused(embedded: EmbeddedBroker) -> None:
    async def other_count(bench: Bench) -> None:
        row = host_row(Topology(8, {}))
        await bench.write(bench.topics.state, [(HOST_KEY, row), (POSITION_KEY, POSITION_3)])

    assert "made with 8 partitions" in _refusal(embedded, other_count)

    async def other_journal(bench: Bench) -> None:
        row = host_row(Topology(1, {"journal": "z"}))
        await bench.write(bench.topics.state, [(HOST_KEY, row), (POSITION_KEY, POSITION_3)])

    assert "deleted and recreated" in _refusal(embedded, other_journal)


def test_parts_of_a_record_without_the_record_are_refused_with_what_to_do() -> None:
    with pytest.raises(Refusal) as refused:
        EngineFold("/ebb/test", 3).restore({part_key(b"pp/x", "meetings"): b"\x91\x04"})
    assert "state of partition 3 is not whole: parts of record 'pp/x' are there" in refused.value.sentence
    assert "ebb state rebuild" in refused.value.sentence
