"""What aiokafka would tell a user who asks, and Faust does not ask for."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import GroupAuthorizationFailedError, KafkaConnectionError, KafkaError, NodeNotReadyError

from agents.host import keeper


class Ended(Exception):  # noqa: N818  (stands for the end of the process)
    pass


def _end(why: str, error: BaseException | None) -> None:
    raise Ended(why) from error


class Rig:
    """A coordinator of aiokafka with nothing around it, as it waits for somebody to take its error."""

    def __init__(self) -> None:
        async def rest() -> None:
            await asyncio.sleep(3_600)

        self.coordinator: Any = object.__new__(GroupCoordinator)
        self.coordinator.group_id = "g"
        self.coordinator.coordinator_id = 1
        self.coordinator._performed_join_prepare = False
        self.coordinator._pending_exception = None
        self.coordinator._error_consumed_fut = None
        self.coordinator._closing = asyncio.get_running_loop().create_future()
        self.coordinator._subscription = SimpleNamespace(abort_waiters=lambda _error: None)
        self.coordinator._coordination_task = asyncio.create_task(rest())
        self.fetching = asyncio.create_task(rest())
        self.consumer = SimpleNamespace(
            _coordinator=self.coordinator,
            _fetcher=SimpleNamespace(_fetch_task=self.fetching),
            _client=SimpleNamespace(_sync_task=asyncio.create_task(rest())),
            _closed=False,
            assignment=lambda: {"t"},
        )
        self.flows = True

    def keep(self) -> asyncio.Task[None]:
        return asyncio.create_task(keeper.keep(self.consumer, lambda: self.flows, _end))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "LOOK_EVERY_S", 0.001)


async def test_an_error_of_the_group_is_taken_so_that_coordination_goes_on() -> None:
    rig = Rig()
    keeping = rig.keep()
    async with asyncio.timeout(5):
        await rig.coordinator._push_error_to_user(KafkaError("UnknownError"))
    assert not keeping.done()
    keeping.cancel()


async def test_an_error_that_no_retry_mends_ends_the_process() -> None:
    rig = Rig()
    waiting = asyncio.ensure_future(rig.coordinator._push_error_to_user(GroupAuthorizationFailedError("g")))
    with pytest.raises(Ended):
        await asyncio.wait_for(rig.keep(), 5)
    await waiting


async def test_a_task_that_has_ended_ends_the_process() -> None:
    rig = Rig()
    rig.fetching.cancel()
    with pytest.raises(Ended, match="fetching of group g has ended"):
        await asyncio.wait_for(rig.keep(), 5)


async def test_records_held_back_for_good_end_the_process_but_not_during_a_rebalance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keeper, "FLOW_PATIENCE_S", 0.05)
    rig = Rig()
    rig.flows = False
    rig.coordinator._performed_join_prepare = True
    keeping = rig.keep()
    done, _ = await asyncio.wait([keeping], timeout=0.3)
    assert not done
    rig.coordinator._performed_join_prepare = False
    with pytest.raises(Ended, match="not let through"):
        await asyncio.wait_for(keeping, 5)


async def test_a_client_that_knows_no_broker_asks_again_while_there_is_somebody_to_ask() -> None:
    client = AIOKafkaClient(bootstrap_servers="127.0.0.1:1")
    keeper.ask_patiently(client)
    client._conns["bootstrap", ConnectionGroup.DEFAULT] = object()
    with pytest.raises(NodeNotReadyError):
        await client.coordinator_lookup(0, "g")
    client._conns.clear()
    with pytest.raises(KafkaConnectionError):
        await client.coordinator_lookup(0, "g")
