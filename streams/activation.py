"""A rule set comes into force: for everybody, or for one program until the same program gets another.

Only rules that are told anything else than before are judged again (`streams.sweep`). Under backfill `none` what is
already true stays silent until it has been false, and rules that fire on a fact forget what happened before.
"""

from streams.judging import EVERYWHERE, Judging
from streams.rules import RULES_BY_CODE
from streams.ruleset import RuleSet
from streams.state.partition import StoredRuleset, Sweep


def activate(judging: Judging, rules: RuleSet, scope: str, backfill: str, arrived_ms: int) -> None:
    """Put a rule set in force and start the sweep over what it changes."""
    state = judging.state
    former = judging.rules_for(scope)
    judging.rulesets[scope] = rules
    judging.views = {}
    if scope == EVERYWHERE:
        changed = rules.changes(former)
        programs = {name: rules.changes(former, name) for name in sorted(rules.overridden() | former.overridden())}
    else:
        changed, programs = rules.changes(former, scope), {}
    stored = state.rulesets.get(scope)
    forgotten = {} if stored is None else stored.forgotten
    if backfill == "none":
        forgotten = dict(forgotten)
        for program_id, codes in {"": changed, **programs}.items():
            on_fact = {code: arrived_ms for code in codes if code in RULES_BY_CODE and RULES_BY_CODE[code].on_fact}
            if on_fact:
                forgotten[program_id] = forgotten.get(program_id, {}) | on_fact
    state.put_ruleset(scope, StoredRuleset(rules.hash, rules.encoded(), forgotten))
    removed = rules.removed(former)
    if changed or removed or any(programs.values()):
        now_ms = state.clock.now_ms
        state.add_sweep(Sweep(scope, arrived_ms, now_ms, backfill, changed, programs=programs, removed=removed))
