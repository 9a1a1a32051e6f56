"""Recordings: a stretch of topics as one Parquet file, the food of backtests and replays.

One row per record: `partition` (of the recording), `offset`, `timestamp_ms`, `key`, `value`. A row group holds
rows of one partition and one section, in order:

- *entries*: the records themselves. Of the journal they follow one another without a hole; of inbound topics they rise.
- *snapshot*: the state rows that the engine held before the first entry, where that is not the journal's beginning.
- *live*: the interventions that were published for these entries, against which a backtest can be held.

The file's metadata (`ebb`, JSON, `RecordingInfo`) says which partitions there are, what each section holds and its
SHA-256. Reading checks all of that, so that a damaged or incomplete recording ends with a sentence and not with other
interventions. A recording without entries is what `ebb state snapshot` writes, and `ebb record` goes on from it.
"""

from agents.recordings.info import (
    FORMAT,
    METADATA_KEY,
    LiveSection,
    PartitionInfo,
    RecordingError,
    RecordingInfo,
    Section,
)
from agents.recordings.reader import Recording, Row, is_parquet
from agents.recordings.writer import RecordingWriter

__all__ = [
    "FORMAT",
    "METADATA_KEY",
    "LiveSection",
    "PartitionInfo",
    "Recording",
    "RecordingError",
    "RecordingInfo",
    "RecordingWriter",
    "Row",
    "Section",
    "is_parquet",
]
