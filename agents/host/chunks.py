"""Faust, delivering chunks: one message per poll instead of one per record.

Faust's per-message path costs more than everything we do with a record. Here its
consumer hands over what one poll brought as a single message whose value is a list of chunks, one per partition, and
keeps no book of acknowledgements: our topics are declared with `acks=False`, and whoever processes a partition commits
its position itself (`ChunkConsumer.commit_positions`). The message bears the topic and partition of its first chunk, so
all topics of an app go to one agent. That switches off Faust's gap tracking altogether, which with chunks made each
commit advance by one chunk only (it counts a message into the gap before it), and its read-offset filter, which can
swallow what a seek brought back.

Overridden or reached into, each with a contract test:

* `Consumer.getmany`: chunks; forgets the read offset, so that a seek to anywhere is followed.
* `Consumer._getmany`: fetches only partitions that are not held. A held partition keeps at most one fetched chunk in
  aiokafka and never blocks the others. Faust's own pause shares a set with its rebalancing code and sleeps a second
  when it runs empty.
* `AIOKafkaConsumerThread._create_worker_consumer`, `.on_start`: read_committed, a short fetch wait (stock: 1.5 s,
  during which a partition just released waits behind quiet ones), a short prefetch back-off, records without a copy.

Calls that touch aiokafka run on the consumer thread's loop. They do not go through Faust's method queue, whose two
workers may both be busy (one always waits in a fetch).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import gettempdir
from typing import Any, ClassVar, NamedTuple, TypeVar, cast

import faust
from aiokafka import TopicPartition
from aiokafka.errors import RebalanceInProgressError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from yarl import URL

from agents.host.clients import KafkaSettings
from agents.host.fetching import ChunkThread, Record
from agents.host.pace import pace_of_running_loop

Result = TypeVar("Result")
_NOBODY = TP("", -1)  # keeps the set of wanted partitions from running empty, which aiokafka would read as "all"
CALL_TIMEOUT_S = 30.0
IDLE_POLL_S = 0.05
SMALL_CHUNK = 100  # records, on average of a poll: then the next fetch waits a little


class Chunk(NamedTuple):
    """What one poll brought for one partition: all that is readable from offset `begin` to `end` (exclusive). Offsets
    rise but may have holes where a topic is compacted or transactional."""

    topic: str
    partition: int
    begin: int
    end: int
    records: Sequence[Record]


class ChunkConsumer(driver.Consumer):
    """Delivers chunks; single partitions can be held, sought and committed. All methods are called on the app's event
    loop."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._held: set[TP] = set()
        self._wanted: set[TP] = {_NOBODY}

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        thread = ChunkThread(self, loop=self.loop, beacon=self.beacon)
        thread.fetch_wait_ms = cast("ChunkTransport", self.transport).fetch_wait_ms
        return thread

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109  (stock)
        if self.flow_active and not self._get_active_partitions():
            await self.sleep(IDLE_POLL_S)  # nothing assigned; stock sleeps a second, which every start would pay
            return
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if records is None or self.should_stop:
            return
        if not self.flow_active:
            try:
                await self.perform_seek()
            except Exception as error:  # noqa: BLE001  (as stock: a rebalance is under way, its end seeks again)
                self.log.warning("seek while the flow is stopped: %r", error)
            return
        pace = pace_of_running_loop()
        pace.look(asyncio.get_running_loop().time())
        # Fewer, larger chunks: each costs the same whatever it holds.
        are_small = sum(map(len, records.values())) < SMALL_CHUNK * len(records)
        cast("ChunkThread", self._thread).gap_s = pace.fetch_s if are_small else 0.0
        found: list[Chunk] = []
        batch: Any  # `Records`, whatever Faust believes
        for fetched, batch in records.items():
            tp = TP(fetched.topic, fetched.partition)
            if not batch or (active is not None and tp not in active and tp not in self._buffered_partitions):
                continue
            self._read_offset[tp] = None
            found.append(Chunk(tp.topic, tp.partition, batch.begin, batch.end, batch))
        if found:
            yield _message(found, generation)

    async def _getmany(  # stock signature
        self,
        active_partitions: set[TP] | None,
        timeout: float,  # noqa: ASYNC109
    ) -> Mapping[TP, list[Any]]:
        if active_partitions is None:
            return await super()._getmany(active_partitions, timeout)
        # A new set for each fetch: hold() and release() change it while the consumer thread asks it about membership.
        self._wanted = (active_partitions - self._held) | {_NOBODY}
        return await super()._getmany(self._wanted, timeout)

    # flow control

    def hold(self, tp: TP) -> None:
        """Deliver nothing more of this partition until `release`; a chunk already under way still comes."""
        self._held.add(tp)
        self._wanted.discard(tp)

    def release(self, tp: TP) -> None:
        """Deliver this partition again, at once if something of it is already here."""
        if tp in self._held:
            self._held.discard(tp)
            if tp in self._get_active_partitions():
                self._wanted.add(tp)
                self._thread.thread_loop.call_soon_threadsafe(self._wake_fetch)

    def held(self) -> frozenset[TP]:
        """The partitions that are held."""
        return frozenset(self._held)

    def _wake_fetch(self) -> None:
        fetcher = self._thread._ensure_consumer()._fetcher
        for waiter in list(fetcher._fetch_waiters):
            fetcher._notify(waiter)

    # positions

    async def seek_to(self, offsets: Mapping[TP, int]) -> None:
        """Continue each partition at the given offset.

        Raises: aiokafka.errors.IllegalStateError when a partition is not assigned (any more).
        """
        await self._on_thread(self._seek_now(offsets))

    async def _seek_now(self, offsets: Mapping[TP, int]) -> None:
        consumer = self._thread._ensure_consumer()
        for tp, offset in offsets.items():
            consumer.seek(TopicPartition(*tp), offset)

    async def committed_offsets(self, partitions: Iterable[TP]) -> dict[TP, int | None]:
        """The group's committed offset of each partition (the next to read); None where nothing is committed."""
        return await self._on_thread(self._committed_now(list(partitions)))

    async def _committed_now(self, partitions: list[TP]) -> dict[TP, int | None]:
        consumer = self._thread._ensure_consumer()
        return {tp: await consumer.committed(TopicPartition(*tp)) for tp in partitions}

    async def beginning_offsets(self, partitions: Iterable[TP]) -> dict[TP, int]:
        """The offset of the oldest record still there."""
        return await self._on_thread(self._bounds_now(list(partitions), end=False))

    async def end_offsets(self, partitions: Iterable[TP]) -> dict[TP, int]:
        """The offset after the last readable record: open transactions and what follows them are not yet counted."""
        return await self._on_thread(self._bounds_now(list(partitions), end=True))

    async def _bounds_now(self, partitions: list[TP], end: bool) -> dict[TP, int]:
        consumer = self._thread._ensure_consumer()
        ask = consumer.end_offsets if end else consumer.beginning_offsets
        found = await ask([TopicPartition(*tp) for tp in partitions])
        return {tp: found[TopicPartition(*tp)] for tp in partitions}

    async def fetch_positions(self, partitions: Iterable[TP]) -> dict[TP, int]:
        """How far each partition has been fetched and handed over; passes control records, which no chunk shows."""
        return await self._on_thread(self._positions_now(list(partitions)))

    async def _positions_now(self, partitions: list[TP]) -> dict[TP, int]:
        consumer = self._thread._ensure_consumer()
        return {tp: await consumer.position(TopicPartition(*tp)) for tp in partitions}

    async def commit_positions(self, offsets: Mapping[TP, int]) -> None:
        """Commit the next offset to read of each partition still assigned.

        Nothing is sent while the group rebalances. The coordinator's connection answers in order, so a commit behind a
        JoinGroup is judged after it: it carries the former generation, is refused, and aiokafka takes the refusal as
        said of the membership it has just been given and drops it. The dropped member then holds up the next rebalance
        for a session time-out, in which the next commit falls: a group that never settles.

        Raises: aiokafka.errors.KafkaError; during a rebalance that is normal, the next call makes good for it.
        """
        await self._on_thread(self._commit_now(offsets))

    async def _commit_now(self, offsets: Mapping[TP, int]) -> None:
        consumer = self._thread._ensure_consumer()
        if _is_joining(consumer._coordinator):
            raise RebalanceInProgressError("positions are committed when the rebalance is over")
        assigned = consumer.assignment()
        ours = {TopicPartition(*tp): OffsetAndMetadata(offset, "") for tp, offset in offsets.items() if tp in assigned}
        if ours:
            await consumer.commit(ours)

    async def _on_thread(self, work: Coroutine[Any, Any, Result]) -> Result:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._thread.thread_loop))


