"""How fast a recording is replayed: synthetic facts, all rules, one process on one CPU, then two on two.

    python -m benchmarks --only backtest
    python -m benchmarks.growth --only backtest

The first one's recording is so short that a replay takes seconds, of which one goes into starting; the other's is
long enough for that not to matter.

The recording is written first and not counted. Then the same facts go through as a Parquet recording of the journal,
with as many progress entries as a platform of 200,000 pairs has at one a minute (in a small recording of a long time
they would outnumber the facts), and as lines of `.jsonl`, which are also decoded and checked as at the edge. CPU is
that of the process and its helpers, garbage collection, output and the start of the helpers included; no warm-up is
left out.
"""

from __future__ import annotations

import cProfile
import json
import os
import pstats
import sys
import tempfile
import time
from itertools import chain
from pathlib import Path
from typing import Final

from agents.backtest import backtest_facts, backtest_journal
from agents.fact_files import FactFiles
from agents.recordings import Recording, RecordingWriter
from benchmarks.harness.processes import BOTH, MEASURED, pinned
from benchmarks.harness.results import Part
from benchmarks.harness.session import Session, Setting, say
from benchmarks.synthetic import Platform
from schemas.base import from_ms
from schemas.codec import Accepted, decode_fact
from schemas.compact import instant_bytes
from schemas.journal import ProgressEntry, SourcesEntry, encode_entry, encode_fact_entry
from schemas.topics import BY_NAME, INBOUND
from streams.backtest.replay import PARTITIONS
from streams.partitioner import partition_for
from streams.rules import RULES
from streams.ruleset import RuleSet, parse

PAIRS_PER_PROGRAM: Final = 200
SOURCES: Final = [
    f"{topic.name}/{number}" for topic in map(BY_NAME.__getitem__, INBOUND) for number in range(topic.partitions)
]
FIRST_RULES: Final = frozenset(
    {"rating.low", "first_meeting.missing", "program.sentiment_slowdown", "pair.sentiment_slowdown"}
)
PROGRESS_EVERY: Final = 900
_TIMEOUT_S: Final = 300.0


