"""A program whose feedback falls away, as a journal: what metrics, alerts and dashboards are tried on.

`PAIRS` pairs say every day how it is going, `DAILY` of them, for `NORMAL_DAYS`; then nobody says anything.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from prometheus_client import CollectorRegistry

from agents.engine import EngineFold
from agents.metrics import Metrics
from schemas.base import from_ms, to_ms
from schemas.journal import Coordinates, FactEntry, ProgressEntry, SourcesEntry, encode_entry
from tests.scenarios.runner import START, make_fact

PAIRS, DAILY, NORMAL_DAYS = 20, 4, 84
START_MS = to_ms(START)
DAY_MS = 86_400_000
SOURCE = "sentiment/0"


def lines(days: range, daily: int = DAILY, number: int = 0) -> Iterator[dict[str, Any]]:
    """Sentiment of so many pairs a day, every fourth negative, and one rating a day."""
    for day in days:
        for turn in range(daily):
            pair = (day * daily + turn) % PAIRS
            yield {
                "type": "sentiment.submitted",
                "event_id": f"sentiment-{number}-{day}-{turn}",
                "pair_id": f"pair-{pair}",
                "participant_id": f"mentee-{pair}",
                "polarity": "negative" if turn == 3 else "positive",
                "at": f"{day * 1_440 + turn * 300}m",
            }


def pairs() -> Iterator[dict[str, Any]]:
    """The pairs, matched at the start, each of which meets at once."""
    for pair in range(PAIRS):
        people = {"mentor_ids": [f"mentor-{pair}"], "mentee_ids": [f"mentee-{pair}"]}
        yield {"type": "pair.changed", "pair_id": f"pair-{pair}", "at": "0d", **people}
        starts = {"meeting_id": f"m-{pair}", "starts_at": "1m", "at": "1m"}
        yield {"type": "meeting.held", "pair_id": f"pair-{pair}", **starts}


class Journal:
    """One journal partition being written; `clock` as in the `sources` entry."""

    def __init__(self, clock: Literal["wall", "records"] = "records", expected: Sequence[str] = (SOURCE,)) -> None:
        entry = SourcesEntry(v=1, expected=list(expected), since={}, clock=clock, topic_ids={})
        self.values: list[bytes] = [encode_entry(entry)]
        self._offsets: dict[str, int] = {}
        self._number = 0

    def facts(self, facts: Iterable[Mapping[str, Any]], program: str = "program") -> None:
        """Append facts, in the order given."""
        for line in facts:
            self._number += 1
            fact, arrived_ms, topic = make_fact(line, self._number, START_MS, program)
            offset = self._offsets[topic] = self._offsets.get(topic, -1) + 1
            source = Coordinates(topic=topic, partition=0, offset=offset)
            entry = FactEntry(v=1, source=source, arrived_at=from_ms(arrived_ms), fact=fact)
            self.values.append(encode_entry(entry))

    def progress(self, day: float) -> None:
        """Append the word that all sources have been read up to a day after the start."""
        self.values.append(encode_entry(ProgressEntry(v=1, sources={SOURCE: from_ms(START_MS + int(day * DAY_MS))})))


class Lane:
    """One partition at one worker: applies a journal and commits, as a lane of the host does."""

    def __init__(self, metrics: Metrics, fold: EngineFold, partition: int, rows: dict[bytes, bytes]) -> None:
        self.fold = fold
        self._metrics, self._partition, self._rows = metrics, partition, rows
        fold.restore(dict(rows))

    def apply(self, values: Sequence[bytes]) -> None:
        """Apply what of a journal has not been applied."""
        for offset in range(self.fold.applied + 1, len(values)):
            while not self.fold.apply(offset, values[offset]):
                pass

    def commit(self) -> None:
        """Make durable what was applied."""
        for key, value in self.fold.flush().rows:
            if value is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = value
        self._metrics.host.committed(self._partition, 1, 1, 0, 0.001)


def samples(registry: CollectorRegistry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Everything ours that a scrape shows, by name and labels. A series that stands twice fails the test."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for family in registry.collect():
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, f"{key} stands twice"
            if sample.name.startswith("ebb_"):
                found[key] = sample.value
    return found


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    """One sample."""
    return samples(registry).get((name, tuple(sorted(labels.items()))))