def _is_joining(coordinator: Any) -> bool:
    """Whether a member has to join its group, is joining it, or has lost its coordinator."""
    return (
        coordinator._rejoin_needed_fut.done()
        or coordinator._performed_join_prepare  # until the callbacks of the new assignment have returned
        or coordinator.coordinator_id is None
        or coordinator.generation < 0
    )


def _message(found: Any, generation: int) -> tuple[TP, ConsumerMessage]:
    first = found[0]
    tp, last = TP(first.topic, first.partition), first.records[-1]
    return tp, ConsumerMessage(
        tp.topic,
        tp.partition,
        last.offset,
        last.timestamp / 1000.0,
        last.timestamp_type,
        [],
        None,
        found,
        None,
        0,
        0,
        tp,
        generation_id=generation,
    )


class ChunkTransport(driver.Transport):
    """Faust's aiokafka transport with our consumer."""

    Consumer: ClassVar[type[ChunkConsumer]] = ChunkConsumer
    fetch_wait_ms: int = 100


class ChunkApp(faust.App):
    """A Faust app that can be asked to check its surroundings before anything of it starts."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.before_start: list[Callable[[], Awaitable[None]]] = []
        self.has_chunks = False

    async def on_first_start(self) -> None:
        for check in self.before_start:
            await check()
        await super().on_first_start()


def make_app(
    group: str,
    kafka: KafkaSettings,
    *,
    data_dir: Path | None = None,
    session_timeout_s: float = 10.0,
    instance_id: str | None = None,
    poll_records: int = 4_000,
    fetch_bytes: int = 1 << 20,
) -> ChunkApp:
    """A Faust app that consumes chunks: no web server, no tables, no topics of its own.

    Args:
        group: consumer group, and the app's id.
        kafka: how to reach the brokers.
        data_dir: where Faust may create its (empty) folder; default: a folder of this group below the system's
            temporary one.
        session_timeout_s: how long a silent member keeps its partitions; 6 to 30.
        instance_id: name under which a restarted member takes its place back; None: every start is a new member.
        poll_records: most records in one poll.
        fetch_bytes: most bytes a broker returns for one partition and fetch.

    Topics for its agents come from `chunk_topic`.
    """
    app = ChunkApp(
        group,
        broker=kafka.faust_brokers(),
        broker_credentials=kafka.faust_credentials(),
        broker_client_id=kafka.client_id,
        broker_session_timeout=session_timeout_s,
        broker_heartbeat_interval=min(1.0, session_timeout_s / 4),
        broker_request_timeout=max(20.0, session_timeout_s),
        broker_rebalance_timeout=max(15.0, session_timeout_s),
        broker_max_poll_interval=300.0,
        broker_max_poll_records=poll_records,
        consumer_max_fetch_size=fetch_bytes,
        consumer_group_instance_id=instance_id,
        broker_check_crcs=not kafka.embedded,
        consumer_auto_offset_reset="earliest",
        datadir=str(data_dir or Path(gettempdir()) / f"ebb-faust-{group}"),
        store="memory://",
        stream_buffer_maxsize=64,
        stream_wait_empty=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )
    transport = ChunkTransport([URL(f"kafka://{server}") for server in kafka.servers()], app)
    transport.fetch_wait_ms = kafka.fetch_wait_ms
    app.transport = transport
    return app


def chunk_topic(app: ChunkApp, *names: str) -> Any:
    """The channel over all topics of an app, for its one `@app.agent`; read it with `chunks`.

    Raises: RuntimeError when the app has one already, which would be handed the other's chunks.
    """
    if app.has_chunks:
        raise RuntimeError(f"the app {app.conf.id} has its agent already: what one poll brings is one message")
    app.has_chunks = True
    return app.topic(*names, key_serializer="raw", value_serializer="raw", acks=False)


async def chunks(stream: Any) -> AsyncIterator[Chunk]:
    """The chunks of an agent's stream.

    A chunk fetched before a seek or rebalance may still come after it, so users compare offsets with what they expect.
    """
    async for event in stream.noack().events():
        for chunk in event.value:
            yield chunk


def consumer_of(app: faust.App) -> ChunkConsumer:
    """The app's running consumer."""
    consumer = app.consumer
    if not isinstance(consumer, ChunkConsumer):
        raise TypeError(f"the app {app.conf.id} was not made by make_app")
    return consumer


class JournalFlow:
    """Flow control over one topic of an app, by partition number: what a lane needs and nothing more."""

    def __init__(self, app: faust.App, topic: str) -> None:
        self._app = app
        self._topic = topic

    def hold(self, partition: int) -> None:
        consumer_of(self._app).hold(TP(self._topic, partition))

    def release(self, partition: int) -> None:
        consumer_of(self._app).release(TP(self._topic, partition))

    async def seek(self, partition: int, offset: int) -> None:
        await consumer_of(self._app).seek_to({TP(self._topic, partition): offset})

    async def end_offsets(self, partitions: Collection[int]) -> dict[int, int]:
        found = await consumer_of(self._app).end_offsets([TP(self._topic, partition) for partition in partitions])
        return {tp.partition: offset for tp, offset in found.items()}

    async def commit(self, offsets: Mapping[int, int]) -> None:
        await consumer_of(self._app).commit_positions({TP(self._topic, p): offset for p, offset in offsets.items()})
