"""The router agrees with Kafka's Java client and with librdkafka."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.partitioner import murmur2, partition_for

# org.apache.kafka.common.utils.UtilsTest.testMurmur2 (signed 32-bit results)
VECTORS = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "expected"), VECTORS.items())
def test_murmur2_gives_kafkas_published_vectors(key: bytes, expected: int) -> None:
    assert murmur2(key) == expected & 0xFFFFFFFF


@given(st.binary(max_size=64), st.integers(min_value=1, max_value=500))
def test_the_partition_is_the_positive_hash_modulo_the_count(key: bytes, partitions: int) -> None:
    assert partition_for(key, partitions) == (murmur2(key) & 0x7FFFFFFF) % partitions < partitions


def test_aiokafkas_own_murmur2_agrees() -> None:
    from aiokafka.partitioner import murmur2 as theirs

    for length in range(40):
        key = bytes(range(200, 200 + length))
        assert murmur2(key) == theirs(key) & 0xFFFFFFFF


def test_a_topic_without_partitions_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        partition_for(b"p", 0)
