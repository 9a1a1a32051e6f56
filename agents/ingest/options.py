"""What ingest has to be told; brokers and secrets are in `KafkaSettings`."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from agents.ingest.intake import ExpandRuleset
from agents.ingest.progress import ProgressIntervals


def wall_ms() -> int:
    """This machine's clock, milliseconds since 1970."""
    return int(time.time() * 1_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestOptions:
    """Settings of one ingest worker.

    Attributes:
        version: of this code; a change is written to the journal.
        shipped_ruleset: the defaults, as activated at the very first start.
        expand_ruleset: tree → (fully expanded tree, content hash); raises ValueError when it does not pass its checks.
        prefix: of all topics and the consumer group.
        clock: `wall`, or `records` when no wall clock may enter.
        intervals: how often progress is written.
        records_step_ms: with `clock` records: how far the newest timestamp moves between two progress entries.
        look_every_s: how often ends of sources are looked up.
        commit_every_s: how often positions are committed to the group.
        survey_every_s: how often the number of source partitions is checked.
        unit_records: most records forwarded at once.
        buffer_records: most records waiting in memory, over all sources.
        session_timeout_s: how long a silent worker keeps its partitions.
        instance_id: name under which it takes them back when it starts again.
        data_dir: where Faust may create its (empty) folder.
        asks_topic_ids: whether the broker is asked for topic ids, by which a recreated topic is recognised; the
        embedded
            broker knows none, and asking it costs ten seconds.
        now_ms: the worker's clock.
    """

    version: str
    shipped_ruleset: Mapping[str, Any]
    expand_ruleset: ExpandRuleset
    prefix: str = ""
    clock: Literal["wall", "records"] = "wall"
    intervals: ProgressIntervals = field(default_factory=ProgressIntervals)
    records_step_ms: int = 3_600_000
    look_every_s: float = 1.0
    commit_every_s: float = 1.0
    survey_every_s: float = 30.0
    unit_records: int = 4_000
    buffer_records: int = 160_000
    session_timeout_s: float = 10.0
    instance_id: str | None = None
    data_dir: Path | None = None
    asks_topic_ids: bool = True
    now_ms: Callable[[], int] = wall_ms
