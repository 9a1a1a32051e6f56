"""How much of what a cluster needs for so many pairs and facts: formulas over what was measured, and nothing else.

The measured constants stand in `sizing.json` beside this file, written by the benchmarks (`benchmarks.page`), so that a
new measurement changes `ebb doctor --size` and docs/scaling.md together.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from math import ceil
from typing import Final

import msgspec

FACTS_PER_PAIR_MONTH: Final = 40
_DAY_S: Final = 86_400
_GB: Final = 1e9


class Measured(msgspec.Struct, frozen=True):
    """What one fact, pair or row costs, as measured.

    Attributes:
        ingest_us, engine_us, broker_us: CPU microseconds a fact; the broker's for both hops together.
        pair_bytes: memory of the engine a pair, with its people, timers and a week of event ids.
        inbound_bytes, journal_bytes: of a record, on disk without compression.
        state_bytes, intervention_bytes: written a fact while keeping up with a backlog, on disk.
        stored_bytes, stored_rows: what a pair leaves in `state` after compaction.
        recovery_rows: rows read back a second.
        commit: what was measured, and `python`: on which version.
    """

    ingest_us: float
    engine_us: float
    broker_us: float
    pair_bytes: float
    inbound_bytes: float
    journal_bytes: float
    state_bytes: float
    intervention_bytes: float
    stored_bytes: float
    stored_rows: float
    recovery_rows: float
    commit: str
    python: str


class Choices(msgspec.Struct, frozen=True):
    """What is chosen, not measured.

    Attributes:
        load: share of a CPU at peak; the other half catches up after an outage as fast as facts come.
        worker_gb: memory of a worker, of which 0.3 GB are not state.
        partitions_a_worker: so that workers can be added later: the count is frozen with the data.
        replication: copies of each topic.
        journal_days, inbound_days: how long topics are kept.
    """

    load: float = 0.5
    worker_gb: float = 8.0
    partitions_a_worker: int = 4
    replication: int = 3
    journal_days: int = 400
    inbound_days: int = 30


USUAL: Final = Choices()


class Sizing(msgspec.Struct, frozen=True):
    """What is needed. Disk is for all brokers together, network is what they take in and give out at peak."""

    pairs: int
    facts_a_second: float
    partitions: int
    workers: int
    worker_cpus: float
    state_gb: float
    recovery_s: float
    brokers: int
    broker_cpus: float
    journal_gb: float
    inbound_gb: float
    intervention_gb: float
    state_topic_gb: float
    disk_gb: float
    network_mb_s: float


def measured() -> Measured:
    """The constants of this version."""
    return msgspec.json.decode(resources.files("agents").joinpath("sizing.json").read_bytes(), type=Measured)


def size(pairs: int, facts_a_second: float, costs: Measured, chosen: Choices = USUAL) -> Sizing:
    """Compute what `pairs` active pairs with `facts_a_second` at peak need.

    Topics that keep facts are sized by the average, `FACTS_PER_PAIR_MONTH`, not by the peak.

    Raises: ValueError when either is not positive.
    """
    if pairs <= 0 or facts_a_second <= 0:
        raise ValueError("pairs and facts a second are positive numbers")
    cpus = facts_a_second * (costs.ingest_us + costs.engine_us) / 1e6
    state_gb = pairs * costs.pair_bytes / _GB
    workers = max(1, ceil(cpus / chosen.load), ceil(state_gb / (chosen.worker_gb - 0.3)))
    broker_cpus = facts_a_second * costs.broker_us / 1e6
    average = pairs * FACTS_PER_PAIR_MONTH / (30 * _DAY_S)
    daily_gb = average * _DAY_S / _GB
    journal_gb = daily_gb * chosen.journal_days * costs.journal_bytes
    inbound_gb = daily_gb * chosen.inbound_days * costs.inbound_bytes
    intervention_gb = daily_gb * chosen.journal_days * costs.intervention_bytes
    state_topic_gb = 2 * pairs * costs.stored_bytes / _GB  # compaction runs once as much again is dirty
    written = costs.inbound_bytes + costs.journal_bytes + costs.state_bytes + costs.intervention_bytes
    read = costs.inbound_bytes + costs.journal_bytes + costs.intervention_bytes
    network = facts_a_second * (written * (2 * chosen.replication - 1) + read)
    return Sizing(
        pairs=pairs,
        facts_a_second=facts_a_second,
        partitions=max(8, _power_of_two(workers * chosen.partitions_a_worker)),
        workers=workers,
        worker_cpus=cpus,
        state_gb=state_gb,
        recovery_s=pairs * costs.stored_rows / costs.recovery_rows / workers,
        brokers=max(chosen.replication, ceil(broker_cpus * chosen.replication / chosen.load)),
        broker_cpus=broker_cpus,
        journal_gb=journal_gb,
        inbound_gb=inbound_gb,
        intervention_gb=intervention_gb,
        state_topic_gb=state_topic_gb,
        disk_gb=chosen.replication * (journal_gb + inbound_gb + intervention_gb + state_topic_gb),
        network_mb_s=network / 1e6,
    )


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()


def rows(sizing: Sizing) -> Iterator[tuple[str, str]]:
    """What is needed in words: (what, how much)."""
    yield "partitions of journal, state, interventions", f"{sizing.partitions:,}"
    yield "worker processes", f"{sizing.workers:,}"
    yield "CPUs busy in workers at peak", _two_digits(sizing.worker_cpus)
    yield "memory for state, all workers", _gb(sizing.state_gb)
    yield "reading state back, all workers starting at once", f"{_two_digits(sizing.recovery_s)} s"
    yield "brokers", f"{sizing.brokers:,}"
    yield "CPUs busy in brokers at peak, one copy", _two_digits(sizing.broker_cpus)
    yield "journal, one copy", _gb(sizing.journal_gb)
    yield "inbound topics, one copy", _gb(sizing.inbound_gb)
    yield "interventions, one copy", _gb(sizing.intervention_gb)
    yield "state topic, one copy", _gb(sizing.state_topic_gb)
    yield "disk, all copies", _gb(sizing.disk_gb)
    yield "network of all brokers at peak, in and out", f"{_two_digits(sizing.network_mb_s)} MB/s"


def _gb(amount: float) -> str:
    return f"{_two_digits(amount / 1_000)} TB" if amount >= 1_000 else f"{_two_digits(amount)} GB"


def _two_digits(amount: float) -> str:
    """Two digits that mean something: more would promise what a size cannot keep."""
    if amount < 0.01:
        return "below 0.01"
    return f"{float(f'{amount:.2g}'):,.10g}"
