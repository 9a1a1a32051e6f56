"""`rulesets`: a rule set and its activation.

A rule set is a tree of sections: `rules` (parameters by rule id), `programs` (overrides by program id) and `neglect`.
Here it is any JSON object; what it may say is checked where the rules are known, by `streams.ruleset`.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, StringConstraints

from schemas.base import InboundRecord
from schemas.facts import Backfill


def _finite(tree: dict[str, JsonValue]) -> dict[str, JsonValue]:
    _refuse_non_finite(tree)
    return tree


def _refuse_non_finite(value: JsonValue) -> None:
    if isinstance(value, float) and not isfinite(value):
        raise ValueError("NaN and Infinity are no numbers of JSON")
    if isinstance(value, Mapping):
        for item in value.values():
            _refuse_non_finite(item)
    elif isinstance(value, list):
        for item in value:
            _refuse_non_finite(item)


RulesetTree = Annotated[dict[str, JsonValue], AfterValidator(_finite)]
"""A whole rule set as JSON, the same tree as its TOML file."""

Scope = Annotated[str, StringConstraints(pattern=r"^(\*|[A-Za-z0-9._:@-]{1,128})$")]
"""``*`` for every program, or one program's id."""


class RulesetActivated(InboundRecord):
    """A rule set comes into force, from one journal offset on."""

    type: Literal["ruleset.activated"]
    ruleset: RulesetTree
    scope: Scope
    backfill: Backfill = Field(
        description="What becomes of conditions that are already true: stay silent, open without delivery, or open."
    )
