"""How many messages people would have got, from a file of interventions."""

from pathlib import Path

import pytest

from agents.notifier.rehearse import rehearse_file
from schemas.outbound import encode_intervention
from streams.clock import DAY_MS, MINUTE_MS
from tests.streams.delivery.harness import TUESDAY, record, resolved

PROGRAM = (
    b'{"topic":"programs","type":"program.changed","event_id":"e","program_id":"p","occurred_at":"2026-01-01T00:00:00Z",'
    b'"timezone":"Europe/Berlin","coordinator_ids":["anna"],"backup_coordinator_ids":["bob"]}\n'
)
RATING = b'{"topic":"ratings","type":"rating.submitted","program_id":"p","occurred_at":"2026-02-01T00:00:00Z"}\n'


@pytest.fixture
def interventions(tmp_path: Path) -> Path:
    """Two for now, one of which waits for the morning; one that is over before it is told; one for nobody here."""
    night = TUESDAY + 12 * 60 * MINUTE_MS
    records = [
        record("a", delivery="now", severity="high"),
        record("b", at_ms=night, delivery="now", severity="high"),
        record("c", at_ms=night),
        resolved("c", at_ms=night + MINUTE_MS),
        record("d", at_ms=night + 2 * MINUTE_MS, audience="participant"),
        record("e", at_ms=TUESDAY + 7 * DAY_MS, delivery="none", delivery_reason="shadow"),
    ]
    file = tmp_path / "interventions.jsonl"
    file.write_bytes(b"".join(encode_intervention(one) + b"\n" for one in records))
    return file


def test_messages_and_reasons_are_counted_for_those_whom_programs_name(interventions: Path, tmp_path: Path) -> None:
    facts = tmp_path / "facts.jsonl"
    facts.write_bytes(PROGRAM + RATING)
    load = rehearse_file(interventions, facts, tmp_path / "nowhere.toml")
    assert (load.weeks, load.deliveries) == (2, 6)
    assert {role: one.recipients for role, one in load.roles.items()} == {"coordinators": 1, "backup coordinators": 1}
    assert load.roles["backup coordinators"].most == 0
    counted = {reason: round(share * load.deliveries) for reason, share in load.held.items()}
    assert counted == {
        "quiet_hours": 1, "digest": 1, "resolved_before_sent": 2, "no_recipient:participant": 1, "shadow": 1,
    }  # fmt: skip
    assert round(load.ended["sent"] * load.deliveries) == 2
    assert sum(load.ended.values()) == pytest.approx(1)
    assert "quiet_hours" in load.text()


def test_weeks_before_a_day_are_not_counted_and_each_program_has_somebody(interventions: Path, tmp_path: Path) -> None:
    load = rehearse_file(interventions, None, tmp_path / "nowhere.toml", TUESDAY)
    assert load.weeks == 1
    assert load.roles["coordinators"].recipients == 1
