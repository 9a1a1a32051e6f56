"""One partition's writer, on the embedded broker: when its transaction begins, and what an error in between becomes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiokafka.errors import ProducerFenced
from aiokafka.producer import sender

from agents.embedded import EmbeddedBroker
from agents.host.clients import KafkaSettings
from agents.host.fold import POSITION_KEY, Message
from agents.host.transactions import MARKERS_S, TransactionalWriter, is_fenced


def run(embedded: EmbeddedBroker, name: str, test: Callable[[TransactionalWriter, list[str]], Awaitable[None]]) -> None:
    async def main() -> None:
        passed: list[str] = []
        topics = f"{name}.interventions", f"{name}.state"
        for topic in topics:
            embedded.create_topic(topic, 1)
        writer = TransactionalWriter(
            KafkaSettings(brokers=embedded.bootstrap, embedded=True),
            name,
            0,
            interventions=topics[0],
            state=topics[1],
            timeout_s=10.0,
            passing=passed.append,
        )
        async with asyncio.timeout(30):
            await writer.own()
            await test(writer, passed)
            await writer.stop()

    asyncio.run(main())


async def known(writer: TransactionalWriter, partitions: int) -> None:
    while len(writer._producer._txn_manager.txn_partitions) < partitions:  # noqa: ASYNC110  (nothing there tells us)
        await asyncio.sleep(0.01)


def test_the_coordinator_knows_the_partitions_before_anything_is_written(embedded: EmbeddedBroker) -> None:
    async def test(writer: TransactionalWriter, passed: list[str]) -> None:
        assert writer.open_s() == 0
        await writer.begin(with_interventions=False)
        await known(writer, 1)
        await writer.begin(with_interventions=True)
        await known(writer, 2)
        assert passed == ["after_begin"]
        assert writer.open_s() > 0
        await writer.commit([Message(b"k", b"v", 1, [])], [(POSITION_KEY, b"1")])
        assert passed == ["after_begin", "between_batches", "between_batches", "before_commit", "after_commit"]
        assert writer.open_s() == 0
        await writer.commit([], [(POSITION_KEY, b"2")])
        assert passed[5:] == ["after_begin", "between_batches", "before_commit", "after_commit"]

    run(embedded, "begun", test)


@pytest.mark.parametrize("is_committed", [False, True])
def test_who_is_fenced_while_gathering_hears_so_at_the_next_step(embedded: EmbeddedBroker, is_committed: bool) -> None:
    async def test(writer: TransactionalWriter, _passed: list[str]) -> None:
        await writer.begin(with_interventions=False)
        await known(writer, 1)
        writer._producer._txn_manager.fatal_error(ProducerFenced())
        step = writer.commit([], [(POSITION_KEY, b"1")]) if is_committed else writer.begin(with_interventions=True)
        with pytest.raises(ProducerFenced) as caught:
            await step
        assert is_fenced(caught.value)

    run(embedded, f"fenced-{is_committed}", test)


def test_aiokafka_asks_again_as_soon_as_we_say() -> None:
    assert sender.BACKOFF_OVERRIDE == MARKERS_S
    assert "BACKOFF_OVERRIDE" in sender.AddPartitionsToTxnHandler.handle_response.__code__.co_names
