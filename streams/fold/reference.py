"""Programs, pairs and participants as they are now. Of two facts the newest `occurred_at` wins, on a tie the later
entry."""

from typing import Final

import schemas.facts as f
from schemas.base import to_ms
from streams.calendar import FOREVER
from streams.clock import DAY_MS
from streams.fold.contacts import contact_in_pair
from streams.fold.gone import watch_pair
from streams.fold.pulse import note_activity
from streams.fold.requests import forget_refusals
from streams.fold.touched import NOBODY, Touched
from streams.state.episode import FactRef
from streams.state.pair import Member, PairPhase, PairState, Side
from streams.state.participant import MAX_STATES, ParticipantPhase, ParticipantState
from streams.view import View

_PAIR_PHASES: Final = {
    "draft": PairPhase.DRAFT,
    "active": PairPhase.ACTIVE,
    "closed": PairPhase.CLOSED,
    "archived": PairPhase.ARCHIVED,
}
_PARTICIPANT_PHASES: Final = {
    "active": ParticipantPhase.ACTIVE,
    "paused": ParticipantPhase.PAUSED,
    "unavailable": ParticipantPhase.UNAVAILABLE,
    "removed": ParticipantPhase.REMOVED,
    "left": ParticipantPhase.LEFT,
}
#: A state of a participant that arrives later than this may be taken to have lasted longer than it did.
SETTLED_MS: Final = 7 * DAY_MS
_ROLES: Final = {"mentor": 1, "mentee": 2}


def fold_program(view: View, fact: f.ProgramChanged, ref: FactRef, arrived_ms: int) -> Touched:
    program = view.program
    occurred_ms = ref.at_ms
    if occurred_ms < program.changed_ms:
        return NOBODY
    before = (program.timezone, program.breaks, program.starts_ms, program.ends_ms)
    program.known, program.ended, program.changed_ms = True, False, occurred_ms
    program.kind, program.self_matching, program.carry_over = fact.kind, fact.self_matching, fact.carry_over
    program.starts_ms = 0 if fact.starts_at is None else to_ms(fact.starts_at)
    program.ends_ms = 0 if fact.ends_at is None else to_ms(fact.ends_at)
    program.next_starts_ms = 0 if fact.next_starts_at is None else to_ms(fact.next_starts_at)
    program.timezone = fact.timezone
    program.breaks = [(each.first.isoformat(), each.last.isoformat()) for each in fact.breaks]
    program.coordinator_ids = list(fact.coordinator_ids)
    program.backup_coordinator_ids = list(fact.backup_coordinator_ids or ())
    program.safeguarding_contact_id = fact.safeguarding_contact_id
    view.touch_program()
    view.forget_calendar()
    return Touched(everybody=before != (program.timezone, program.breaks, program.starts_ms, program.ends_ms))


def fold_program_ended(view: View, fact: f.ProgramEnded, ref: FactRef, arrived_ms: int) -> Touched:
    program = view.program
    occurred_ms = ref.at_ms
    if occurred_ms < program.changed_ms:
        return NOBODY
    program.changed_ms, program.ended = occurred_ms, True
    program.ends_ms = min(program.ends_ms, occurred_ms) if program.ends_ms else occurred_ms
    view.touch_program()
    view.forget_calendar()
    return Touched(everybody=True)


def fold_pair(view: View, fact: f.PairChanged, ref: FactRef, arrived_ms: int) -> Touched:
    pair = view.make_pair(fact.pair_id, arrived_ms)
    occurred_ms = ref.at_ms
    if pair.phase is not PairPhase.PROVISIONAL and occurred_ms < pair.changed_ms:
        return NOBODY
    former = pair.phase
    pair.phase, pair.changed_ms = _PAIR_PHASES[fact.state], occurred_ms
    pair.one_to_one = fact.kind == "one_to_one"
    matched_ms = to_ms(fact.matched_at)
    if pair.matched is None or matched_ms != pair.matched_ms:
        pair.matched_ms, pair.matched = (
            matched_ms,
            FactRef(ref.event_id, ref.topic, ref.partition, ref.offset, matched_ms),
        )
    if pair.is_active and former is not PairPhase.ACTIVE and pair.closed_ms:
        pair.reopened_ms = ref.at_ms
        pair.matched = FactRef(ref.event_id, ref.topic, ref.partition, ref.offset, ref.at_ms)
    if not pair.is_active and pair.phase is not PairPhase.DRAFT:
        pair.closed_ms = ref.at_ms if fact.closed_at is None else to_ms(fact.closed_at)
        pair.close_reason = fact.close_reason or "other"
    elif not pair.is_active and former is PairPhase.ACTIVE:
        pair.closed_ms = ref.at_ms  # back to a draft: active again later, it is reopened
    watch_pair(pair)
    people = _name_members(view, fact, pair, former)
    _follow(view, fact.pair_id, pair, people, former)
    return Touched((fact.pair_id,), tuple(people))


def fold_pair_deleted(view: View, fact: f.PairDeleted, ref: FactRef, arrived_ms: int) -> Touched:
    pair = view.pair(fact.pair_id)
    if pair is None or ref.at_ms < pair.changed_ms:
        return NOBODY
    pair = view.make_pair(fact.pair_id, arrived_ms)
    former = pair.phase
    pair.changed_ms = ref.at_ms
    if former in (PairPhase.CLOSED, PairPhase.ARCHIVED):
        return NOBODY
    pair.phase = PairPhase.CLOSED
    pair.closed_ms, pair.close_reason = ref.at_ms, "other"
    watch_pair(pair)
    people = [member.id for member in pair.members]
    _follow(view, fact.pair_id, pair, people, former)
    return Touched((fact.pair_id,), tuple(people))


