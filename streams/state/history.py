"""What is remembered for good about a pair or a person and would make their record grow: pages of digests.

A record keeps the newest digests itself. When they fill a page it is put aside under a key of its own and never written
again, so that a fact writes little however long the history is.
"""

from typing import Final

from streams.state.record import Record

DIGEST_BYTES: Final = 5
PAGE_BYTES: Final = 48 * DIGEST_BYTES


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
