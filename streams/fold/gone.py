"""Who is gone for good takes little room: a pair that was closed, a person who left or was removed, 400 days ago.

What stays of a pair is that it was closed and when, and whether it ever met, so that an old reference fact that comes
again changes nothing and a reopened pair still counts as having met. Of a person it is their state and when it came to
be, and what only a coordinator can close. Repeats of their meetings and survey answers are not recognised any more.
"""

from streams.state.history import page_key
from streams.state.pair import PairPhase, PairState
from streams.state.participant import ParticipantPhase, ParticipantState
from streams.state.record import HOUSEKEEPING, LIFE
from streams.view import GONE_KEPT_MS, View


def watch_pair(pair: PairState) -> None:
    """A pair changed its state: a closed one is shrunk in time."""
    pair.timers.pop(HOUSEKEEPING, None)
    if pair.phase >= PairPhase.CLOSED:
        pair.timers[HOUSEKEEPING] = max(pair.closed_ms, pair.changed_ms) + GONE_KEPT_MS


def watch_person(person: ParticipantState) -> None:
    """A person changed their state: a pause ends by the clock alone, and who is gone is shrunk in time."""
    person.timers.pop(HOUSEKEEPING, None)
    if person.phase >= ParticipantPhase.REMOVED:
        person.timers[HOUSEKEEPING] = person.changed_ms + GONE_KEPT_MS
    elif person.paused_until_ms:
        person.timers[HOUSEKEEPING] = person.paused_until_ms


def shrink_pair(view: View, key: bytes, pair: PairState) -> PairState:
    """Put in the place of a pair what stays of it."""
    for number in range(pair.held_pages):
        view.partition.table.delete(page_key(key, number))
    rest = PairState(
        phase=pair.phase,
        one_to_one=pair.one_to_one,
        changed_ms=pair.changed_ms,
        closed_ms=pair.closed_ms,
        held_count=pair.held_count,
        retired=max([pair.retired, *(each.number for each in pair.episodes)]),
    )
    view.partition.table.put(key, rest)
    return rest


def shrink_person(view: View, key: bytes, person: ParticipantState) -> ParticipantState:
    """Put in the place of a person what stays of them. Pairs that nobody has closed still name them."""
    for number in range(person.answered_pages):
        view.partition.table.delete(page_key(key, number))
    rest = ParticipantState(
        phase=person.phase,
        changed_ms=person.changed_ms,
        roles=person.roles,
        states=person.states[-1:] if person.pair_ids else (),
        pair_ids=person.pair_ids,
        timers={code: due for code, due in person.timers.items() if code == LIFE},
        episodes=tuple([each for each in person.episodes if each.is_open]),
        retired=max([person.retired, *(each.number for each in person.episodes)]),
    )
    view.partition.table.put(key, rest)
    return rest
