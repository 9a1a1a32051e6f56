"""The engine alone in a process of its own: journal values in, state rows and interventions out, no Kafka.

    python -m benchmarks.growth.alone PAIRS PROGRAMS FACTS CPU[,CPU…]

Another process, on the CPUs given, makes the values and hands them over in batches, so that what is counted is
decode, step and the encoding of what changed, as in a worker that commits every `BATCH` entries or fewer. Warm-up:
the reference facts. The last line of output is JSON: one object for each fifth of the facts, the last one with the
memory.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Iterator
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import msgspec

from agents.host.worker import tune_interpreter
from benchmarks.engine import entries, first_entry
from benchmarks.synthetic import Platform
from streams.engine import Engine
from streams.state.table import is_record

BATCH: Final = 10_000
SEGMENTS: Final = 5


def rss_bytes() -> int:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def feed(pipe: Connection, platform: Platform, facts: int, cpus: list[int]) -> None:
    """Send batches of journal values, reference facts apart from the others, then an empty one."""
    os.sched_setaffinity(0, cpus)
    values = (value for _, value in entries(platform, facts))
    reference = platform.programs + 3 * platform.pairs
    for amount in (reference, facts):
        part = islice(values, amount)
        while batch := list(islice(part, min(BATCH, amount // (4 * SEGMENTS) or 1))):
            pipe.send_bytes(msgspec.msgpack.encode(batch))
    pipe.send_bytes(msgspec.msgpack.encode([]))


def batches(platform: Platform, facts: int, cpus: list[int]) -> Iterator[list[bytes]]:
    """What `feed` sends from its process."""
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=feed, args=(theirs, platform, facts, cpus), daemon=True)
    process.start()
    theirs.close()
    decode = msgspec.msgpack.Decoder(list[bytes]).decode
    while batch := decode(ours.recv_bytes()):
        yield batch
    process.join()


def work(platform: Platform, facts: int, cpus: list[int]) -> list[dict[str, float]]:
    """Apply everything. Returns: CPU of each fifth of the facts; bytes a pair (RSS) and a stored record in the last."""
    tune_interpreter()
    engine = Engine()
    engine.apply(0, first_entry())
    stream = batches(platform, facts, cpus)
    gc.collect()
    before = rss_bytes()
    left, offset = platform.programs + 3 * platform.pairs, 0
    costs: list[tuple[int, float]] = []
    for batch in stream:
        began = time.process_time()
        for value in batch:
            offset += 1
            while not engine.apply(offset, value):
                engine.flush()
        engine.flush()
        if left > 0:
            left -= len(batch)
        else:
            costs.append((len(batch), time.process_time() - began))
    gc.collect()
    grown = rss_bytes() - before
    found = []
    for number in range(SEGMENTS):
        part = costs[number * len(costs) // SEGMENTS : (number + 1) * len(costs) // SEGMENTS]
        amount = sum(count for count, _ in part)
        found.append({"cpu_us": sum(cost for _, cost in part) / amount * 1e6, "entries": float(amount)})
    stored = [len(record) for key, record in engine.state.table.stored() if is_record(key)]
    found[-1] |= {
        "bytes_a_pair": grown / platform.pairs,
        "bytes_a_record": sum(stored) / len(stored),
        "stored_bytes_a_pair": sum(stored) / platform.pairs,
        "records_a_pair": len(stored) / platform.pairs,
    }
    return found


def main() -> None:
    """Print what was found."""
    pairs, programs, facts = map(int, sys.argv[1:4])
    cpus = [int(cpu) for cpu in sys.argv[4].split(",")]
    print(json.dumps(work(Platform(pairs, programs), facts, cpus)))


if __name__ == "__main__":
    main()
