"""Whole batches give the same newest values as record by record, whatever nobody may read stands between them."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from agents.host.fetching import hand_out_as_they_are, hand_out_batches
from agents.host.recovery import apply_batch
from tests.agents.host.test_fetching import HERE, Place

ATTRIBUTES, CRC, CHECKED_FROM = 21, 17, 21
CONTROL = 0x20
ABORT, COMMIT = b"\x00\x00\x00\x00", b"\x00\x00\x00\x01"
Rows = list[tuple[int, bytes, bytes | None]]


def batch(base: int, rows: Rows, producer: int = -1, *, is_control: bool = False, last: int = 0) -> bytes:
    """A record batch from offset `base` on; `rows` are (offset - base, key, value), `last` is the last it stands for
    when compaction took that one out."""
    builder = DefaultRecordBatchBuilder(2, 0, producer >= 0, producer, 0, 0, 1 << 20)
    for number, key, value in rows:
        builder.append(number, 1, key=key, value=value, headers=[])
    made = bytearray(base.to_bytes(8, "big") + bytes(builder.build())[8:])
    made[23:27] = max(last, *(number for number, _, _ in rows)).to_bytes(4, "big")
    if is_control:
        made[ATTRIBUTES + 1] |= CONTROL
    made[CRC : CRC + 4] = calc_crc32c(bytes(made[CHECKED_FROM:])).to_bytes(4, "big")
    return bytes(made)


class Log:
    """A state partition as a broker sends it, made at random: transactions of several writers, one after another."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.begins: list[int] = []
        self.batches: list[bytes] = []
        self.aborted: list[tuple[int, int]] = []
        self.end = 0
        for _ in range(self.dice.randint(1, 12)):
            self._transaction(self.dice.choice([-1, 7, 8]))

    def _transaction(self, producer: int) -> None:
        begin = self.end
        for _ in range(self.dice.randint(1, 3)):
            count = self.dice.randint(1, 8)
            kept = sorted(self.dice.sample(range(count), self.dice.randint(1, count)))
            rows: Rows = [(number, b"k%d" % self.dice.randint(0, 9), self._value()) for number in kept]
            self._add(batch(self.end, rows, producer, last=count - 1))
            self.end += count
        if producer >= 0:
            is_abort = self.dice.random() < 0.4
            if is_abort:
                self.aborted.append((producer, begin))
            self._add(batch(self.end, [(0, ABORT if is_abort else COMMIT, b"")], producer, is_control=True))
            self.end += 1

    def _add(self, made: bytes) -> None:
        self.begins.append(self.end)
        self.batches.append(made)

    def _value(self) -> bytes | None:
        return None if self.dice.random() < 0.3 else b"%d" % self.dice.randint(0, 10**6)

    def fetched(self, hand_out: Any, position: int) -> tuple[list[Any], int]:
        """What a consumer that stands at `position` is handed of all of it, and where it stands then."""
        inner, place = SimpleNamespace(_records=None), Place()
        place.position = position
        hand_out(SimpleNamespace(_fetcher=inner))
        records: Any = inner._records
        ends = [*self.begins[1:], self.end]
        sent = [each for each, end in zip(self.batches, ends, strict=True) if end > position]  # as a broker does
        raw = MemoryRecords(b"".join(sent))
        parts = PartitionRecords(HERE, raw, self.aborted, position, None, None, True, fetcher.READ_COMMITTED)
        records[HERE] = FetchResult(HERE, assignment=place, partition_records=parts, backoff=0)
        return list(records[HERE].getall()), place.position


def one_by_one(records: list[Any]) -> dict[bytes, bytes]:
    rows: dict[bytes, bytes] = {}
    for record in records:
        if record.value is None:
            rows.pop(record.key, None)
        else:
            rows[record.key] = record.value
    return rows


@pytest.mark.parametrize("seed", range(150))
def test_whole_batches_are_read_as_aiokafka_reads_records(seed: int) -> None:
    log = Log(seed)
    position = log.dice.choice([0, 0, log.dice.randrange(log.end)])
    records, end = log.fetched(hand_out_as_they_are, position)
    batches, reached = log.fetched(hand_out_batches, position)
    rows: dict[bytes, bytes] = {}
    keys = [key for each in batches for key in apply_batch(each, rows)]
    assert keys == [record.key for record in records]
    assert rows == one_by_one(records)
    assert reached == end


def test_the_logs_of_this_test_hold_what_it_is_about() -> None:
    logs = [Log(seed) for seed in range(150)]
    assert any(log.aborted for log in logs)
    read = [log.fetched(hand_out_as_they_are, 0)[0] for log in logs]
    assert any(record.value is None for records in read for record in records)
    assert any(not records for records in read)


def test_a_damaged_batch_is_not_read() -> None:
    log = Log(3)
    log.batches[0] = log.batches[0][:-1] + bytes([log.batches[0][-1] ^ 1])
    with pytest.raises(CorruptRecordException):
        log.fetched(hand_out_batches, 0)


def test_what_was_fetched_before_a_seek_is_not_handed_out() -> None:
    inner, place = SimpleNamespace(_records=None), Place()
    hand_out_batches(SimpleNamespace(_fetcher=inner))
    records: Any = inner._records
    raw = MemoryRecords(batch(0, [(0, b"k", b"v")]))
    parts = PartitionRecords(HERE, raw, [], 0, None, None, True, fetcher.READ_COMMITTED)
    records[HERE] = FetchResult(HERE, assignment=place, partition_records=parts, backoff=0)
    place.position = 1
    assert records[HERE].getall() == []
