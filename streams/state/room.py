"""Room at the end of a value in memory, so that values fill few sizes of blocks.

The allocator of Python keeps blocks of one size (a multiple of 16 B) together, and what is free of one size is of no
use to another. Records grow by some bytes with nearly every fact. Stored in exactly their length, each leaves its size
for the next one; of a million pairs that were loaded at once and had a week of facts, 300 MB stood empty in sizes that
most had outgrown. Where there are few sizes, a record stays for longer in the one it has, and the next that grows takes
what it leaves. That outweighs the room itself.

A record is a MessagePack array, of which msgspec skips elements that it does not know. So the room is nils that are
counted as elements: whoever decodes the value need not know of it. Rows that leave the process never have any.
"""

from typing import Final

#: bytes of a block: from the smallest on in steps of five of the allocator's; it has none beyond the largest
_BLOCKS: Final = (64, 144, 224, 304, 384, 512)
#: bytes of a `bytes` object beside what is in it
_OBJECT: Final = 33
_LARGEST: Final = _BLOCKS[-1] - _OBJECT
#: first byte of an array of more than 15 elements; their number stands in the two after it
_ARRAY: Final = 0xDC
_ROOM: Final = [min(block for block in _BLOCKS if block >= _OBJECT + length) - _OBJECT - length
                for length in range(_LARGEST + 1)]  # fmt: skip
_NILS: Final = [b"\xc0" * amount for amount in range(max(_ROOM) + 1)]


def with_room(value: bytearray) -> bytes:
    """A record with the room that its block has. The given value is changed."""
    if len(value) <= _LARGEST and value[0] == _ARRAY:
        room = _ROOM[len(value)]
        if value[2] + room < 256:
            value[2] += room
            value += _NILS[room]
    return bytes(value)


def without_room(value: bytes, elements: int) -> bytes:
    """A record as it was encoded, with so many elements."""
    if value[0] == _ARRAY and not value[1] and value[2] > elements:
        return bytes((_ARRAY, 0, elements)) + value[3 : len(value) - value[2] + elements]
    return value
