"""A worker on a real Kafka, scraped by a real Prometheus, whose alerts go through a real Alertmanager to a webhook.

The story is that of `tests.agents.metrics.story`: feedback comes, falls away, and comes again. Records are the clock,
so months pass in seconds; scrapes, evaluations and waits take a second each. One topic is fed at a time, because
ingest may read a whole month of one before it has seen the other, and such a clock would run ahead.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from confluent_kafka import Consumer, TopicPartition
from prometheus_client import start_http_server

from agents.notifier.metrics import NotifierMetrics
from deploy.kafka.broker import KafkaBroker
from deploy.prometheus.receiver import Message, Receiver
from deploy.prometheus.servers import Alertmanager, Prometheus
from schemas.base import to_ms
from schemas.outbound import Intervention, decode_intervention
from schemas.topics import INTERVENTIONS
from streams.delivery.entries import Entry
from tests.agents.metrics.story import NORMAL_DAYS, lines, pairs
from tests.integration.worker_harness import PARTITIONS, Sent, Worker, interventions, make_topics, produce
from tests.scenarios.runner import make_record

PROGRAM = "program"
SLOW = "program.sentiment_slowdown"
#: Days of the story: normal until `NORMAL_DAYS`, then nothing is said until here, then all is well again until there.
SILENT_UNTIL, WELL_UNTIL = NORMAL_DAYS + 14, NORMAL_DAYS + 14 + 45
FIRST_DAYS = 3
RATED = 12
SCRAPES = 5
#: Of a machine that does much else beside; as a rule it takes seconds.
PATIENCE_S = 180.0

Answer = dict[tuple[tuple[str, str], ...], float]


def start_ms() -> int:
    """A Monday noon, 30 weeks ago: no topic has deleted it yet, and each run has the same days of the week."""
    today = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    return to_ms(today - timedelta(days=today.weekday(), weeks=30))


@dataclass
class Heard:
    """What reached the webhook."""

    messages: list[Message] = field(default_factory=list)

    def since_s(self, alert: str, status: str) -> float | None:
        """When an alert was first told in that status, seconds since 1970."""
        found = (m.at_s for m in self.messages for a in m.alerts if (a.name, a.status) == (alert, status))
        return next(found, None)


class Alarms(threading.Thread):
    """Reads `interventions` as anybody does, and notes when each change of the slowdown rule became visible."""

    def __init__(self, brokers: str, topic: str) -> None:
        super().__init__(name="alarms", daemon=True)
        self.seen_s: dict[str, float] = {}
        self._stop_asked = threading.Event()
        self._consumer = Consumer(
            {
                "bootstrap.servers": brokers,
                "group.id": f"{topic}-alarms",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
            }
        )
        self._consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])

    def run(self) -> None:
        while not self._stop_asked.is_set():
            message = self._consumer.poll(0.05)
            value = None if message is None or message.error() is not None else message.value()
            if value is not None:
                record = decode_intervention(value)
                if record.rule.id == SLOW:
                    self.seen_s.setdefault(record.change, time.time())

    def stop(self) -> None:
        self._stop_asked.set()
        self.join()
        self._consumer.close()


class Stage:
    """Everything that runs, from `with` until its end.

    Args:
        queries: asked at each stop of the story; `$program` stands for the program.

    Attributes:
        answers: what they returned, by stop and query.
        written: what stood on `interventions`, by stop.
    """

    def __init__(self, kafka: KafkaBroker, folder: Path, prefix: str, queries: Iterable[str]) -> None:
        self._kafka, self._topics = kafka, make_topics(kafka, prefix)
        self._folder, self._prefix, self._queries = folder, prefix, list(queries)
        self._start_ms, self._number, self._facts = start_ms(), 0, 0
        self._stack = ExitStack()
        self.heard = Heard()
        self.written: dict[str, list[Intervention]] = {}
        self.answers: dict[str, dict[str, Answer]] = {}

    def __enter__(self) -> "Stage":
        with ExitStack() as stack:
            settings = {"EBB_BROKERS": self._kafka.bootstrap, "EBB_TOPIC_PREFIX": self._prefix}
            self.worker = Worker(self._folder, settings)
            stack.callback(self.worker.kill)
            self.alarms = Alarms(self._kafka.bootstrap, self._topics.real(INTERVENTIONS))
            self.alarms.start()
            stack.callback(self.alarms.stop)
            self.notifier = NotifierMetrics()
            server, thread = start_http_server(0, "127.0.0.1", self.notifier.registry)
            stack.callback(thread.join)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            receiver = stack.enter_context(Receiver(self.heard.messages.append))
            alertmanager = stack.enter_context(Alertmanager(receiver.address, hurry=True))
            targets = {
                "ebb": [f"127.0.0.1:{self.worker.port}"],
                "ebb-notifier": [f"127.0.0.1:{server.server_address[1]}"],
                "alertmanager": [alertmanager.address],
            }
            self.worker.wait_ready()
            self.prometheus = stack.enter_context(Prometheus(targets, alertmanager.address, hurry=True))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # -- the story

    def begin(self) -> None:
        """The pairs, and some days of feedback, so that every series exists before it grows."""
        self.notify(sent=1, failed=0)
        self._send([{"type": "program.changed", "at": "0d"}, *pairs()])
        self.worker.wait_applied(self._kafka.bootstrap, self._topics, self._facts)
        self._send(lines(range(1, FIRST_DAYS)))
        self._settle()
        self._ask("begun")

    def live_well(self) -> None:
        """Feedback until it falls away; a repeat, a late one, a bad record and an unknown pair among it."""
        self.notify(sent=4, failed=1)
        self._send(lines(range(FIRST_DAYS, NORMAL_DAYS - 1)))
        self.worker.wait_applied(self._kafka.bootstrap, self._topics, self._facts)
        at = f"{NORMAL_DAYS - 1}d"
        again = {**next(lines(range(NORMAL_DAYS - 2, NORMAL_DAYS - 1))), "at": at}
        self._send([again])
        self.worker.wait_applied(self._kafka.bootstrap, self._topics, self._facts)
        late = {"type": "rating.submitted", "rating": 5, "at": "30d", "arrives": at}
        self._send([*_ratings(at), late])
        bad = Sent("ratings", b"k", b"not json", self._start_ms + (NORMAL_DAYS - 1) * 86_400_000)
        produce(self._kafka.bootstrap, self._topics, [bad])
        self._settle()
        self._ask("well")

    def fall(self) -> None:
        """Nobody says anything, until the webhook has heard of it."""
        self._send(_visits(range(NORMAL_DAYS, SILENT_UNTIL)))
        self.until(lambda: self._was_told("opened", "firing"), "no alert reached the webhook")
        self._settle()
        self._ask("fallen")

    def recover(self) -> None:
        """Feedback as before, until the webhook has heard that it is over."""
        self._send(lines(range(SILENT_UNTIL, WELL_UNTIL)))
        self.until(lambda: self._was_told("resolved", "resolved"), "the alert did not clear")
        self._settle()
        self._ask("recovered")

    def notify(self, sent: int, failed: int) -> None:
        """Let the notifier's metrics say that so many mails were sent and given up, and that others wait."""
        shown = self.notifier
        shown.working.set(1)
        shown.lag.set(3)
        shown.open_cases.set(5)
        shown.waiting.labels("email").set(2)
        shown.resting.labels("mail.test:25").set(1)
        state: Literal["sent", "failed"]
        for state, count in (("sent", sent), ("failed", failed)):
            row = Entry(
                intervention_id="i",
                sequence=0,
                channel="email",
                recipient="r",
                program_id=PROGRAM,
                state=state,
                decided_ms=0,
            )
            shown.written([row] * count)
            for _ in range(count):
                shown.send_seconds.labels("email").observe(0.3)

    def until(self, is_true: Callable[[], bool], otherwise: str) -> None:
        """Wait for something. Raises: AssertionError with what was expected."""
        deadline = time.monotonic() + PATIENCE_S
        while not is_true():
            assert self.worker.process.poll() is None, self.worker.log.read_text()
            if time.monotonic() > deadline:
                alarm, firing = self.prometheus.query("ebb_sentiment_alarm"), self.prometheus.query("ALERTS")
                raise AssertionError(
                    f"{otherwise}: {alarm=}, {firing=}, heard {self.heard.messages}, {self.worker.report()}"
                )
            time.sleep(0.1)

    def _was_told(self, change: str, status: str) -> bool:
        """Whether the rule's change was seen on its topic, and the alert's at the webhook."""
        return change in self.alarms.seen_s and self.heard.since_s("EbbSentimentSlow", status) is not None

    def _send(self, story: Iterable[Mapping[str, Any]]) -> None:
        found = []
        for line in story:
            self._number += 1
            topic, key, value, arrived_ms = make_record(line, self._number, self._start_ms, PROGRAM)
            found.append(Sent(topic, key or PROGRAM.encode(), value, arrived_ms))
        produce(self._kafka.bootstrap, self._topics, sorted(found, key=lambda sent: sent.timestamp_ms))
        self._facts += len(found)

    def _settle(self) -> None:
        """Wait until everything sent is applied, scraped, and gone through the recording rules."""
        self.worker.wait_applied(self._kafka.bootstrap, self._topics, self._facts)
        applied_s = time.time()
        # An evaluation 3 s later has seen a scrape, and what other groups recorded of it.
        recorded = "min(timestamp(program:ebb_meetings_held:max))"
        self.until(lambda: self._asked(recorded) > applied_s + 3, "nothing was scraped and recorded")
        # `increase` extends what it saw by up to 1.6 intervals: with five scrapes that is little.
        for shown in ("ebb_build_info", "program_polarity:ebb_sentiment_submissions:max"):
            counted = f"min(count_over_time({shown}[5m]))"
            self.until(lambda: self._asked(counted) >= SCRAPES, "too few scrapes came")  # noqa: B023

    def _asked(self, query: str) -> float:
        return max(self.prometheus.query(query).values(), default=0.0)

    def _is_scraped(self) -> bool:
        """Whether the newest scrapes came in time: a busy machine misses some, and then there is nothing to see."""
        return self._asked("min(up)") == 1 and self._asked("count(program:ebb_meetings_held:max)") == 1

    def _ask(self, stop: str) -> None:
        named = {query: query.replace("$program", PROGRAM) for query in self._queries}
        while True:
            self.until(self._is_scraped, "scrapes fail")
            self.answers[stop] = {query: self.prometheus.query(asked) for query, asked in named.items()}
            if self._is_scraped():
                break
        rows = interventions(self._kafka.bootstrap, self._topics)
        self.written[stop] = [decode_intervention(row.value) for part in rows for row in part]


def _ratings(at: str) -> Iterator[dict[str, Any]]:
    """A 5 by `RATED` mentees."""
    for pair in range(RATED):
        whose = {"pair_id": f"pair-{pair}", "participant_id": f"mentee-{pair}"}
        yield {"type": "rating.submitted", "rating": 5, "event_id": f"rating-{pair}", "at": at, **whose}


def _visits(days: range) -> Iterator[dict[str, Any]]:
    """People sign in and say nothing; the clock of the records goes on."""
    for day in days:
        yield {
            "type": "activity.signed_in",
            "participant_id": "mentee-1",
            "event_id": f"visit-{day}",
            "at": f"{day}d",
        }
