"""A handful of facts that lead to one intervention, as inbound values and as journal entries."""

from datetime import UTC, datetime, timedelta

import msgspec

from schemas.codec import Accepted, decode_fact
from schemas.journal import ENTRY_VERSION, EngineEntry, SourcesEntry, encode_entry, encode_fact_entry

PROGRAM, PAIR = "program-1", "pair-1"
BEGIN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def _fact(number: int, topic: str, type_: str, /, **fields: object) -> tuple[str, bytes]:
    at = BEGIN + timedelta(hours=number)
    tree = {
        "event_id": f"event-{number}",
        "type": type_,
        "program_id": PROGRAM,
        "occurred_at": at.isoformat(),
        **fields,
    }
    return topic, msgspec.json.encode(tree)


def _person(number: int, participant: str, role: str) -> tuple[str, bytes]:
    return _fact(
        number,
        "participants",
        "participant.changed",
        participant_id=participant,
        roles=[role],
        state="active",
        joined_at=BEGIN.isoformat(),
    )


FACTS: list[tuple[str, bytes]] = [
    _fact(
        0,
        "programs",
        "program.changed",
        kind="always_on",
        self_matching=False,
        carry_over=False,
        timezone="UTC",
        breaks=[],
        coordinator_ids=["coordinator-1"],
    ),
    _person(1, "mentor-1", "mentor"),
    _person(2, "mentee-1", "mentee"),
    _fact(
        3,
        "pairs",
        "pair.changed",
        pair_id=PAIR,
        kind="one_to_one",
        mentor_ids=["mentor-1"],
        mentee_ids=["mentee-1"],
        state="active",
        matched_at=BEGIN.isoformat(),
    ),
    _fact(4, "ratings", "rating.submitted", kind="mqs", rating=1, participant_id="mentee-1", pair_id=PAIR),
    _fact(5, "ratings", "rating.submitted", kind="mqs", rating=4, participant_id="mentor-1", pair_id=PAIR),
]


def key_of(topic: str, value: bytes) -> bytes:
    """The key a producer gives a sample."""
    tree = msgspec.json.decode(value)
    subject = {"pairs": "pair_id", "participants": "participant_id"}.get(topic)
    return f"{tree['program_id']}/{tree[subject]}".encode() if subject else str(tree["program_id"]).encode()


def arrival_ms(number: int) -> int:
    """When the sample with this number arrives: a second after it happened."""
    return int((BEGIN + timedelta(hours=number)).timestamp() * 1_000) + 1_000


def entries() -> list[bytes]:
    """The same facts as the entries of one journal partition, in `records` mode."""
    names = sorted({f"{topic}/0" for topic, _ in FACTS})
    found = [
        encode_entry(EngineEntry(v=ENTRY_VERSION, version="test")),
        encode_entry(
            SourcesEntry(v=ENTRY_VERSION, expected=names, since=dict.fromkeys(names), clock="records", topic_ids={})
        ),
    ]
    offsets: dict[str, int] = {}
    for number, (topic, value) in enumerate(FACTS):
        accepted = decode_fact(topic, key_of(topic, value), value, arrived_ms=arrival_ms(number))
        assert isinstance(accepted, Accepted), accepted
        offset = offsets[topic] = offsets.get(topic, -1) + 1
        found.append(encode_fact_entry(topic, 0, offset, arrival_ms(number), accepted.encoded, None))
    return found
