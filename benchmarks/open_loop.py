"""The load of an open loop: facts sent when they are due, whether or not anybody keeps up. A process of its own.

    python -m benchmarks.open_loop BROKERS PREFIX RATE SECONDS TAG

It sends the mix of `benchmarks.synthetic`, as many facts a second as asked, of which `PROBES` a second are probes: a
rating of 1 by somebody who has not rated before, so that each opens an intervention. A probe's event id holds the
instant at which it was due, on the machine's monotonic clock; latency counts from there, so a late sender makes
latency worse, not better.

Output: the begin in monotonic nanoseconds, and at the end how late the latest fact was sent, in ms.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import islice
from typing import Final

from benchmarks.harness.loading import Loader
from benchmarks.synthetic import Platform
from schemas.base import from_ms, instant_text
from schemas.topics import BY_NAME, Topics
from streams.partitioner import partition_for

PAIRS: Final = 20_000
PROGRAMS: Final = 100
PROBES: Final = 100
_HEAD_START_NS: Final = 500_000_000
_SHORTEST_SLEEP_S: Final = 0.001
Record = tuple[str, bytes, bytes]


def platform_at(now_ms: int, rate: int) -> Platform:
    """The platform whose facts are due one after the other from now on."""
    return Platform(PAIRS, PROGRAMS, begin_ms=now_ms, step_ms=1_000 / rate)


def announce(brokers: str, topics: Topics, tag: str, probes: int) -> None:
    """Tell of the pairs that probes will come from."""
    now = instant_text(from_ms(time.time_ns() // 1_000_000))
    with Loader(brokers) as loader:
        for number in range(probes):
            program, pair = _program(number), f"{tag}-{number}"
            fact = {
                "event_id": f"pair-{pair}", "type": "pair.changed", "program_id": program, "pair_id": pair,
                "occurred_at": now, "matched_at": now, "kind": "one_to_one", "mentor_ids": [f"mentor-{pair}"],
                "mentee_ids": [f"mentee-{pair}"], "state": "active",
            }  # fmt: skip
            key = f"{program}/{pair}".encode()
            send(loader, topics, ("pairs", key, json.dumps(fact).encode()))


def probe(tag: str, number: int, due_ns: int) -> Record:
    """A rating that opens an intervention."""
    program, pair = _program(number), f"{tag}-{number}"
    fact = {
        "event_id": f"due-{due_ns}", "type": "rating.submitted", "program_id": program, "pair_id": pair,
        "occurred_at": instant_text(from_ms(time.time_ns() // 1_000_000)), "participant_id": f"mentee-{pair}",
        "kind": "mqs", "rating": 1,
    }  # fmt: skip
    return "ratings", program.encode(), json.dumps(fact).encode()


def _program(number: int) -> str:
    return f"program-{number % PROGRAMS:04d}"


def send(loader: Loader, topics: Topics, record: Record) -> None:
    """Send one to the partition of its program."""
    name, key, value = record
    loader.send(topics.real(name), value, key, partition_for(key, BY_NAME[name].partitions))


def main() -> None:
    """Prepare, then send."""
    brokers, prefix, tag = sys.argv[1], sys.argv[2], sys.argv[5]
    rate, seconds = int(sys.argv[3]), int(sys.argv[4])
    topics, every = Topics(prefix), rate // PROBES
    announce(brokers, topics, tag, PROBES * seconds)
    # Made before the begin: making a fact takes longer than sending it.
    facts = [record[:3] for record in islice(platform_at(time.time_ns() // 1_000_000, rate).facts(), rate * seconds)]
    begin_ns, late_ns = time.monotonic_ns() + _HEAD_START_NS, 0
    print(f"begin {begin_ns}", flush=True)
    with Loader(brokers, {"linger.ms": 0, "enable.idempotence": False}) as loader:
        for number, fact in enumerate(facts):
            due_ns = begin_ns + number * 1_000_000_000 // rate
            now_ns = time.monotonic_ns()
            if now_ns < due_ns:
                loader.producer.poll(0)
                time.sleep(max(_SHORTEST_SLEEP_S, (due_ns - now_ns) / 1e9))
                now_ns = time.monotonic_ns()
            late_ns = max(late_ns, now_ns - due_ns)
            send(loader, topics, fact if number % every else probe(tag, number // every, due_ns))
    print(f"late {late_ns / 1e6:.3f}", flush=True)


if __name__ == "__main__":
    main()
