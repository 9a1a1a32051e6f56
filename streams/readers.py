"""Who is asked after a fact: which rules read which kind of fact, about whom, and how they say that it is none of their
business.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import schemas.facts as f
from schemas.interventions import SubjectType
from streams.rule import Rule, RuleParams
from streams.rules import RULES
from streams.ruleset import RuleSet


def _reads(rule: Rule, kind: type) -> bool:
    """Every pair rule hears when a pair changes; every rule that is about active people only, when a person does."""
    on_pairs = rule.subject in ("pair", "pair_member")
    if on_pairs and kind in (f.PairChanged, f.PairDeleted):
        return True
    return kind in rule.reads or (kind is f.ParticipantChanged and rule.needs_active and rule.subject != "program")


class Reader(NamedTuple):
    """A rule that reads a kind of fact: about whom, and how it says that a fact is none of its business (`concerns` of
    a program rule, `is_idle` of another; None when it never does)."""

    rule: Rule
    about: SubjectType
    guard: Callable[[Any, Any], bool] | None


def _reader(rule: Rule) -> Reader:
    if rule.subject == "program":
        return Reader(rule, "program", rule.concerns if type(rule).concerns is not Rule.concerns else None)
    guard = rule.is_idle if type(rule).is_idle is not Rule.is_idle else None
    return Reader(rule, "participant" if rule.subject == "participant" else "pair", guard)


Readers = dict[type, tuple[Reader, ...]]
_READERS: Final[Readers] = {
    kind: tuple(_reader(rule) for rule in RULES if _reads(rule, kind) and not rule.across) for kind in f.TYPES.values()
}


def readers_of(params: tuple[RuleParams, ...], rules: RuleSet) -> Readers:
    """Who is asked after each kind of fact: the catalogue's rules, then those that the rule set defines itself. A rule
    that is switched off is not: what it left behind was put in order by the sweep over what its rule set changed."""
    own = [_reader(rule) for rule in rules.custom.values()]
    return {
        kind: tuple(
            reader
            for reader in (*known, *(each for each in own if kind in each.rule.reads))
            if params[reader.rule.place].enabled
        )
        for kind, known in _READERS.items()
    }
