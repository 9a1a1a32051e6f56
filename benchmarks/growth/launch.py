"""A launch: pairs matched in one batch reach their tenth day together, and all that is due has one instant.

    python -m benchmarks.growth.launch PAIRS

The engine alone, in a process of its own. A fact at the end of the tenth day sets the clock in motion; work is cut into
slices, and the fact is folded when the last slice is done. What others wait for is the longest slice, not the launch.
The last line of output is JSON.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import islice
from typing import Final

from agents.host.worker import tune_interpreter
from benchmarks.engine import entries, first_entry
from benchmarks.harness.processes import pinned
from benchmarks.harness.results import Part
from benchmarks.harness.session import Session
from benchmarks.synthetic import BEGIN_MS, Platform
from schemas.codec import Accepted, decode_fact
from schemas.journal import encode_fact_entry
from streams.clock import DAY_MS
from streams.engine import Engine

_TIMEOUT_S: Final = 300.0
PAIRS_PER_PROGRAM: Final = 2_500
_BATCH: Final = 10_000


def tick(at_ms: int, offset: int) -> bytes:
    """A journal entry that arrives then: the first fact of a platform that begins there."""
    topic, key, value, arrived_ms = next(Platform(1, 1, seed=offset, begin_ms=at_ms).facts())
    accepted = decode_fact(topic, key, value, arrived_ms=arrived_ms)
    assert isinstance(accepted, Accepted), accepted
    return encode_fact_entry(topic, 0, offset, at_ms, accepted.encoded, None)


def work(pairs: int) -> dict[str, float]:
    """Launch, and let ten days pass."""
    tune_interpreter()
    engine, offset = Engine(), 0
    engine.apply(0, first_entry())
    values = (value for _, value in entries(Platform(pairs, max(1, pairs // PAIRS_PER_PROGRAM)), 0))
    while batch := list(islice(values, _BATCH)):
        for value in batch:
            offset += 1
            engine.apply(offset, value)
        engine.flush()
    _pass(engine, BEGIN_MS + 10 * DAY_MS - DAY_MS // 2, offset + 1)
    began = time.process_time()
    slices, rows, messages = _pass(engine, BEGIN_MS + 10 * DAY_MS + DAY_MS // 2, offset + 2)
    return {
        "cpu_s": time.process_time() - began,
        "longest_slice_s": max(slices),
        "slices": len(slices),
        "rows": rows,
        "interventions": messages,
    }


def _pass(engine: Engine, at_ms: int, offset: int) -> tuple[list[float], int, int]:
    """Let the clock go to an instant. Returns: CPU seconds of each slice with its flush, rows and interventions."""
    slices, rows, messages, is_whole, value = [], 0, 0, False, tick(at_ms, offset)
    while not is_whole:
        began = time.process_time()
        is_whole = engine.apply(offset, value)
        flush = engine.flush()
        slices.append(time.process_time() - began)
        rows += len(flush.rows)
        messages += len(flush.interventions)
    return slices, rows, messages


def run(session: Session) -> Part:
    """Launches of 5,000 and 50,000 pairs; `launch` in the results."""
    sizes = (500, 1_000) if session.is_quick else (5_000, 50_000)

    def launch(pairs: int) -> dict[str, float]:
        log = session.folder / "launch.log"
        command = [sys.executable, "-m", "benchmarks.growth.launch", str(pairs)]
        with log.open("wb") as output, pinned(command, output) as process:
            if process.wait(_TIMEOUT_S) != 0:
                raise RuntimeError(f"the launch failed:\n{log.read_text()[-2000:]}")
        found: dict[str, float] = json.loads(log.read_text().splitlines()[-1])
        return found

    cases = {f"{pairs}": lambda _, pairs=pairs: launch(pairs) for pairs in sizes}
    rounds = 2 if session.is_quick else 5
    return session.part("launch", cases, rounds=rounds, setting={"pairs_per_program": PAIRS_PER_PROGRAM})


if __name__ == "__main__":
    print(json.dumps(work(int(sys.argv[1]))))
