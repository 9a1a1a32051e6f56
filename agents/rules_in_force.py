"""What is in force on a cluster: the newest activation of each scope, and which programs there are."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec

from agents.host.clients import KafkaSettings
from agents.reading import Reader
from schemas.topics import RULESETS, Topics
from streams.ruleset import RuleSet, RulesetError, parse, shipped

EVERYWHERE = "*"


class InForce(NamedTuple):
    """Rule sets by scope as last activated, scopes whose activation this version cannot read, known program ids."""

    rules: dict[str, RuleSet]
    unread: tuple[str, ...]
    programs: tuple[str, ...]

    def of(self, scope: str) -> RuleSet:
        """What a scope obeys now."""
        return self.rules.get(scope) or self.rules.get(EVERYWHERE) or shipped()


def read_in_force(kafka: KafkaSettings, topics: Topics) -> InForce:
    """Read `rulesets` and `programs` to their ends.

    Raises: KafkaException, Refusal, when the broker does not answer.
    """
    rules: dict[str, RuleSet] = {}
    unread: dict[str, None] = {}
    programs: dict[str, None] = {}
    ours = {topics.real(RULESETS): RULESETS, topics.real("programs"): "programs"}
    with Reader(kafka) as reader:
        counts = reader.partitions()
        places = [(name, number) for name in ours for number in range(counts.get(name, 0))]
        for message in reader.read(reader.stretches(places)):
            if ours[message.topic() or ""] == RULESETS:
                scope, found = _activation(message.value())
                if found is not None:
                    rules[scope] = found
                    unread.pop(scope, None)
                elif scope:
                    unread[scope] = None
            elif message.key() is not None:
                name = message.key().decode("utf-8", "replace")
                programs.pop(name, None)
                if message.value() is not None:
                    programs[name] = None
    return InForce(rules, tuple(unread), tuple(sorted(programs)))


def _activation(value: bytes | None) -> tuple[str, RuleSet | None]:
    """Scope and rule set of an activation; a scope without a rule set when this version does not obey it."""
    try:
        record: Any = json.loads(value or b"{}")
        scope = str(record["scope"])
    except (ValueError, KeyError, TypeError):
        return "", None  # no activation at all: ingest makes it a dead letter
    try:
        return scope, parse(msgspec.convert(record.get("ruleset"), dict[str, Any]))
    except (RulesetError, msgspec.ValidationError):
        return scope, None
