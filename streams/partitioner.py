"""Kafka's default partitioner: murmur2 of the key, so that every client library agrees about who owns a program.

The hash is Austin Appleby's MurmurHash2 (32 bit) with Kafka's seed, as in
`org.apache.kafka.common.utils.Utils.murmur2`; the partition is the hash without its sign bit, modulo the count
(librdkafka: `partitioner=murmur2_random`). It takes tens of microseconds in Python, and there are few programs, so
the answer is cached by key.
"""

from functools import lru_cache

_SEED = 0x9747B28C
_MULTIPLIER = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Hash `data` as Kafka's Java client does; the result is unsigned, 0 to 2**32 - 1.

    Source: org.apache.kafka.common.utils.Utils.murmur2; its published vectors are in the tests.
    """
    length = len(data)
    whole = length & ~3
    value = (_SEED ^ length) & _MASK
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little")
        word = (word * _MULTIPLIER) & _MASK
        word ^= word >> 24
        word = (word * _MULTIPLIER) & _MASK
        value = ((value * _MULTIPLIER) & _MASK) ^ word
    rest = data[whole:]
    if rest:
        value ^= int.from_bytes(rest, "little")
        value = (value * _MULTIPLIER) & _MASK
    value ^= value >> 13
    value = (value * _MULTIPLIER) & _MASK
    return value ^ (value >> 15)


@lru_cache(maxsize=1 << 16)
def partition_for(key: bytes, partitions: int) -> int:
    """The partition of `key` in a topic of `partitions` partitions, 0 to `partitions` - 1.

    Raises: ValueError when `partitions` is not positive.
    """
    if partitions < 1:
        raise ValueError(f"a topic has at least one partition, not {partitions}")
    return (murmur2(key) & 0x7FFFFFFF) % partitions
