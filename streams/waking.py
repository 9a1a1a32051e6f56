"""What the clock alone does to a record: timers of its rules, the life of its open episodes, its own housekeeping."""

from typing import Final

import schemas.facts as f
from streams.fold import Touched
from streams.fold.gone import shrink_pair, shrink_person
from streams.fold.reference import wake_paused
from streams.judging import Judging
from streams.rule import Moment
from streams.rules import RULES, rule_of
from streams.state.pair import PairPhase, PairState
from streams.state.participant import ParticipantPhase, ParticipantState
from streams.state.record import HOUSEKEEPING, LIFE, Record
from streams.state.table import program_of, subject_of
from streams.view import View

#: Housekeeping comes first, then rules in their order; what rules say may still keep an episode from being neglected.
_ORDER: Final = {HOUSEKEEPING: -1, **{rule.code: rule.place for rule in RULES}, LIFE: 1_000_000}


def wake(judging: Judging, due_ms: int, key: bytes, record: Record) -> None:
    """Fire the timers of one record that are due at an instant, in the order of rules, and arm it anew."""
    view = judging.view(program_of(key))
    order = _ORDER | {code: rule.place for code, rule in view.custom.items()} if view.custom else _ORDER
    timers = record.timers
    due_codes = [(due, order[code], code) for code, due in timers.items() if due <= due_ms and code in order]
    record.timers = {code: due for code, due in timers.items() if due > due_ms}  # a retired rule's is dropped
    judging.begin()
    for due, _, code in sorted(due_codes):
        if code == HOUSEKEEPING:
            if _keep_house(judging, view, key, record, due):
                return
        elif code == LIFE:
            judging.live_on(view, key, record, Moment(due, due))
        elif (rule := rule_of(code, view)) is not None and (record.episodes or not rule.is_idle(record, None)):
            judging.judge_record(rule, view, key, record, Moment(due, due))
    if judging.heard:
        judging.follow_up(Moment(due_ms, due_ms))
    judging.state.rearm(key, record)


def _keep_house(judging: Judging, view: View, key: bytes, record: Record, due_ms: int) -> bool:
    """A record's own business. Returns True when the record is gone, or no more than a trace of it is left."""
    if isinstance(record, PairState) and record.phase is PairPhase.PROVISIONAL:
        judging.state.table.delete(key)
        judging.state.counts["provisional_dropped",] += 1
        return True
    if isinstance(record, PairState) and record.phase >= PairPhase.CLOSED:
        judging.state.rearm(key, shrink_pair(view, key, record))
        return True
    if isinstance(record, ParticipantState) and record.phase >= ParticipantPhase.REMOVED:
        judging.state.rearm(key, shrink_person(view, key, record))
        return True
    if isinstance(record, ParticipantState) and record.phase is ParticipantPhase.PAUSED:
        wake_paused(view, record)
        touched = Touched(tuple(record.pair_ids), (subject_of(key),))
        judging.judge_touched(view, f.ParticipantChanged, touched, Moment(due_ms, due_ms))
    return False
