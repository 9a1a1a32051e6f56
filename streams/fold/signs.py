"""Signs of trouble in a pair, and meetings moved or called off: kept few, and only for pairs that have any.

A rating of 4 or more by whoever gave a sign takes back every sign before it: who complained is well again, and what
the other said before that is part of the same story. A held meeting ends a row of postponements.
"""

from typing import Final

from streams.state.episode import FactRef
from streams.state.pair import MAX_POSTPONED, MAX_SIGNS, Member, PairState, Postponement, Sign, SignKind

GOOD: Final = 4
LOW: Final = 2
#: postponements in a row that are a sign of trouble
IN_A_ROW: Final = 2


def give_sign(pair: PairState, sign: Sign) -> None:
    """Note a sign of trouble, unless whoever gave it has rated well since."""
    member = pair.member(sign.by)
    if member is not None and any(
        rating.value >= GOOD and rating.ref.at_ms > sign.ref.at_ms for rating in member.ratings
    ):
        return
    signs = sorted([*pair.signs, sign], key=lambda each: (each.ref.at_ms, each.ref.event_id))
    pair.signs = tuple(signs[-MAX_SIGNS:])


def take_back(pair: PairState, member: Member, at_ms: int) -> None:
    """A good rating: trouble that this member had a part in showing is over."""
    if any(sign.by == member.id and sign.ref.at_ms < at_ms for sign in pair.signs):
        pair.signs = tuple([sign for sign in pair.signs if sign.ref.at_ms >= at_ms])


def postpone(pair: PairState, by: str, ref: FactRef) -> None:
    """A meeting was moved or called off; the second in a row is a sign of trouble."""
    if ref.at_ms <= pair.last_held_ms:
        return
    known = sorted([*pair.postponed, Postponement(by, ref)], key=lambda each: (each.ref.at_ms, each.ref.event_id))
    pair.postponed = row = tuple(known[-MAX_POSTPONED:])
    if len(row) >= IN_A_ROW:
        _drop_row(pair)
        give_sign(pair, Sign(SignKind.POSTPONED, row[-1].by, row[-1].ref))


def end_row(pair: PairState) -> None:
    """A meeting was held: what was moved or called off before it counts no longer."""
    pair.postponed = tuple([each for each in pair.postponed if each.ref.at_ms > pair.last_held_ms])
    if len(pair.postponed) < IN_A_ROW:
        _drop_row(pair)


def _drop_row(pair: PairState) -> None:
    pair.signs = tuple(
        [sign for sign in pair.signs if sign.kind is not SignKind.POSTPONED or sign.ref.at_ms <= pair.last_held_ms]
    )
