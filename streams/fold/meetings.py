"""Meetings: planned, moved, called off, held.

Scheduled is not held, and one to which somebody did not come stands no more than a cancelled one. A held meeting counts
from `starts_at` (at most its arrival), whenever it was noted, and for good: the same meeting id on the same local date
is the same meeting.
"""

from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

import schemas.facts as f
from schemas.base import to_ms
from streams.clock import MINUTE_MS
from streams.fold.contacts import attempt_in_pair, contact_in_pair
from streams.fold.pulse import note_held
from streams.fold.signs import end_row, postpone
from streams.fold.touched import Touched
from streams.state.episode import FactRef
from streams.state.history import DIGEST_BYTES
from streams.state.pair import MAX_BOOKINGS, Booking, PairState
from streams.state.table import pair_key
from streams.view import View

DEFAULT_MINUTES: Final = 60


@lru_cache(maxsize=256)
def digest(*parts: str | int) -> bytes:
    """Five bytes that stand for a repeat-proof identity inside one pair or person: a false repeat once in 10^9 pairs
    and year. The last ones are kept, because one fact asks for the same several times."""
    return blake2b("/".join(map(str, parts)).encode(), digest_size=DIGEST_BYTES).digest()


def _meeting_digest(view: View, fact: Any) -> bytes:
    return digest(fact.meeting_id, view.calendar.day_of(to_ms(fact.starts_at)))


def _was_held(view: View, pair: PairState, fact: Any) -> bool:
    owner = pair_key(view.program_id, fact.pair_id)
    return view.remembers(owner, pair.held_pages, pair.held_seen, _meeting_digest(view, fact))


def is_repeated_meeting(view: View, fact: f.MeetingHeld) -> bool:
    pair = view.pair(fact.pair_id)
    return pair is not None and _was_held(view, pair, fact)


def fold_meeting(view: View, fact: Any, ref: FactRef, arrived_ms: int) -> Touched:
    pair = view.make_pair(fact.pair_id, arrived_ms)
    touched: tuple[str, ...] = (fact.participant_id,) if fact.participant_id is not None else ()
    if isinstance(fact, f.MeetingHeld):
        _hold(view, pair, fact, ref, arrived_ms)
        touched = tuple(member.id for member in pair.members)
    else:
        booked = isinstance(fact, f.MeetingScheduled | f.MeetingRescheduled)
        if booked or isinstance(fact, f.MeetingCancelled | f.MeetingNoShow):
            _book(view, pair, fact, ref, booked)
        if fact.participant_id is not None:
            actor = contact_in_pair(view, pair, fact.participant_id, ref.at_ms)
            if isinstance(fact, f.MeetingScheduled):
                touched += attempt_in_pair(view, pair, fact.pair_id, actor, ref)
            elif (partner := pair.partner(actor.id)) is not None:
                touched += (partner.id,)  # what held off a word about them may be off now
        if isinstance(fact, f.MeetingRescheduled | f.MeetingCancelled):
            postpone(pair, fact.participant_id or "", ref)
    return Touched((fact.pair_id,), touched)


def _hold(view: View, pair: PairState, fact: f.MeetingHeld, ref: FactRef, arrived_ms: int) -> None:
    held_ms = min(to_ms(fact.starts_at), arrived_ms)
    pair.held_count += 1
    note_held(view, held_ms)
    pair.held_seen += _meeting_digest(view, fact)
    if held_ms >= pair.last_held_ms or pair.held is None:
        pair.last_held_ms = max(held_ms, pair.last_held_ms)
        pair.held = ref
        if pair.postponed:
            end_row(pair)
    # Now that the pair meets, a plan that went by without word of it says nothing any more.
    pair.bookings = tuple(
        [booking for booking in pair.bookings if booking.meeting_id != fact.meeting_id and booking.end_ms > held_ms]
    )
    known = [member.id for member in pair.members]
    if fact.participant_id is not None and fact.participant_id not in known:
        known.append(fact.participant_id)
    for participant_id in known:
        contact_in_pair(view, pair, participant_id, held_ms)


def _book(view: View, pair: PairState, fact: Any, ref: FactRef, booked: bool) -> None:
    """The newest word on a meeting stands. A cancelled one stays as an empty interval while it could still be
    overtaken by an older fact, so that the order of arrival does not matter."""
    known = next((booking for booking in pair.bookings if booking.meeting_id == fact.meeting_id), None)
    if known is not None and known.ref.at_ms > ref.at_ms:
        return
    if _was_held(view, pair, fact):
        return  # word of a plan that comes after word of the meeting itself
    start_ms = to_ms(fact.starts_at)
    minutes = fact.duration_minutes if fact.duration_minutes is not None else DEFAULT_MINUTES
    end_ms = start_ms + minutes * MINUTE_MS if booked else start_ms
    kept = [booking for booking in pair.bookings if booking.meeting_id != fact.meeting_id]
    kept.append(Booking(fact.meeting_id, start_ms, end_ms, ref, not booked))
    kept.sort(key=lambda booking: (booking.end_ms, booking.meeting_id))
    while len(kept) > MAX_BOOKINGS:
        # One that was called off or is over goes first, then the last but one: the next ones say how soon, the last how
        # long the pair has plans.
        spare = (place for place, each in enumerate(kept) if each.cancelled or each.end_ms < ref.at_ms)
        del kept[next(spare, MAX_BOOKINGS - 1)]
    pair.bookings = tuple(kept)
