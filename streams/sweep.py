"""Work on many records that one entry caused, a slice at a time: a rule set that was switched on, a program that
changed.

Records are visited in the order of their keys. How far a sweep has come stands in state, so that it can be cut anywhere
and goes on after a restart.
"""

from typing import Final

from streams import custom
from streams.judging import EVERYWHERE, Judging
from streams.rule import Moment
from streams.rules import RULES
from streams.state.partition import Sweep
from streams.state.table import program_of

_PREFIXES: Final = {"program": b"g", "participant": b"m", "pair": b"p", "pair_member": b"p"}


def continue_sweep(judging: Judging, sweep: Sweep, budget: int) -> int:
    """Visit further records, at most `budget` of them.

    Returns: what is left of the budget, -1 when the sweep was cut.
    """
    state = judging.state
    if sweep.wakes:
        return _wake(judging, sweep, budget)
    codes = {*sweep.rules, *(code for each in sweep.programs.values() for code in each)}
    is_limited = bool(sweep.backfill or sweep.rules)
    rules = [rule for rule in RULES if not is_limited or rule.code in codes]
    removed = [custom.restore(rule_id, params) for rule_id, params in sorted(sweep.removed.items())]
    own = [rule for each in judging.in_force() for rule in each.custom.values()]
    wanted = {_PREFIXES[rule.subject] for rule in (*rules, *own, *(rule for rule, _ in removed))}
    scope = b"" if sweep.scope == EVERYWHERE else sweep.scope.encode()
    keys = [key for first in sorted(wanted) for key in state.table.keys(first + scope)]
    for key in keys:
        program_id = program_of(key)
        if key <= sweep.after or (scope and program_id != sweep.scope):
            continue
        if budget <= 0:
            return -1
        budget -= 1
        record = state.table.get(key)
        assert record is not None
        view = judging.view(program_id)
        changed = sweep.programs.get(program_id, sweep.rules)
        moment = Moment(sweep.at_ms, sweep.now_ms, ref=sweep.ref, switched=bool(sweep.backfill))
        judging.begin()
        for rule in (*rules, *view.custom.values()):
            if _PREFIXES[rule.subject] != key[:1] or _is_overruled(judging, sweep, program_id):
                continue
            if not is_limited or rule.code in changed:
                judging.judge_record(rule, view, key, record, moment, sweep.backfill)
        for rule, params in removed:
            if _PREFIXES[rule.subject] == key[:1] and not _is_overruled(judging, sweep, program_id):
                judging.remove(rule, params, view, key, record, moment)
        judging.follow_up(moment)
        sweep.after = key
        state.touch_sweep()
    return budget


def _wake(judging: Judging, sweep: Sweep, budget: int) -> int:
    """Wake what an inhibitor withheld, in a program or everywhere."""
    state = judging.state
    scope = b"" if sweep.scope == EVERYWHERE else sweep.scope.encode()
    for key in [key for first in sorted(set(_PREFIXES.values())) for key in state.table.keys(first + scope)]:
        if key <= sweep.after or (scope and program_of(key) != sweep.scope):
            continue
        seen = state.table.peek(key)
        if seen is None or not any(each.withheld for each in seen.episodes):
            continue
        if budget <= 0:
            return -1
        budget -= 1
        record = state.table.get(key)  # what was peeked at may be a copy
        assert record is not None
        judging.begin()
        moment = Moment(sweep.at_ms, sweep.now_ms, ref=sweep.ref)
        judging.wake_withheld(judging.view(program_of(key)), key, record, moment)
        sweep.after = key
        state.touch_sweep()
    return budget


def _is_overruled(judging: Judging, sweep: Sweep, program_id: str) -> bool:
    """A program with a rule set of its own is not touched by one for everybody."""
    own = program_id != EVERYWHERE and program_id in judging.rulesets
    return bool(sweep.backfill) and sweep.scope == EVERYWHERE and own
