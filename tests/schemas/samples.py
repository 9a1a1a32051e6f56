"""Payloads for tests: one valid sample of every type, and the golden files."""

import json
from pathlib import Path
from typing import Any

from schemas.facts import INBOUND_TOPIC_OF

GOLDEN = Path(__file__).parents[1] / "golden" / "payloads"

ARRIVED_MS = 1_767_693_600_000
"""2026-01-06T10:00:00Z, when the golden records arrived."""

Payload = dict[str, Any]


def golden(folder: str) -> dict[str, bytes]:
    """Read the golden files of a folder by their names without the extension."""
    files = {path.name.removesuffix(".json"): path.read_bytes() for path in sorted((GOLDEN / folder).glob("*.json"))}
    assert files, folder
    return files


def _samples(suffix: str) -> dict[str, Payload]:
    files = golden("inbound/v1")
    return {kind: json.loads(files[kind + suffix])["value"] for kind in INBOUND_TOPIC_OF}


FULL: dict[str, Payload] = _samples("")
"""Every type that can be sent, with all optional fields and an unknown one."""

MINIMAL: dict[str, Payload] = _samples(".minimal")
"""Every type that can be sent, with required fields only."""


def key_of(topic: str, payload: Payload) -> bytes:
    """Return the key a record should have; ids of the wrong shape included."""
    names = {
        "pairs": ("program_id", "pair_id"),
        "participants": ("program_id", "participant_id"),
        "rulesets": ("scope",),
    }
    return "/".join(str(payload.get(name)) for name in names.get(topic, ("program_id",))).encode(errors="replace")


def encoded(payload: object) -> bytes:
    """Write a payload as a producer would."""
    return json.dumps(payload).encode()
