"""What is wrong, and how to mend it: broker, topics, clock, rule sets, state, stopped sources, lag, workers.

Looks, and changes nothing; only an empty record goes to `ingest-control`, by whose answer the broker tells its time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator

import msgspec
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException

from agents import topics as clusters
from agents.app import engine_group
from agents.host.checks import broker_skew
from agents.host.fold import POSITION_KEY
from agents.host.process import Refusal
from agents.ingest.agent import group_of
from agents.ingest.repair import stopped_sources
from agents.reading import Place, Reader, Stretch, has_members
from agents.settings import Settings
from agents.topics import OnCluster, Problem
from schemas.topics import INBOUND, INGEST_CONTROL, JOURNAL, RULESETS, STATE
from streams import ruleset
from streams.state.record import VERSION as STATE_VERSION

MOST_SKEW_S = 60.0
_TAIL = 50


class Diagnosis(msgspec.Struct, frozen=True):
    """What `ebb doctor` found. `lag` is None where it could not be told: records for ingest, entries for the engine."""

    ready: bool
    lag: dict[str, int | None]
    problems: list[Problem]


def diagnose(settings: Settings) -> Diagnosis:
    """Look at everything that can be looked at from outside."""
    lag: dict[str, int | None] = {"ingest": None, "engine": None}
    problems: list[Problem] = []
    try:
        found = clusters.look(settings.kafka, settings.topics)
    except (KafkaException, OSError) as error:
        why = clusters.reason(error) if isinstance(error, KafkaException) else str(error)
        mend = "Start the broker, or set EBB_BROKERS and, for TLS and SASL, the EBB_KAFKA_ settings."
        return Diagnosis(False, lag, [Problem(f"No broker at {settings.brokers} answers: {why}.", mend)])
    problems += clusters.check(settings.topics, found)
    for look in (_clock, _stopped, _rule_sets, _state):
        problems += _told(look, settings, found)
    with Reader(settings.kafka, group_of(settings.topic_prefix)) as reader:
        inbound = {name: found[name].partitions for name in INBOUND if name in found}
        lag["ingest"] = _lag(reader, _places(settings, inbound))
    with Reader(settings.kafka, engine_group(settings.topic_prefix)) as reader:
        journal = {JOURNAL: found[JOURNAL].partitions} if JOURNAL in found else {}
        lag["engine"] = _lag(reader, _places(settings, journal))
    problems += _told(_workers, settings, found)
    return Diagnosis(not problems, lag, problems)


Look = Callable[[Settings, dict[str, OnCluster]], Iterator[Problem]]


def _told(look: Look, settings: Settings, found: dict[str, OnCluster]) -> list[Problem]:
    """What one look finds; that it could not be taken is a finding as well."""
    try:
        return list(look(settings, found))
    except Refusal as refusal:
        return [Problem(refusal.sentence, "Mend that first, then ask again.")]
    except (KafkaException, KafkaError, OSError, TimeoutError) as error:
        why = clusters.reason(error) if isinstance(error, KafkaException) else str(error) or type(error).__name__
        about = look.__name__.removeprefix("_").replace("_", " ")
        return [Problem(f"Could not look at the {about}: {why}.", "Check the broker's health and our rights on it.")]


def _clock(settings: Settings, found: dict[str, OnCluster]) -> Iterator[Problem]:
    if settings.clock != "wall" or INGEST_CONTROL not in found:
        return
    skew = asyncio.run(broker_skew(settings.kafka, settings.topics.real(INGEST_CONTROL)))
    if skew is not None and skew.is_too_large(MOST_SKEW_S):
        yield Problem(
            f"Our clock and the broker's differ by {abs(skew.seconds):.0f} s; no worker here writes progress.",
            "Synchronise both with NTP.",
        )


def _stopped(settings: Settings, found: dict[str, OnCluster]) -> Iterator[Problem]:
    if INGEST_CONTROL not in found:
        return
    for source, stop in asyncio.run(stopped_sources(settings.kafka, settings.topics)).items():
        name = f"{settings.topics.real(source.topic)}/{source.partition}"
        yield Problem(
            f"{name} is stopped at offset {stop.offset}: {stop.reason}.",
            f"See ebb dead-letters list --topic {source.topic}; once that is mended: ebb ingest resume {source}.",
        )


def _rule_sets(settings: Settings, found: dict[str, OnCluster]) -> Iterator[Problem]:
    """Whether the newest activation of each scope is one that this version obeys."""
    if RULESETS not in found:
        return
    newest: dict[str, bytes] = {}
    with Reader(settings.kafka) as reader:
        for message in reader.read(reader.stretches([(settings.topics.real(RULESETS), 0)])):
            newest[(message.key() or b"").decode(errors="replace")] = message.value() or b""
    for scope, value in sorted(newest.items()):
        try:
            ruleset.parse(json.loads(value)["ruleset"])
        except (ValueError, KeyError, TypeError) as error:
            words = "; ".join(error.problems) if isinstance(error, ruleset.RulesetError) else "it is no activation"
            yield Problem(
                f"The newest rule set for {scope} does not load: {words}.",
                "Activate one that ebb rules check accepts (ebb rules activate); the former stays in force until then.",
            )


def _state(settings: Settings, found: dict[str, OnCluster]) -> Iterator[Problem]:
    """Whether state ends with a position, and one that this version can read."""
    if STATE not in found:
        return
    name = settings.topics.real(STATE)
    with Reader(settings.kafka) as reader:
        whole = reader.stretches((name, partition) for partition in range(found[STATE].partitions))
        tails = {place: Stretch(max(one.begin, one.end - _TAIL), one.end) for place, one in whole.items()}
        last = {(name, message.partition()): message for message in reader.read(tails)}
    for (_, partition), message in sorted(last.items()):
        if message.key() != POSITION_KEY:
            yield Problem(
                f"{name}/{partition} does not end with a position: something else wrote to it.",
                "Restore it from a backup, or start a worker once with EBB_REBUILD_LOST_STATE=true on an empty one.",
            )
        elif msgspec.msgpack.decode(message.value())[0] > STATE_VERSION:
            yield Problem(
                f"{name}/{partition} was written by a newer version of Ebb.", "Run that version or a newer one."
            )


def _places(settings: Settings, counts: dict[str, int]) -> list[Place]:
    return [(settings.topics.real(name), partition) for name, count in counts.items() for partition in range(count)]


def _lag(reader: Reader, places: list[Place]) -> int | None:
    """Records between a group's positions and the ends; None where there is nothing to read from."""
    if not places:
        return None
    committed, stretches = reader.committed(places), reader.stretches(places)
    lag = 0
    for place, (begin, end) in stretches.items():
        position = committed[place]
        lag += max(0, end - max(begin, position if position is not None else begin))
    return lag


def _workers(settings: Settings, found: dict[str, OnCluster]) -> Iterator[Problem]:
    """Whether somebody is in each group. One that was killed counts until its session is over."""
    if JOURNAL not in found or settings.kafka.embedded:  # the embedded broker does not describe groups
        return
    for half, group in (("ingest", group_of(settings.topic_prefix)), ("engine", engine_group(settings.topic_prefix))):
        if not has_members(settings.kafka, group):
            yield Problem(
                f"No worker runs the {half} (nobody is in the consumer group {group}).",
                f"Start one: ebb worker, or ebb worker --only {half}.",
            )