def write(folder: Path, pairs: int, months: float) -> tuple[Path, Path]:
    """Write the same facts as a recording and as lines."""
    platform = Platform(pairs, max(1, pairs // PAIRS_PER_PROGRAM))
    journal, lines = folder / "recording.parquet", folder / "facts.jsonl"
    offsets = [0] * PARTITIONS
    with RecordingWriter(journal, offsets) as writer, lines.open("wb") as file:

        def append(partition: int, value: bytes, key: bytes | None = None) -> None:
            writer.add(partition, offsets[partition], 0, key, value)
            offsets[partition] += 1

        sources = encode_entry(
            SourcesEntry(v=1, expected=SOURCES, since=dict.fromkeys(SOURCES), clock="wall", topic_ids={})
        )
        for partition in range(PARTITIONS):
            append(partition, sources)
        for number, (topic, key, value, at_ms) in enumerate(chain(platform.reference(), platform.months(months))):
            accepted = decode_fact(topic, key, value, arrived_ms=at_ms)
            assert isinstance(accepted, Accepted), accepted
            if number % PROGRESS_EVERY == 0:
                progress = encode_entry(ProgressEntry(v=1, sources=dict.fromkeys(SOURCES, from_ms(at_ms))))
                for partition in range(PARTITIONS):
                    append(partition, progress)
            program = key.partition(b"/")[0]
            entry = encode_fact_entry(topic, 0, number, at_ms, accepted.encoded, None)
            append(partition_for(program, PARTITIONS), entry, program)
            file.write(b'{"topic":"%b","arrived_at":"%b",%b\n' % (topic.encode(), instant_bytes(at_ms), value[1:]))
        writer.close()
    return journal, lines


def replay(session: Session, path: Path, jobs: int, how: str = "all") -> dict[str, float]:
    """Replay in a process of its own, on as many CPUs as jobs; `how`: all rules, the first four, or only a copy."""
    log = session.folder / "backtest.log"
    command = [sys.executable, "-m", "benchmarks.backtest", str(path), str(jobs), how]
    with log.open("wb") as output, pinned(command, output, cpus=MEASURED if jobs == 1 else BOTH) as process:
        if process.wait(_TIMEOUT_S) != 0:
            raise RuntimeError(f"the backtest failed:\n{log.read_text()[-2000:]}")
    figures: dict[str, float] = json.loads(log.read_text().splitlines()[-1])
    return figures


def run(session: Session) -> Part:
    """Measure backtests, `backtest` in the results."""
    pairs, months, rounds = (2_000, 0.25, 2) if session.is_quick else (8_000, 0.25, 5)
    say(f"a recording of {pairs:,} pairs over {months:g} months")
    journal, lines = write(session.folder, pairs, months)
    cases = {
        "recording": lambda _: replay(session, journal, 1),
        "recording, first four rules": lambda _: replay(session, journal, 1, "four"),
        "lines of facts": lambda _: replay(session, lines, 1),
        "recording read and written": lambda _: replay(session, journal, 1, "copy"),
    }
    setting: Setting = {"pairs": pairs, "months": months, "partitions": PARTITIONS, "rules": "all"}
    return session.part("backtest", cases, rounds=rounds, setting=setting)


def run_long(session: Session) -> Part:
    """Measure backtests of a long recording on one CPU and on both, `backtest` in the results about growth."""
    pairs, months, rounds = (2_000, 0.25, 2) if session.is_quick else (10_000, 1.0, 5)
    say(f"a recording of {pairs:,} pairs over {months:g} months")
    journal, _ = write(session.folder, pairs, months)
    cases = {
        "all rules": lambda _: replay(session, journal, 1),
        "all rules, 2 processes": lambda _: replay(session, journal, 2),
        "first four rules": lambda _: replay(session, journal, 1, "four"),
        "first four rules, 2 processes": lambda _: replay(session, journal, 2, "four"),
    }
    setting: Setting = {"pairs": pairs, "months": months, "partitions": PARTITIONS}
    return session.part("backtest", cases, rounds=rounds, setting=setting)


def profile(pairs: int, months: float) -> pstats.Stats:
    """Where the time of a replay of the journal goes."""
    with tempfile.TemporaryDirectory() as name:
        journal, _ = write(Path(name), pairs, months)
        recording, profiler = Recording(journal), cProfile.Profile()
        profiler.runcall(backtest_journal, recording, Path(name) / "out", None)
        return pstats.Stats(profiler)


def four_rules() -> RuleSet:
    """The shipped rule set with nothing on but the four rules Ebb began with."""
    return parse({"rules": {rule.id: {"enabled": rule.id in FIRST_RULES} for rule in RULES}})


def copy(recording: Recording, path: Path) -> dict[str, float]:
    """Entries a second that are read with all checks, and written."""
    count, began = recording.info.entries, time.perf_counter()
    for partition in range(PARTITIONS):
        for _ in recording.entries(partition):
            pass
    read = count / (time.perf_counter() - began)
    rows = [(number, row) for number in range(PARTITIONS) for row in recording.rows(number)]
    began = time.perf_counter()
    with RecordingWriter(path, [0] * PARTITIONS) as writer:
        for partition, row in rows:
            writer.add(partition, row.offset, row.timestamp_ms, row.key, row.value)
        writer.close()
    written = count / (time.perf_counter() - began)
    return {"read_rate": read, "written_rate": written, "entry_bytes": path.stat().st_size / count, "entries": count}


def main() -> None:
    """Replay PATH with JOBS processes and print the figures as JSON."""
    path, jobs, how = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    with tempfile.TemporaryDirectory() as name:
        out, rules = Path(name) / "out", four_rules() if how == "four" else None
        if how == "copy":
            print(json.dumps(copy(Recording(path), Path(name) / "copy.parquet")))
            return
        before, began = sum(os.times()[:4]), time.perf_counter()
        if path.suffix == ".parquet":
            facts = backtest_journal(Recording(path), out, rules, jobs)["facts"]
        else:
            facts = backtest_facts(FactFiles(path), out, rules, jobs)["facts"]
        elapsed, used = time.perf_counter() - began, sum(os.times()[:4]) - before
    print(json.dumps({"rate": facts / elapsed, "cpu_us": used / facts * 1e6, "entries": facts}))


if __name__ == "__main__":
    main()
