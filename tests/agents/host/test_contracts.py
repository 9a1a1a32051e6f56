"""What the host relies on inside Faust and aiokafka. When one of these fails after an upgrade, read the new source,
compare it with what agents/host does, and only then change the test.

A digest covers a function whose inner workings matter; a plain assertion covers an attribute, a signature or a
behaviour.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiokafka
import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import Fetcher, FetchResult, PartitionRecords
from aiokafka.consumer.group_coordinator import CoordinatorGroupRebalance, GroupCoordinator
from aiokafka.producer import sender
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator, MessageBatch
from aiokafka.producer.transaction_manager import TransactionManager
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from faust.app import App
from faust.tables.recovery import Recovery
from faust.transport import consumer as faust_consumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from intervaltree import IntervalTree  # type: ignore[import-untyped]
from mode.threads import ServiceThread

from agents.embedded import EmbeddedBroker
from agents.host.chunks import ChunkApp, chunk_topic, chunks, consumer_of, make_app
from agents.host.clients import KafkaSettings


def digest(function: Callable[..., Any]) -> str:
    return hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:12]


READ = {
    # chunks: what getmany replaces, who calls it, and what it calls
    faust_consumer.Consumer.getmany: "4b168d84882a",
    faust_consumer.Consumer._wait_next_records: "6218e1969a63",
    faust_consumer.Consumer._drain_messages: "44a2500309e8",
    faust_consumer.Consumer._get_active_partitions: "b24897f3c7af",
    faust_consumer.ThreadDelegateConsumer._getmany: "f9d47aa9010b",
    faust_consumer.Consumer.perform_seek: "0e8c130ff4b0",
    driver.Consumer._new_consumer_thread: "0870ec53dea7",
    driver.AIOKafkaConsumerThread.getmany: "26fc5fc9f3b6",
    driver.AIOKafkaConsumerThread._fetch_records: "39a2c6c79fc1",
    driver.AIOKafkaConsumerThread._create_worker_consumer: "c2701bfc3e6f",
    driver.AIOKafkaConsumerThread.on_start: "38b4e8bd1e10",
    # rebalances: the order of flow control, signals and seeks
    App._on_partitions_revoked: "d5c895bbe57d",
    App._on_partitions_assigned: "de932b7927db",
    App.on_stop: "bfe5a933defb",
    Recovery._resume_streams: "d986a6710c1a",
    # fetching: how a set of wanted partitions is read, waiters woken, fetched data kept and turned into records
    Fetcher.fetched_records: "be4348896b9b",
    Fetcher._get_actions_per_node: "1dab2cf937d1",
    Fetcher._fetch_requests_routine: "2a8ec5932644",
    Fetcher._create_fetch_waiter: "61d840568746",
    FetchResult.getall: "3e717e30de50",
    FetchResult.check_assignment: "b5340df67e3f",
    PartitionRecords._unpack_records: "b803e6d46480",
    # keeping: who takes an error of coordination, and what is asserted about brokers
    GroupCoordinator._push_error_to_user: "743ff515bd7e",
    GroupCoordinator.check_errors: "ba6ca51ad348",
    GroupCoordinator.ensure_coordinator_known: "4dfb9ccd877a",
    GroupCoordinator.ensure_active_group: "33c84c1a9301",
    AIOKafkaClient.coordinator_lookup: "19cc69fb75f8",
    sender.Sender._find_coordinator: "33001a36bf6a",
    # membership: where a name is sent, and what becomes of a member that is not recognised
    GroupCoordinator.reset_generation: "537aa37c531b",
    GroupCoordinator._maybe_leave_group: "016cd88a16e6",
    GroupCoordinator._heartbeat_routine: "61d010289522",
    GroupCoordinator._do_heartbeat: "dc1d6632aaa6",
    GroupCoordinator._do_commit_offsets: "c3a3ea5613f3",
    CoordinatorGroupRebalance.perform_group_join: "ff2c2109b2e9",
    CoordinatorGroupRebalance._send_sync_group_request: "7429ca078ddf",
    # writing: batches inside a transaction, and what an error does to them
    aiokafka.AIOKafkaProducer.begin_transaction: "f5128199fc27",
    aiokafka.AIOKafkaProducer.commit_transaction: "c7f9677c8941",
    aiokafka.AIOKafkaProducer.send_batch: "bf42b0f0c5c0",
    MessageAccumulator.add_batch: "5ed1c5b1367a",
    MessageAccumulator._append_batch: "4762abfc42cb",
    MessageAccumulator.create_builder: "13dcd0ebf6b9",
    MessageBatch.done: "2d765e5c2dc8",
    sender.Sender._maybe_wait_for_pid: "577189636b56",
    sender.Sender._fail_all: "5a67e3b6f87b",
    sender.InitPIDHandler.handle_response: "bdb0727aba5d",
    sender.AddPartitionsToTxnHandler.handle_response: "67266db24da2",
    sender.EndTxnHandler.handle_response: "89bd9721c28e",
    sender.SendProduceReqHandler.handle_response: "850323cc8f77",
    MessageAccumulator.drain_by_nodes: "fc995afbfc57",
    MessageBatch.expired: "3b28f15f56f2",
    sender.Sender._sender_routine: "2380dc5e333d",
    sender.Sender._maybe_do_transactional_request: "71227a8a4d9c",
    TransactionManager.maybe_add_partition_to_txn: "e0a118be379a",
    TransactionManager.fatal_error: "8e9fd08dc500",
}


@pytest.mark.parametrize("function", READ, ids=lambda function: function.__qualname__)
def test_a_function_we_rest_on_is_still_the_one_we_read(function: Callable[..., Any]) -> None:
    assert digest(function) == READ[function]


def test_the_versions_are_the_pinned_ones() -> None:
    assert (version("faust-streaming"), version("aiokafka")) == ("0.15.3", "0.14.0")


def test_faust_counts_a_message_into_the_gap_before_it() -> None:
    """Why our topics are declared without acks: with chunks this made each commit advance by one chunk only."""

    class Tracking:
        _committed_offset: dict[TP, int | None] = {TP("t", 0): None}
        _gap: dict[TP, Any] = {TP("t", 0): IntervalTree()}

    asyncio.run(faust_consumer.Consumer._add_gap(Tracking(), TP("t", 0), 5, 9))  # type: ignore[arg-type]
    (gap,) = Tracking._gap[TP("t", 0)]
    assert (gap.begin, gap.end) == (5, 10)


def _parsed(values: list[bytes | None]) -> list[Any]:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 1 << 20)
    for number, value in enumerate(values):
        builder.append(number, 1_700_000_000_000, key=b"k", value=value, headers=[("h", b"v")])
    records = MemoryRecords(bytes(builder.build()))
    return list(records.next_batch())


def test_a_parsed_record_has_what_we_hand_out() -> None:
    (record,) = _parsed([b"v"])
    assert (record.offset, record.timestamp, record.timestamp_type) == (0, 1_700_000_000_000, 0)
    assert (record.key, record.value, record.headers) == (b"k", b"v", [("h", b"v")])
    assert _parsed([None])[0].value is None


def test_records_are_made_by_a_method_that_an_instance_may_replace() -> None:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 1 << 20)
    builder.append(0, None, key=b"k", value=b"v", headers=[])
    records = PartitionRecords(
        TopicPartition("t", 0), MemoryRecords(bytes(builder.build())), [], 0, None, None, True, fetcher.READ_COMMITTED
    )
    records._consumer_record = lambda _tp, record: record.value
    assert list(records) == [b"v"]


def test_a_fetch_result_keeps_its_records_under_the_name_we_use() -> None:
    result = FetchResult(TopicPartition("t", 0), assignment=None, partition_records="here", backoff=0)
    assert result._partition_records == "here"


def test_a_batch_takes_headers_as_a_list_and_a_timestamp_in_milliseconds() -> None:
    assert list(inspect.signature(BatchBuilder.append).parameters) == ["self", "timestamp", "key", "value", "headers"]
    batch = BatchBuilder(1_000, 0, is_transactional=True)
    first = batch.append(timestamp=1_700_000_000_000, key=b"k", value=None, headers=[("h", b"v")])
    assert first is not None
    assert first.timestamp == 1_700_000_000_000
    with pytest.raises(TypeError):
        batch.append(timestamp=None, key=b"k", value=b"v", headers=())
    assert batch.append(timestamp=None, key=b"k", value=b"v" * 2_000, headers=[]) is None
    assert batch.record_count() == 1


def test_a_batch_takes_one_record_of_any_size() -> None:
    assert BatchBuilder(1_000, 0).append(timestamp=None, key=b"k", value=b"v" * 5_000, headers=[]) is not None


def test_a_service_thread_has_a_loop_of_its_own_under_the_name_we_use() -> None:
    assert "self.thread_loop = thread_loop or asyncio.new_event_loop()" in inspect.getsource(ServiceThread.__init__)


@pytest.fixture
def app(embedded: EmbeddedBroker, tmp_path: Path) -> ChunkApp:
    return make_app("contract", KafkaSettings(brokers=embedded.bootstrap, embedded=True), data_dir=tmp_path)


def test_the_settings_reach_faust(app: ChunkApp) -> None:
    conf = app.conf
    assert not conf.web_enabled
    assert not conf.topic_allow_declare
    assert not conf.stream_wait_empty
    assert conf.topic_disable_leader
    assert conf.broker_session_timeout == 10
    assert not conf.consumer_group_instance_id
    assert make_app("named", KafkaSettings(brokers="b:1"), instance_id="a").conf.consumer_group_instance_id == "a"
    assert conf.stream_buffer_maxsize == 64


def test_an_app_has_one_agent_because_a_poll_is_one_message(app: ChunkApp) -> None:
    chunk_topic(app, "a", "b")
    with pytest.raises(RuntimeError, match="one message"):
        chunk_topic(app, "c")


def test_a_running_app_delivers_chunks_of_parsed_records_and_keeps_no_acks(
    embedded: EmbeddedBroker, tmp_path: Path
) -> None:
    embedded.create_topic("contract.in", 2)
    kafka = KafkaSettings(brokers=embedded.bootstrap, embedded=True)

    async def main() -> None:
        app = make_app("contract.group", kafka, data_dir=tmp_path)
        topic = chunk_topic(app, "contract.in")
        arrived: asyncio.Queue[Any] = asyncio.Queue()

        @app.agent(topic)
        async def take(stream: Any) -> None:
            async for chunk in chunks(stream):
                arrived.put_nowait(chunk)

        producer = aiokafka.AIOKafkaProducer(**kafka.aiokafka())
        await producer.start()
        for partition in (0, 1):
            batch = producer.create_batch()
            for number in range(5):
                batch.append(timestamp=None, key=None, value=b"%d" % number)
            await (await producer.send_batch(batch, "contract.in", partition=partition))
        await app.start()
        async with asyncio.timeout(20):
            found = [await arrived.get(), await arrived.get()]
            assert sorted(chunk.partition for chunk in found) == [0, 1]
            assert [record.value for record in found[0].records] == [b"0", b"1", b"2", b"3", b"4"]
            assert type(found[0].records[0]).__name__ == "DefaultRecord"
            assert not app.topics.acks_enabled_for("contract.in")

            consumer = consumer_of(app)
            inner = consumer._thread._ensure_consumer()
            assert inner._isolation_level == "read_committed"
            assert inner._fetcher._isolation_level == fetcher.READ_COMMITTED
            assert inner._fetcher._fetch_max_wait_ms == kafka.fetch_wait_ms
            assert type(inner._fetcher._records).__name__ == "_Fetched"

            zero, one = TP("contract.in", 0), TP("contract.in", 1)
            assert await consumer.end_offsets([zero]) == {zero: 5}
            assert await consumer.beginning_offsets([zero]) == {zero: 0}
            assert await consumer.fetch_positions([zero]) == {zero: 5}
            assert await consumer.committed_offsets([zero]) == {zero: None}
            await consumer.commit_positions({zero: 3, TP("elsewhere", 0): 1})
            assert await consumer.committed_offsets([zero]) == {zero: 3}

            consumer.hold(zero)
            await consumer.seek_to({zero: 2, one: 4})
            again = await arrived.get()
            assert (again.partition, again.records[0].offset) == (1, 4)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await arrived.get()
            began = asyncio.get_running_loop().time()
            consumer.release(zero)
            again = await arrived.get()
            assert (again.partition, again.records[0].offset) == (0, 2)
            assert asyncio.get_running_loop().time() - began < 0.5
        await producer.stop()
        await app.stop()

    asyncio.run(main())
