"""The whole worker on one CPU (`ebb worker`: ingest and engine), on a real Kafka: drain, sustainable rate, latency.

    python -m benchmarks --only live

- Drain: a backlog is there before the worker starts; facts a second from the first fact forwarded to the last one
  decided.
- Sustainable: the highest rate of an open loop at which the age of what comes out does not grow by more than 1 % of
  the time that passes. A ladder of rates, of `STEP_S` seconds each, the first `WARM_UP_S` of them not looked at.
- Latency: from the instant at which a rating was due to be sent to its intervention read back, at 500 facts a second
  and at half the sustainable rate. Warm-up: the first `WARM_UP_S` seconds of each run; no sample after that is
  dropped.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import linear_regression, median
from typing import Final, NamedTuple

from confluent_kafka import Consumer, TopicPartition

from agents.app import engine_group
from agents.ingest.agent import group_of
from benchmarks import ingest
from benchmarks.harness.loading import Loader, Positions, end_of, remove
from benchmarks.harness.processes import ROOT, cpu_s, pinned, stop
from benchmarks.harness.results import Part
from benchmarks.harness.session import Session, Setting, medians, say
from benchmarks.open_loop import PAIRS, PROBES, PROGRAMS, announce, platform_at, probe, send
from benchmarks.synthetic import FACTS_PER_PAIR_MONTH, MONTH_MS, Platform
from schemas.topics import BY_NAME, FACT_TOPICS, INBOUND, INTERVENTIONS, JOURNAL, STATE, Topics

WARM_UP_S: Final = 3
STEP_S: Final = 8
LATENCY_S: Final = 11
STEPS: Final = 7
HOLDS_BELOW: Final = 0.01
_LITTLE: Final = 200
"""Journal entries of progress that may be on their way at any moment."""
_PATIENCE_S: Final = 300.0
_LONGEST_WAIT_S: Final = 45.0


class Loaded(NamedTuple):
    """What one open loop showed: seconds after the begin at which each probe was due, and its latency in ms.

    The begin is on the machine's monotonic clock.
    """

    begin_s: float
    due_s: list[float]
    latency_ms: list[float]
    expected: int
    late_ms: float
    cpu_us: float

    def growth(self) -> float:
        """Seconds of age gained a second; no answer at all counts as standing still."""
        if len(self.due_s) < max(2, self.expected // 2):
            return 1.0
        return linear_regression(self.due_s, self.latency_ms).slope / 1_000

    def figures(self) -> dict[str, float]:
        if not self.latency_ms:
            raise RuntimeError("no answer came")
        p50, p99 = (self.percentile(share) for share in (0.5, 0.99))
        return {
            "p50_ms": p50, "p99_ms": p99, "worst_ms": max(self.latency_ms), "samples": len(self.latency_ms),
            "expected": self.expected, "late_ms": self.late_ms, "cpu_us": self.cpu_us, "growth": self.growth(),
        }  # fmt: skip

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latency_ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    def curve(self) -> list[float]:
        return [self.percentile(percent / 100) for percent in range(101)]


@contextmanager
def worker(session: Session, topics: Topics) -> Iterator[subprocess.Popen[bytes]]:
    """`ebb worker` on the measured CPU; has to end in order."""
    environment = {"EBB_BROKERS": session.brokers, "EBB_TOPIC_PREFIX": topics.prefix, "EBB_PORT": "0"}
    environment |= {"EBB_LOG_LEVEL": "error"}
    log = session.folder / "worker.log"
    with (
        log.open("wb") as output,
        pinned([sys.executable, "-m", "agents.cli", "worker"], output, environment) as process,
    ):
        yield process
        if stop(process) != 0:
            raise RuntimeError(f"the worker did not stop in order:\n{log.read_text()[-2000:]}")


def offer(
    session: Session, topics: Topics, process: subprocess.Popen[bytes], rate: int, seconds: int, tag: str
) -> Loaded:
    """Run one open loop and read what comes out until every probe is back, or nothing has come for long."""
    consumer = _watcher(session.brokers, topics, tag)
    command = [sys.executable, "-m", "benchmarks.open_loop", session.brokers, topics.prefix, str(rate), str(seconds)]
    with subprocess.Popen([*command, tag], cwd=ROOT, stdout=subprocess.PIPE, text=True) as load:
        assert load.stdout is not None
        begin_ns = int(load.stdout.readline().split()[1])
        warm_ns = begin_ns + WARM_UP_S * 1_000_000_000
        expected, came = PROBES * (seconds - WARM_UP_S), dict[int, int]()
        cpu_before: float | None = None
        cpu, heard = 0.0, time.monotonic()
        while len(came) < expected:
            message = consumer.poll(0.2)
            now_ns = time.monotonic_ns()
            if cpu_before is None and now_ns >= warm_ns:
                cpu_before = cpu_s(process.pid)
            if now_ns < begin_ns + seconds * 1_000_000_000:
                cpu, heard = cpu_s(process.pid), time.monotonic()
            elif time.monotonic() - heard > _LONGEST_WAIT_S or process.poll() is not None:
                break
            if message is None or message.error() is not None:
                continue
            due_ns = _due_ns(message.value() or b"{}")
            if due_ns is not None and due_ns >= warm_ns:
                came.setdefault(due_ns, now_ns)
                heard = time.monotonic()
        late_ms = float((load.stdout.readline() or "late 0").split()[1])
    consumer.close()
    cost = (cpu - (cpu_before or cpu)) / (rate * (seconds - WARM_UP_S)) * 1e6
    due = sorted(came)
    return Loaded(
        begin_s=begin_ns / 1e9,
        due_s=[(each - begin_ns) / 1e9 for each in due],
        latency_ms=[(came[each] - each) / 1e6 for each in due],
        expected=expected,
        late_ms=late_ms,
        cpu_us=cost,
    )


def _watcher(brokers: str, topics: Topics, tag: str) -> Consumer:
    """Reads interventions from where they end now."""
    consumer = Consumer({
        "bootstrap.servers": brokers, "group.id": f"watch-{tag}", "isolation.level": "read_committed",
        "enable.auto.commit": False, "fetch.wait.max.ms": 500, "log_level": 0,
    })  # fmt: skip
    real = topics.real(INTERVENTIONS)
    places = [TopicPartition(real, number) for number in range(BY_NAME[INTERVENTIONS].partitions)]
    for place in places:
        place.offset = end_of(consumer, place)
    consumer.assign(places)
    return consumer


def wait_until_it_answers(session: Session, topics: Topics, process: subprocess.Popen[bytes]) -> None:
    """Send a rating that opens an intervention until one comes back and little is left to do: started, rebalanced.

    Raises: RuntimeError when it ends, or nothing comes in `_PATIENCE_S`.
    """
    consumer = _watcher(session.brokers, topics, "start")
    announce(session.brokers, topics, "start", 1_000)
    deadline = time.monotonic() + _PATIENCE_S
    for number in range(1_000):
        with Loader(session.brokers) as loader:
            send(loader, topics, probe("start", number, time.monotonic_ns()))
        message = consumer.poll(2.0)
        if message is not None and message.error() is None and _due_ns(message.value() or b"{}") is not None:
            break
        if time.monotonic() > deadline or process.poll() is not None:
            raise RuntimeError("the worker did not answer")
    consumer.close()
    settle(session, topics, process)


def settle(session: Session, topics: Topics, process: subprocess.Popen[bytes]) -> None:
    """Wait until little is left to do, so that one load does not begin with what another left.

    Raises: RuntimeError when the worker ends, or has not caught up in `_PATIENCE_S`.
    """
    taken = Positions(
        session.brokers, group_of(topics.prefix), {topics.real(name): BY_NAME[name].partitions for name in FACT_TOPICS}
    )
    decided = Positions(session.brokers, engine_group(topics.prefix), {topics.real(JOURNAL): 8})
    deadline = time.monotonic() + _PATIENCE_S
    while taken.ends() - taken.committed() > _LITTLE or decided.ends() - decided.committed() > _LITTLE:
        if time.monotonic() > deadline or process.poll() is not None:
            raise RuntimeError("the worker did not catch up with what it found")
        time.sleep(0.5)
    taken.close()
    decided.close()


def _due_ns(value: bytes) -> int | None:
    """When the probe behind an intervention was due; None where another fact is behind it."""
    record = json.loads(value)
    if record["change"] != "opened" or not record["evidence"]:
        return None
    event_id = str(record["evidence"][-1].get("event_id", ""))
    return int(event_id[4:]) if event_id.startswith("due-") else None


def drain(session: Session, topics: Topics, facts: int, written: int) -> dict[str, float]:
    """Let a worker catch up with what stands in the inbound topics."""
    made = (JOURNAL, STATE, INTERVENTIONS)
    ingest.reset(session, topics)
    remove(session.brokers, [topics.real(name) for name in (STATE, INTERVENTIONS)], [engine_group(topics.prefix)])
    ingest.create(session, topics, made[1:])
    inbound = {topics.real(name): BY_NAME[name].partitions for name in INBOUND if name in FACT_TOPICS}
    taken = Positions(session.brokers, group_of(topics.prefix), inbound)
    decided = Positions(session.brokers, engine_group(topics.prefix), {topics.real(JOURNAL): 8})
    deadline, began, cpu = time.monotonic() + _PATIENCE_S, 0.0, 0.0
    with worker(session, topics) as process:
        while time.monotonic() < deadline:
            forwarded = taken.committed()
            if forwarded and not began:
                began, cpu, facts = time.monotonic(), cpu_s(process.pid), facts - forwarded
            if forwarded >= taken.ends() and decided.committed() >= decided.ends():
                break
            time.sleep(0.2)
        else:
            raise RuntimeError("the worker did not catch up")
        elapsed, used = time.monotonic() - began, cpu_s(process.pid) - cpu
    taken.close()
    decided.close()
    return {"rate": facts / elapsed, "cpu_us": used / facts * 1e6, "entries": facts, "records": written}


def ladder(session: Session, topics: Topics, process: subprocess.Popen[bytes], guess: int) -> dict[str, float]:
    """Look for the highest rate that holds, by halving the interval between one that does and one that does not."""
    holds, fails, rate = 0, 0, guess
    for step in range(STEPS):
        settle(session, topics, process)
        seen = offer(session, topics, process, rate, STEP_S, f"step{step}")
        is_held = seen.growth() < HOLDS_BELOW and len(seen.due_s) == seen.expected
        say(f"    {rate:,}/s {'holds' if is_held else 'falls behind'}, age grows {seen.growth():.1%}")
        holds, fails = (max(holds, rate), fails) if is_held else (holds, min(fails or rate, rate))
        if holds and fails and fails - holds <= holds // 20:
            break
        rate = (holds + fails) // 2 if holds and fails else holds * 6 // 5 if holds else rate * 3 // 4
        rate = rate // PROBES * PROBES
    return {"rate": holds, "fails": fails}


def run(session: Session) -> Part:
    """Measure all three: `drain`, `sustainable` and `latency` in the results."""
    facts, rounds, seconds = (30_000, 1, 6) if session.is_quick else (120_000, 5, LATENCY_S)
    backlog = Topics("drain.")
    ingest.create(session, backlog)
    days = facts / (PAIRS * FACTS_PER_PAIR_MONTH / 30)
    begin_ms = time.time_ns() // 1_000_000 - int(days * MONTH_MS / 30)
    written = ingest.fill(session, backlog, Platform(PAIRS, PROGRAMS, begin_ms=begin_ms), facts)
    setting: Setting = {"facts": facts, "pairs": PAIRS, "programs": PROGRAMS, "partitions": 8, "rules": "all"}
    drained = session.part(
        "drain", {"worker": lambda _: drain(session, backlog, facts, written)}, rounds=rounds, setting=setting
    )
    topics = Topics("live.")
    ingest.create(session, topics)
    ingest.fill(session, topics, platform_at(time.time_ns() // 1_000_000, 1_000), 0)
    guess = int(0.9e6 / medians(drained, "cpu_us")["worker"]) // PROBES * PROBES
    with worker(session, topics) as process:
        wait_until_it_answers(session, topics, process)
        found = session.part(
            "sustainable",
            {"worker": lambda _: ladder(session, topics, process, guess)},
            rounds=1,
            setting={"step_s": STEP_S, "pairs": PAIRS, "probes_a_second": PROBES, "partitions": 8},
        )
        half = int(median(found.values("worker", "rate"))) // 2 // PROBES * PROBES

        def latency(rate: int, tag: str) -> tuple[dict[str, float], list[float]]:
            settle(session, topics, process)
            seen = offer(session, topics, process, rate, seconds, tag)
            return seen.figures() | {"rate": rate}, seen.curve()

        return session.part(
            "latency",
            {
                "500 a second": lambda number: latency(500, f"calm{number}"),
                "half of the sustainable rate": lambda number: latency(max(half, PROBES), f"half{number}"),
            },
            rounds=rounds,
            setting={"seconds": seconds - WARM_UP_S, "warm_up_s": WARM_UP_S, "partitions": 8, "rules": "all"},
        )