def _name_members(view: View, fact: f.PairChanged, pair: PairState, former: PairPhase) -> list[str]:
    """Bring the members in line with the reference fact, keeping what is known of those who stay.

    Returns: the members, then those who were members until now.
    """
    speaker = pair.members[pair.speaker].id if pair.speaker >= 0 else None
    known = {member.id: member for member in pair.members}
    sides = dict.fromkeys(fact.mentor_ids, Side.MENTOR) | dict.fromkeys(fact.mentee_ids, Side.MENTEE)
    members = []
    for person, side in sides.items():
        member = known.get(person, Member(person))
        member.side = side
        members.append(member)
    pair.members = tuple(members)
    pair.speaker = next((place for place, member in enumerate(members) if member.id == speaker), -1)
    if former is PairPhase.PROVISIONAL and pair.held is not None:
        # A meeting was noted before anybody knew whose: it was everybody's contact.
        for participant_id in sides:
            contact_in_pair(view, pair, participant_id, pair.last_held_ms)
    return [*sides, *(person for person in known if person not in sides)]


def _follow(view: View, pair_id: str, pair: PairState, people: list[str], former: PairPhase) -> None:
    """Keep the people's lists of active pairs and the program's count in step with the pair."""
    for participant_id in people:
        person = view.participant(participant_id)
        listed = person is not None and pair_id in person.pair_ids
        belongs = pair.is_active and pair.member(participant_id) is not None
        if belongs and not listed:
            joiner = view.make_participant(participant_id)
            joiner.pair_ids += (pair_id,)
            if joiner.matching is not None:
                joiner.matching.paired_ms = max(joiner.matching.paired_ms, pair.changed_ms)
                forget_refusals(joiner.matching)
        elif listed and not belongs:
            leaver = view.make_participant(participant_id)
            leaver.pair_ids = tuple([each for each in leaver.pair_ids if each != pair_id])
            leaver.ended_pair, leaver.ended_ms = pair_id, pair.changed_ms
    change = int(pair.is_active) - int(former is PairPhase.ACTIVE)
    if change:
        view.program.active_pairs += change
        view.touch_program()


def fold_participant(view: View, fact: f.ParticipantChanged, ref: FactRef, arrived_ms: int) -> Touched:
    person = view.make_participant(fact.participant_id)
    phase, was_active = _PARTICIPANT_PHASES[fact.state], person.is_active
    paused_until_ms = 0
    if phase is ParticipantPhase.PAUSED and fact.paused_until is not None:
        paused_until_ms = max(to_ms(fact.paused_until), ref.at_ms)
    until_ms = ref.at_ms if phase is ParticipantPhase.ACTIVE else paused_until_ms or FOREVER
    _stop_clock(person, ref.at_ms, until_ms)
    if person.phase is not ParticipantPhase.UNKNOWN and ref.at_ms < person.changed_ms:
        # Known too late to be in force, but the clock stood still then.
        return Touched(tuple(person.pair_ids), (fact.participant_id, *partners_of(view, fact.participant_id, person)))
    person.phase, person.changed_ms = phase, ref.at_ms
    person.roles = sum(_ROLES[role] for role in set(fact.roles))
    person.joined_ms = to_ms(fact.joined_at)
    person.paused_until_ms = paused_until_ms
    if person.is_active != was_active:
        note_activity(view, person, 1 if person.is_active else -1)
    if paused_until_ms and paused_until_ms <= max(ref.at_ms, view.partition.clock.now_ms):
        wake_paused(view, person)  # the pause was over when it became known
    return Touched(tuple(person.pair_ids), (fact.participant_id, *partners_of(view, fact.participant_id, person)))


def partners_of(view: View, participant_id: str, person: ParticipantState) -> list[str]:
    """Who else is in the pairs of a person, also in the one that ended last: whether they have a partner may depend
    on it."""
    pairs = (view.pair(pair_id) for pair_id in (*person.pair_ids, person.ended_pair) if pair_id)
    others = {member.id: None for pair in pairs if pair is not None for member in pair.members}
    return [each for each in others if each != participant_id]


def _stop_clock(person: ParticipantState, at_ms: int, until_ms: int) -> None:
    """Note what state a person was in from an instant on: not active until `until_ms`, active if that is the instant
    itself.

    Each entry lasts until the next one at most, so facts may come in any order. What repeats, longer ago than a
    week, that the person was active is forgotten.
    """
    states = sorted([*(each for each in person.states if each[0] != at_ms), (at_ms, until_ms)])
    settled_ms = states[-1][0] - SETTLED_MS
    kept: list[tuple[int, int]] = []
    for state in states:
        repeated = (
            len(kept) > 1 and kept[-1][0] < settled_ms and all(start == end for start, end in (*kept[-2:], state))
        )
        if repeated:
            kept.pop()
        kept.append(state)
    person.states = tuple(kept[-MAX_STATES:])


def wake_paused(view: View, person: ParticipantState) -> None:
    """`paused_until` has come: the person is active again, by the clock alone."""
    person.phase, person.paused_until_ms = ParticipantPhase.ACTIVE, 0
    note_activity(view, person, 1)
