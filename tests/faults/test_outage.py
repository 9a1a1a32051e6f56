"""A day without workers, then the flood of what happened meanwhile: nobody is accused of what they did in time.

Everything runs a day in the past first, broker and worker by the same wrong clock, so that the day of outage is a real
one by every clock that matters.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from deploy.kafka.broker import KafkaBroker
from schemas.topics import INTERVENTIONS
from tests.conftest import start_kafka
from tests.faults.arena import SHORT_LIVED, Arena
from tests.faults.conftest import NewArena
from tests.faults.load import PROGRAMS, signed_in
from tests.faults.test_clocks import faked

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(1800)]

DAY_MS = 86_400_000
MINUTE_MS = 60_000
RULE, LIMIT_MS = "first_meeting.missing", 10 * DAY_MS
WATCHED = 300
SILENT_EVERY = 20
SIGN_INS = 60_000
KILLS = 2
Fact = dict[str, object]


@pytest.fixture
def yesterday(tmp_path: Path) -> Iterator[KafkaBroker]:
    """A broker whose clock is a day late."""
    broker = start_kafka(KafkaBroker(environment=SHORT_LIVED | faked(-DAY_MS // 1_000, tmp_path)))
    yield broker
    broker.stop()


def test_a_day_of_outage_and_the_flood_after_it(new_arena: NewArena, yesterday: KafkaBroker) -> None:
    """300 pairs would be accused in the course of that day, had they not planned a meeting ten minutes before; every
    20th did not.
    """
    broker = yesterday
    arena = new_arena(on=broker, load=False)
    now_ms = int(time.time() * 1_000)
    due_ms = {
        f"watched-{number}": now_ms - DAY_MS + (60 + number * 22 * 60 // WATCHED) * MINUTE_MS
        for number in range(WATCHED)
    }
    silent = {pair for number, pair in enumerate(due_ms) if number % SILENT_EVERY == 0}
    _match(arena, due_ms)
    worker = arena.worker(environment=broker.environment)
    arena.wait_ready(worker)
    arena.wait_settled()
    arena.until(lambda: arena.oracle.progress_entries() > 0, 180, "no progress")
    assert worker.end() == 0, worker.output()[-4000:]
    assert not _accused(arena) & due_ms.keys()

    broker.kill()
    broker.environment.clear()
    broker.restart()
    _flood(arena, {pair: at for pair, at in due_ms.items() if pair not in silent}, now_ms)
    arena.worker()
    arena.worker()
    for number in range(KILLS):
        with arena.fault("kill -9 in the flood after a day of outage"):
            time.sleep(arena.dice.random() * 0.3)
            worker = arena.supervisor.workers[1 + number % 2]
            worker.kill()
            worker.start()
    arena.wait_settled()
    arena.until(lambda: _accused(arena) & due_ms.keys() >= silent, 300, "the silent ones were not noticed")
    arena.settle()
    arena.judge()
    assert _accused(arena) & due_ms.keys() == silent


def _match(arena: Arena, due_ms: dict[str, int]) -> None:
    """Pairs that are due to be accused at these instants."""
    for number, (pair, at_ms) in enumerate(due_ms.items()):
        matched_ms = at_ms - LIMIT_MS
        program = f"program-{number % PROGRAMS:04d}"
        common: Fact = {"occurred_at": _instant(matched_ms), "program_id": program}
        for role in ("mentor", "mentee"):
            person = f"{role}-of-{pair}"
            fact = common | {"event_id": person, "type": "participant.changed", "participant_id": person}
            fact |= {"roles": [role], "state": "active", "joined_at": _instant(matched_ms)}
            arena.load.send("participants", f"{program}/{person}", fact, matched_ms)
        fact = common | {"event_id": pair, "type": "pair.changed", "pair_id": pair, "kind": "one_to_one"}
        fact |= {"mentor_ids": [f"mentor-of-{pair}"], "mentee_ids": [f"mentee-of-{pair}"], "state": "active"}
        arena.load.send("pairs", f"{program}/{pair}", fact | {"matched_at": _instant(matched_ms)}, matched_ms)
    arena.load.send("ratings", "program-0000", b"not json", matched_ms)
    arena.load.flush()


def _flood(arena: Arena, in_time: dict[str, int], now_ms: int) -> None:
    """What happened in the day: many sign-ins, and meetings planned ten minutes before it would have been too late."""
    for number in range(SIGN_INS):
        at_ms = now_ms - DAY_MS + number * (DAY_MS // SIGN_INS)
        program = number % PROGRAMS
        arena.load.send("participant-activity", f"program-{program:04d}", signed_in(number, program), at_ms)
    for pair, due_ms in in_time.items():
        at_ms = due_ms - 10 * MINUTE_MS
        program_id = f"program-{int(pair.partition('-')[2]) % PROGRAMS:04d}"
        fact: Fact = {"event_id": f"plan-{pair}", "type": "meeting.scheduled", "occurred_at": _instant(at_ms)}
        fact |= {"program_id": program_id, "meeting_id": f"first-{pair}", "pair_id": pair, "origin": "platform"}
        arena.load.send("meetings", program_id, fact | {"starts_at": _instant(now_ms + 2 * DAY_MS)}, at_ms)
    arena.load.flush()


def _accused(arena: Arena) -> set[str]:
    """Pairs about which the rule has ever opened something."""
    found = set()
    for value in arena.oracle.values(INTERVENTIONS):
        record = msgspec.json.decode(value)
        if record["rule"]["id"] == RULE:
            found |= set(record["pair_ids"])
    return found


def _instant(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
