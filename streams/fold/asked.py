"""Surveys that a person has not answered, as far as anybody may still ask for the answer.

An answer settles its survey and every earlier one of the same kind about the same pair: who was asked again and
answered owes nothing. An answer that names no survey is taken for the newest of its kind that waits.
"""

from typing import Any, Final

import schemas.facts as f
from schemas.base import to_ms
from streams.fold.meetings import digest
from streams.state.episode import FactRef
from streams.state.pair import KINDS
from streams.state.participant import MAX_ASKED, MAX_SETTLED, Asked, ParticipantState

_MQS: Final = KINDS.index("mqs")
_NO_PAIR: Final = digest("")


def ask(person: ParticipantState, fact: Any, ref: FactRef, answered: bool) -> None:
    """A survey went out, or closed.

    Args:
        fact: `survey.sent` or `survey.expired`.
        answered: whether its answer is known already.
    """
    kind, pair, survey = KINDS.index(fact.kind), digest(fact.pair_id or ""), digest(fact.survey_id)
    expired = isinstance(fact, f.SurveyExpired)
    if answered:
        if not expired:
            _settle(person, kind, pair, ref.at_ms)
        return
    known = next((each for each in person.asked if each.survey == survey), None)
    first = ref if known is None or ref.at_ms < known.ref.at_ms else known.ref
    due_ms = to_ms(fact.due_at) if fact.due_at is not None else 0 if known is None else known.due_ms
    expired_ms = ref.at_ms if expired else 0 if known is None else known.expired_ms
    others = tuple([each for each in person.asked if each.survey != survey])
    if first.at_ms <= settled_ms(person, kind, pair):
        person.asked = others
        return
    asked = [*others, Asked(survey, kind, pair, first, due_ms, expired_ms)]
    asked.sort(key=lambda each: (each.ref.at_ms, each.ref.event_id))
    while len(asked) > MAX_ASKED:
        # Match quality surveys are counted in a row, so others go first.
        asked.pop(next((place for place, each in enumerate(asked) if each.kind != _MQS), 0))
    person.asked = tuple(asked)


def answer(person: ParticipantState, fact: Any, pair_id: str | None, at_ms: int) -> None:
    """A rating or sentiment came in: what it answers is no longer asked for."""
    kind = KINDS.index(fact.kind) if isinstance(fact, f.RatingSubmitted) else -1
    found = None
    if person.asked and fact.survey_id is not None:
        survey = digest(fact.survey_id)
        found = next((each for each in person.asked if each.survey == survey), None)
    elif person.asked:
        pair = digest(pair_id or "")
        waiting = [each for each in person.asked if each.kind == kind and each.ref.at_ms <= at_ms]
        found = next((each for each in reversed(waiting) if _same_pair(each.pair, pair)), None)
    if found is not None and found.ref.at_ms == found.expired_ms:
        # Nobody saw it go out, so nothing is known to have come before it.
        person.asked = tuple([each for each in person.asked if each is not found])
    elif found is not None:
        _settle(person, found.kind, found.pair, found.ref.at_ms)
    elif kind == _MQS and fact.survey_id is None:
        _settle(person, kind, digest(pair_id or ""), at_ms)


def settled_ms(person: ParticipantState, kind: int, pair: bytes) -> int:
    """When the newest survey of a kind about a pair was sent that was answered, 0 when none was."""
    return max((sent for of, about, sent in person.settled if of == kind and _same_pair(about, pair)), default=0)


def _settle(person: ParticipantState, kind: int, pair: bytes, sent_ms: int) -> None:
    if person.asked:
        person.asked = tuple(
            [
                each
                for each in person.asked
                if each.kind != kind or each.ref.at_ms > sent_ms or not _same_pair(each.pair, pair)
            ]
        )
    known = next((each for each in person.settled if each[:2] == (kind, pair)), None)
    if known is None or known[2] < sent_ms:
        others = [each for each in person.settled if each is not known]
        person.settled = tuple(sorted([*others, (kind, pair, sent_ms)], key=lambda each: each[2])[-MAX_SETTLED:])


def _same_pair(one: bytes, other: bytes) -> bool:
    return one == other or _NO_PAIR in (one, other)
