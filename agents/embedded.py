"""The in-process broker: real Kafka protocol on loopback, without Java, for demos and fast tests.

It is the mock cluster of librdkafka, which confluent-kafka carries. Its Python classes offer only a cluster that lives
in one client and creates topics of four partitions, so we reach the C functions through ctypes and own the cluster.

It speaks the protocol, transactions and groups included, and proves no more than that:

- It keeps about the last 5 MiB of a partition (and at most 100,000 batches), forgets older ones, and never compacts.
- It writes control records, but without a checksum: readers of what was written in transactions need `CLIENT_SETTINGS`.
- It ignores the isolation level: a read_committed reader also gets records of open and aborted transactions.
- It does not fence: a second owner of a transactional id gets a producer id of its own, the first one goes on writing.
- A group has one member. A second one of aiokafka's ends with InvalidRequestError, because the cluster calls the group
  settled once its leader has spoken and then refuses the others.
- Topics have no settings, and CreateTopics is not served: `create_topic` is the way.

Searching an offset walks the batches of a partition from the oldest one, so many small batches make fetches slow:
`delete_records` drops what was consumed.

A request of ours right after another is now and then not heard: the cluster's thread then sleeps for a second before it
looks (librdkafka 2.16). A connection wakes it, so we knock until it has answered.
"""

import contextlib
import ctypes
import re
import socket
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType, TracebackType
from typing import Final, Self, TypeVar

from confluent_kafka import cimpl

Result = TypeVar("Result")
_PRODUCER = 0  # rd_kafka_type_t RD_KAFKA_PRODUCER
_CONF_OK = 0  # rd_kafka_conf_res_t RD_KAFKA_CONF_OK
_ERROR_SIZE = 512
_REBALANCE_DELAY_MS = 100  # instead of 3,000: a group of one member need not wait long for others
_KNOCK_S = 0.01  # a request that was heard is answered in far less
_TOPIC_NAME = re.compile(r"(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}")  # Kafka's rule; the mock cluster takes anything

CLIENT_SETTINGS: Final[Mapping[str, bool]] = MappingProxyType({"check_crcs": False})
"""Keyword arguments that an aiokafka consumer needs here (Faust: `broker_check_crcs=False`)."""


class EmbeddedBrokerError(RuntimeError):
    """librdkafka refused to start the cluster or to carry out a request; the message is its own."""


