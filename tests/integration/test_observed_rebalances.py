"""Two workers, a real Kafka and a real Prometheus: after each of ten rebalances every number stands once, and right."""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from deploy.kafka.broker import KafkaBroker
from deploy.ports import free_port
from deploy.prometheus.programs import ProgramsUnavailableError
from deploy.prometheus.servers import Prometheus
from schemas.topics import JOURNAL
from tests.agents.metrics.story import PAIRS, lines, pairs
from tests.conftest import skipped_without
from tests.integration.observed import PATIENCE_S, start_ms
from tests.integration.worker_harness import Sent, Worker, make_topics, produce, written
from tests.scenarios.runner import make_record

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]

PROGRAMS = [f"program-{number}" for number in range(6)]
REBALANCES = 10
DAYS_A_TURN = 3


class Group:
    """One worker that stays, one that comes and goes on the same port, and what they are told."""

    def __init__(self, kafka: KafkaBroker, folder: Path, prefix: str) -> None:
        self._kafka, self._folder = kafka, folder
        self._topics = make_topics(kafka, prefix)
        self._settings = {"EBB_BROKERS": kafka.bootstrap, "EBB_TOPIC_PREFIX": prefix}
        self._begin_ms, self._number = start_ms(), 0
        self.facts = self.said = 0
        self.stays = Worker(folder, self._settings)
        self.port = free_port()
        self._other: Worker | None = None

    def __enter__(self) -> "Group":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.alive():
            worker.kill()

    def alive(self) -> list[Worker]:
        """The workers that run now."""
        return [self.stays] if self._other is None else [self.stays, self._other]

    def turn(self) -> None:
        """Let the other worker come if it is away, else go: a rebalance."""
        if self._other is None:
            self._other = Worker(self._folder, self._settings, port=self.port)
        else:
            assert self._other.end()[0] == 0
            self._other = None

    def begin(self) -> None:
        """Pairs in every program."""
        self._send({program: [{"type": "program.changed", "at": "0d"}, *pairs()] for program in PROGRAMS})

    def say(self, days: range) -> None:
        """Feedback in every program."""
        said = {program: list(lines(days)) for program in PROGRAMS}
        self.said += len(said[PROGRAMS[0]])
        self._send(said)

    def _send(self, story: Mapping[str, Iterable[Mapping[str, Any]]]) -> None:
        found = []
        for program, told in story.items():
            for line in told:
                self._number += 1
                topic, key, value, arrived_ms = make_record(line, self._number, self._begin_ms, program)
                found.append(Sent(topic, key or program.encode(), value, arrived_ms))
        produce(self._kafka.bootstrap, self._topics, sorted(found, key=lambda sent: sent.timestamp_ms))
        self.facts += len(found)

    def has_settled(self) -> bool:
        """Whether each journal partition is open at one worker, and everything sent is applied there."""
        journal = written(self._kafka.bootstrap, self._topics.real(JOURNAL))
        if sum(row.value.startswith(b'{"kind":"fact"') for rows in journal for row in rows) < self.facts:
            return False
        reports = [worker.report() for worker in self.alive()]
        positions = [item for report in reports for item in report.get("positions", {}).items()]
        ends = [(str(number), len(rows)) for number, rows in enumerate(journal)]
        return sorted(positions) == ends and all(report.get("ready") for report in reports)


@pytest.fixture
def group(kafka: KafkaBroker, tmp_path: Path) -> Iterator[Group]:
    with Group(kafka, tmp_path, f"r{os.getpid()}.") as group:
        yield group


def test_after_ten_rebalances_the_sum_over_workers_is_what_the_topics_hold_and_no_gauge_stands_twice(
    group: Group,
) -> None:
    with skipped_without(ProgramsUnavailableError), ExitStack() as stack:
        targets = {"ebb": [f"127.0.0.1:{group.stays.port}", f"127.0.0.1:{group.port}"]}
        prometheus = stack.enter_context(Prometheus(targets, hurry=True))
        group.begin()
        _until(group.has_settled)
        for turn in range(REBALANCES + 1):
            if turn:
                group.turn()
            group.say(range(1 + turn * DAYS_A_TURN, 1 + (turn + 1) * DAYS_A_TURN))
            _until(group.has_settled)
            settled_s = time.time()
            _until(lambda: _scraped_s(prometheus) > settled_s)  # noqa: B023
            # Awaited, because a busy machine misses a scrape now and then; what stood twice would stand twice for good.
            sums = {"ebb_sentiment_submissions_total": group.said, "ebb_active_pairs": PAIRS}
            for metric, held in sums.items():
                wanted = {(("program", program),): held for program in PROGRAMS}
                _until(lambda: prometheus.query(f"sum by (program) ({metric})") == wanted)  # noqa: B023
            for metric, label in (
                ("ebb_sentiment_alarm", "program"),
                ("ebb_sentiment_alarm_level_seconds", "program"),
                ("ebb_timers", "partition"),
                ("ebb_state_records", "partition"),
                ("ebb_engine_lag_entries", "partition"),
                ("ebb_ingest_lag_records", "topic, partition"),
            ):
                owners = f"max(count by ({label}) ({metric}))"
                _until(lambda: prometheus.query(owners) == {(): 1})  # noqa: B023
            # Of a source that changed hands, progress is said again when it moves.
            progress = prometheus.query("count by (topic, partition) (ebb_source_progress_timestamp_seconds)")
            assert set(progress.values()) <= {1}, turn


def _scraped_s(prometheus: Prometheus) -> float:
    """When every worker that answers was last scraped."""
    return min(prometheus.query('timestamp(up{job="ebb"})').values(), default=0.0)


def _until(is_true: Any) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.2)
