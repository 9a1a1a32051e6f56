"""`dead-letters`: records we could not use, untouched, with the reason in headers.

The original key, value and headers stay as they were; the six headers below are appended. A record that was redriven
and failed again carries them twice: the last ones count. After a crash a dead letter may repeat; topic, partition and
offset identify it.
"""

from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import ConfigDict, Field, ValidationError

from schemas.base import Record
from schemas.rejections import Rejected

PREFIX: Final = "__streams.errors."

TOPIC: Final = "__streams.errors.topic"
PARTITION: Final = "__streams.errors.partition"
OFFSET: Final = "__streams.errors.offset"
EXCEPTION: Final = "__streams.errors.exception"
MESSAGE: Final = "__streams.errors.message"
ATTEMPT: Final = "__streams.errors.attempt"


class DeadLetterHeaders(Record):
    """What the appended headers say; on the wire each is UTF-8 text, numbers in decimal."""

    # The one place where text becomes a number: a Kafka header has no types.
    model_config = ConfigDict(strict=False, serialize_by_alias=True)

    topic: str = Field(alias="__streams.errors.topic", description="The topic it came from, with its prefix.")
    partition: Annotated[int, Field(ge=0)] = Field(alias="__streams.errors.partition")
    offset: Annotated[int, Field(ge=0)] = Field(alias="__streams.errors.offset")
    exception: str = Field(
        alias="__streams.errors.exception", description="A stable reason in snake_case, also a metric label."
    )
    message: str = Field(alias="__streams.errors.message", description="A sentence for people; never payload text.")
    attempt: Annotated[int, Field(ge=1)] = Field(
        alias="__streams.errors.attempt", description="1, or more after a redrive."
    )


def failure_headers(
    topic: str, partition: int, offset: int, rejected: Rejected, attempt: int = 1
) -> list[tuple[str, bytes]]:
    """Make the headers to append to a dead letter.

    Args:
        topic: the real name of the source topic, with its prefix.
        partition: of the source record.
        offset: of the source record.
        rejected: why it is bad.
        attempt: 1, or one more than the dead letter it was redriven from.
    """
    return [
        (TOPIC, topic.encode()),
        (PARTITION, b"%d" % partition),
        (OFFSET, b"%d" % offset),
        (EXCEPTION, rejected.reason.encode()),
        (MESSAGE, rejected.message.encode()),
        (ATTEMPT, b"%d" % attempt),
    ]


def read_headers(headers: Iterable[tuple[str, bytes | None]]) -> DeadLetterHeaders | None:
    """Read what `failure_headers` wrote, the last of each; None when the headers are not those of a dead letter."""
    texts = {}
    for name, content in headers:
        if name.startswith(PREFIX) and content is not None:
            texts[name] = content.decode("utf-8", errors="replace")
    try:
        return DeadLetterHeaders.model_validate(texts)
    except ValidationError:
        return None


def original_headers(headers: Iterable[tuple[str, bytes | None]]) -> list[tuple[str, bytes | None]]:
    """Return the headers without ours, as the producer sent them."""
    return [(name, content) for name, content in headers if not name.startswith(PREFIX)]
