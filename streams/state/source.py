"""What we remember of one of the four fact topics that feed a journal partition: its habit, and when it was silent."""

from typing import Final

from streams.detectors.renewal import SourceStream
from streams.state.record import Record

#: How many past silences are remembered.
MAX_SILENCES: Final = 8


class SourceState(Record, kw_only=True):
    """One topic, by name in the key, as heard in this partition."""

    stream: SourceStream
    #: half-open stretches in which an intervention said that it was silent, oldest first: from its last fact on
    silences: list[tuple[int, int]] = []