def _knock(address: str) -> None:
    """Connect, and leave. Where nobody listens any more there is nothing to wake."""
    host, _, port = address.rpartition(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
        pass


def _load_library() -> ctypes.CDLL:
    """The librdkafka that confluent-kafka itself uses, with the signatures of the functions we call.

    The extension module is opened, not the library: a symbol is looked up in what a module depends on as well, so the
    file name of the bundled library (it carries a hash and differs by platform) does not matter.
    """
    library = ctypes.CDLL(cimpl.__file__)
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    signatures: dict[str, tuple[type | None, list[type]]] = {
        "rd_kafka_conf_new": (pointer, []),
        "rd_kafka_conf_set": (number, [pointer, text, text, text, ctypes.c_size_t]),
        "rd_kafka_conf_destroy": (None, [pointer]),
        "rd_kafka_new": (pointer, [number, pointer, text, ctypes.c_size_t]),
        "rd_kafka_destroy": (None, [pointer]),
        "rd_kafka_err2str": (text, [number]),
        "rd_kafka_mock_cluster_new": (pointer, [pointer, number]),
        "rd_kafka_mock_cluster_destroy": (None, [pointer]),
        "rd_kafka_mock_cluster_bootstraps": (text, [pointer]),
        "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, [pointer, ctypes.c_int32]),
        "rd_kafka_mock_topic_create": (number, [pointer, text, number, number]),
        "rd_kafka_mock_partition_delete_records": (number, [pointer, text, ctypes.c_int32, ctypes.c_int64]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class EmbeddedBroker:
    """A Kafka cluster inside this process, from `with` or `start` until `stop`.

    Every method may be called from any thread. Topics that a client asks for without creating them appear with four
    partitions, so create them first.
    """

    def __init__(self, *, brokers: int = 1) -> None:
        """Prepare, without starting.

        Args:
            brokers: number of broker nodes, each on a free loopback port of its own; at least 1.
        """
        if brokers < 1:
            raise ValueError(f"an embedded broker needs at least one node, not {brokers}")
        self._brokers = brokers
        self._library = _load_library()
        self._client: int | None = None
        self._cluster: int | None = None

    @property
    def bootstrap(self) -> str:
        """Address for clients, `host:port[,host:port...]`. Raises EmbeddedBrokerError when not running."""
        addresses: bytes = self._library.rd_kafka_mock_cluster_bootstraps(self._running())
        return addresses.decode()

    def start(self) -> Self:
        """Start the nodes; they answer at once. Raises EmbeddedBrokerError; does nothing when running."""
        if self._cluster is not None:
            return self
        library, error = self._library, ctypes.create_string_buffer(_ERROR_SIZE)
        conf = library.rd_kafka_conf_new()
        # The client only carries the cluster and has no broker to talk to: its complaint about that is noise.
        if library.rd_kafka_conf_set(conf, b"log_level", b"2", error, _ERROR_SIZE) != _CONF_OK:
            library.rd_kafka_conf_destroy(conf)
            raise EmbeddedBrokerError(error.value.decode())
        client = library.rd_kafka_new(_PRODUCER, conf, error, _ERROR_SIZE)  # owns conf from here, unless it fails
        if not client:
            library.rd_kafka_conf_destroy(conf)
            raise EmbeddedBrokerError(f"librdkafka did not start: {error.value.decode()}")
        cluster = library.rd_kafka_mock_cluster_new(client, self._brokers)
        if not cluster:
            library.rd_kafka_destroy(client)
            raise EmbeddedBrokerError("librdkafka could not open a loopback port for the embedded broker")
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, _REBALANCE_DELAY_MS)
        self._client, self._cluster = client, cluster
        return self

    def stop(self) -> None:
        """Close every connection and forget everything. Does nothing when not running."""
        if self._cluster is not None:
            self._ask(self._library.rd_kafka_mock_cluster_destroy, self._cluster)
            self._cluster = None
        if self._client is not None:
            self._library.rd_kafka_destroy(self._client)
            self._client = None

    def create_topic(self, name: str, partitions: int) -> None:
        """Create a topic.

        Args:
            name: Kafka topic name.
            partitions: at least 1.

        Raises: ValueError for a name or count that Kafka would refuse; EmbeddedBrokerError when it exists already.
        """
        if _TOPIC_NAME.fullmatch(name) is None:
            raise ValueError(f"not a topic name: {name!r}")
        if partitions < 1:
            raise ValueError(f"topic {name} needs at least one partition, not {partitions}")
        replicas = min(3, self._brokers)
        create = self._library.rd_kafka_mock_topic_create
        code = self._ask(create, self._running(), name.encode(), partitions, replicas)
        self._check(code, f"create topic {name} with {partitions} partitions")

    def delete_records(self, topic: str, partition: int, before_offset: int) -> None:
        """Forget the record batches that lie wholly before an offset; the partition then begins there.

        Raises: EmbeddedBrokerError for an unknown partition or an offset past the end.
        """
        delete = self._library.rd_kafka_mock_partition_delete_records
        code = self._ask(delete, self._running(), topic.encode(), partition, before_offset)
        self._check(code, f"delete records of {topic}/{partition} before {before_offset}")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _ask(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Call a function that the cluster's thread answers, and knock until it has."""
        address, answered = self.bootstrap.partition(",")[0], threading.Event()

        def knock() -> None:
            while not answered.wait(_KNOCK_S):
                _knock(address)

        knocker = threading.Thread(target=knock, name="knock", daemon=True)
        knocker.start()
        try:
            return function(*arguments)
        finally:
            answered.set()
            knocker.join()

    def _running(self) -> int:
        if self._cluster is None:
            raise EmbeddedBrokerError("the embedded broker is not running")
        return self._cluster

    def _check(self, code: int, action: str) -> None:
        if code != 0:
            reason: bytes = self._library.rd_kafka_err2str(code)
            raise EmbeddedBrokerError(f"the embedded broker did not {action}: {reason.decode()}")
