"""The clock of one journal partition: recorded source progress, never a wall clock.

"Now" is the oldest progress over every source partition that is expected to report. It stays undefined until each of
them has reported once, and it never falls. So a slow or dead source holds back the judgement of absence, and only that:
whatever could speak against "nothing happened" has been read before it is said.

In `records` mode (demo, replay of ordered history) now is the newest record timestamp seen on any source.
"""

from collections.abc import Iterable, Mapping
from typing import Final

UNDEFINED: Final = -1

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
MINUTE_MS: Final = 60_000

FACT_TOPICS: Final = ("participant-activity", "meetings", "ratings", "sentiment")


class SourceClock:
    """Progress of the sources of one journal partition, in milliseconds UTC."""

    __slots__ = ("_observed_from_ms", "expected", "gaps", "now_ms", "progress", "records", "since", "topic_ids")

    def __init__(self) -> None:
        self.now_ms = UNDEFINED
        self.records = False
        self.expected: tuple[str, ...] = ()
        self.progress: dict[str, int] = {}
        #: first observed instant per source partition; `UNDEFINED` = from the beginning of the topic
        self.since: dict[str, int] = {}
        #: stretches that were never read, as half-open intervals; absence does not run inside them
        self.gaps: list[tuple[int, int]] = []
        #: incarnation of each topic that was read, as far as the cluster tells
        self.topic_ids: dict[str, str] = {}
        self._observed_from_ms: int | None = None

    def know_topics(self, topic_ids: Mapping[str, str]) -> list[str]:
        """Take in which incarnation of each topic is read now; returns the topics that were made anew since."""
        anew = [topic for topic, made in topic_ids.items() if self.topic_ids.get(topic, made) != made]
        self.topic_ids |= topic_ids
        return sorted(anew)

    def expect(self, expected: Iterable[str], since: Mapping[str, int], records: bool) -> None:
        """State which source partitions exist. The first `since` of a source stands: retention moves on, history
        does not."""
        self.expected = tuple(sorted(set(expected)))
        self.records = records
        for source, instant in since.items():
            self.since.setdefault(source, instant)
        self._observed_from_ms = None

    def report(self, sources: Mapping[str, int]) -> list[str]:
        """Take in recorded progress; returns the sources that moved. Progress never falls."""
        progress = self.progress
        moved = []
        for source, instant in sources.items():
            if instant > progress.get(source, UNDEFINED):
                progress[source] = instant
                moved.append(source)
        return moved

    def add_gap(self, start_ms: int, end_ms: int) -> None:
        """Remember a stretch that was lost; repeats of the same gap change nothing."""
        if (start_ms, end_ms) not in self.gaps:
            self.gaps = sorted([*self.gaps, (start_ms, end_ms)])

    def target_ms(self) -> int:
        """Where now should stand by what has been reported, `UNDEFINED` while a source has not reported."""
        if self.records:
            return max(self.progress.values(), default=UNDEFINED)
        progress = self.progress
        oldest = UNDEFINED
        for source in self.expected:
            instant = progress.get(source)
            if instant is None:
                return UNDEFINED
            if oldest == UNDEFINED or instant < oldest:
                oldest = instant
        return oldest

    @property
    def observed_from_ms(self) -> int:
        """The latest `since` of the fact topics: nothing before it can be called absent."""
        if self._observed_from_ms is None:
            known = (at for source, at in self.since.items() if source.rpartition("/")[0] in FACT_TOPICS)
            self._observed_from_ms = max(known, default=UNDEFINED)
        return self._observed_from_ms
