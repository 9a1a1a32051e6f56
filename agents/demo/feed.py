"""Feeding a year in minutes, and never faster than it is digested.

The embedded broker forgets all but the last 5 MB of a partition, and a clock that follows the records must not run
ahead on one topic while facts of another are still under way. So a slice of the year is sent only when the one before
stands in the journal, and only while the engine is less than 3 MB behind.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol

from confluent_kafka import Producer

from agents.host.clients import KafkaSettings
from streams.partitioner import partition_for

SLICE_MS: Final = 86_400_000
SLICE_RECORDS: Final = 2_000
MOST_AHEAD_BYTES: Final = 3_000_000
PATIENCE_S: Final = 30.0
_JOURNAL_EVERY_S: Final = 0.002  # looked up here
_ENGINE_EVERY_S: Final = 0.02  # asked of the engine, which has other things to do


class Inbound(Protocol):
    """One record to send (examples.oulad has them)."""

    @property
    def topic(self) -> str: ...

    @property
    def key(self) -> bytes: ...

    @property
    def value(self) -> bytes: ...

    @property
    def arrived_ms(self) -> int: ...


class StalledError(Exception):
    """Nothing moved for too long. The text is one sentence."""


def slices(records: Iterable[Inbound]) -> Iterator[list[Inbound]]:
    """Cut records, ordered by arrival, into days of at most `SLICE_RECORDS`."""
    part: list[Inbound] = []
    for record in records:
        if part and (record.arrived_ms // SLICE_MS != part[0].arrived_ms // SLICE_MS or len(part) >= SLICE_RECORDS):
            yield part
            part = []
        part.append(record)
    if part:
        yield part


class Feeder(threading.Thread):
    """Sends records in order of arrival.

    Args:
        partitions: of every inbound topic that has a key; programs are spread over them.
        journalled: how many facts stand in the journal.
        bytes_ahead: the largest number of bytes of a journal partition not yet applied.

    Attributes:
        sent: records sent so far.
        at_ms: arrival of the last one.
        failure: what ended it early.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        records: Sequence[Inbound],
        partitions: int,
        *,
        journalled: Callable[[], int],
        bytes_ahead: Callable[[], int],
    ) -> None:
        super().__init__(name="feed", daemon=True)
        self.sent = 0
        self.at_ms = records[0].arrived_ms
        self.failure: BaseException | None = None
        self._records = records
        self._partitions = partitions
        self._journalled = journalled
        self._bytes_ahead = bytes_ahead
        self._asked_to_stop = threading.Event()
        self._refused: list[str] = []
        # One batch of a topic for a slice, sent by flush(): the embedded broker returns one batch of a partition to a
        # fetch, so small ones would stay small as far as the engine.
        self._producer = Producer(kafka.confluent() | {"linger.ms": 10_000, "acks": "all", "log_level": 0})

    def run(self) -> None:
        try:
            for part in slices(self._records):
                self._send(part)
                self._wait(lambda: self._journalled() >= self.sent, "ingest", _JOURNAL_EVERY_S)
                self._wait(lambda: self._bytes_ahead() < MOST_AHEAD_BYTES, "the engine", _ENGINE_EVERY_S)
                if self._asked_to_stop.is_set():
                    return
        except BaseException as error:  # noqa: BLE001  (the demo reports it and ends)
            self.failure = error

    def stop(self) -> None:
        """Stop sending."""
        self._asked_to_stop.set()
        if self.is_alive():
            self.join(10)

    def _send(self, part: Sequence[Inbound]) -> None:
        for record in part:
            self._producer.produce(
                record.topic,
                key=record.key,
                value=record.value,
                timestamp=record.arrived_ms,
                partition=partition_for(record.key.partition(b"/")[0], self._partitions),
                on_delivery=self._delivered,
            )
        left = self._producer.flush(PATIENCE_S)
        if left or self._refused:
            raise StalledError(f"The broker did not take {left + len(self._refused)} facts: {self._refused[:1]}.")
        self.sent += len(part)
        self.at_ms = part[-1].arrived_ms

    def _delivered(self, error: object, _message: object) -> None:
        if error is not None:
            self._refused.append(str(error))

    def _wait(self, is_done: Callable[[], bool], who: str, every_s: float) -> None:
        began = time.monotonic()
        while not is_done() and not self._asked_to_stop.is_set():
            if time.monotonic() - began > PATIENCE_S:
                raise StalledError(f"{who} did not take {self.sent:,} facts within {PATIENCE_S:.0f} s.")
            time.sleep(every_s)
