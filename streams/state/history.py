"""What is remembered for good about a pair or a person: digests of meetings and answers, end to end on its record.

It grows with the years. So that a fact writes little all the same, it is stored in chunks that are never written again
(`streams.state.parts.Digests`). Up to version 3 of the state full pages of it were put aside under keys of their own;
those are still read, and deleted with their owner.
"""

from typing import Final

from streams.state.record import Record

DIGEST_BYTES: Final = 5


class Page(Record, kw_only=True):
    """One full page of digests; whose, and its number, stand in the key."""

    digests: bytes = b""


def page_key(owner: bytes, number: int) -> bytes:
    """Key of a page of the pair or participant that has the key `owner`."""
    kind, (program_id, _, subject_id) = owner[:1], owner[1:].partition(b"/")
    return b"h" + program_id + b"/" + kind + subject_id + b"/" + str(number).encode()


def has_digest(packed: bytes, wanted: bytes) -> bool:
    """Whether a digest stands in a packed list of them."""
    at = packed.find(wanted)
    while at >= 0 and at % DIGEST_BYTES:
        at = packed.find(wanted, at + 1)
    return at >= 0
