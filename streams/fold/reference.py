"""Programs, pairs and participants as they are now. Of two facts the newest `occurred_at` wins, on a tie the later entry."""

from typing import Final

import schemas.facts as f
from schemas.base import to_ms
from streams.calendar import FOREVER
from streams.fold.touched import NOBODY, Touched
from streams.state.episode import FactRef
from streams.state.pair import Member, PairPhase, PairState, Side
from streams.state.participant import MAX_STOPS, ParticipantPhase, ParticipantState
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
_ROLES: Final = {"mentor": 1, "mentee": 2}


def fold_program(view: View, fact: f.ProgramChanged, ref: FactRef, arrived_ms: int) -> Touched:
    program = view.program
    occurred_ms = to_ms(fact.occurred_at)
    if program.known and occurred_ms < program.changed_ms:
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
    occurred_ms = to_ms(fact.occurred_at)
    if program.known and occurred_ms < program.changed_ms:
        return NOBODY
    program.changed_ms, program.ended = occurred_ms, True
    program.ends_ms = min(program.ends_ms, occurred_ms) if program.ends_ms else occurred_ms
    view.touch_program()
    view.forget_calendar()
    return Touched(everybody=True)


def fold_pair(view: View, fact: f.PairChanged, ref: FactRef, arrived_ms: int) -> Touched:
    pair = view.make_pair(fact.pair_id, arrived_ms)
    occurred_ms = to_ms(fact.occurred_at)
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
    if pair.is_active and former in (PairPhase.CLOSED, PairPhase.ARCHIVED):
        pair.reopened_ms = ref.at_ms
        pair.matched = FactRef(ref.event_id, ref.topic, ref.partition, ref.offset, ref.at_ms)
    if not pair.is_active and pair.phase is not PairPhase.DRAFT:
        pair.closed_ms = ref.at_ms if fact.closed_at is None else to_ms(fact.closed_at)
        pair.close_reason = fact.close_reason or "other"
    people = _name_members(pair, fact)
    _follow(view, fact.pair_id, pair, people, former)
    return Touched((fact.pair_id,), tuple(people))


def fold_pair_deleted(view: View, fact: f.PairDeleted, ref: FactRef, arrived_ms: int) -> Touched:
    pair = view.pair(fact.pair_id)
    if (
        pair is None
        or pair.phase in (PairPhase.CLOSED, PairPhase.ARCHIVED)
        or to_ms(fact.occurred_at) < pair.changed_ms
    ):
        return NOBODY
    pair = view.make_pair(fact.pair_id, arrived_ms)
    former = pair.phase
    pair.phase, pair.changed_ms = PairPhase.CLOSED, to_ms(fact.occurred_at)
    pair.closed_ms, pair.close_reason = ref.at_ms, "other"
    people = [member.id for member in pair.members]
    _follow(view, fact.pair_id, pair, people, former)
    return Touched((fact.pair_id,), tuple(people))


def _name_members(pair: PairState, fact: f.PairChanged) -> list[str]:
    """Bring the members in line with the reference fact, keeping what is known of those who stay."""
    speaker = pair.members[pair.speaker].id if pair.speaker >= 0 else None
    known = {member.id: member for member in pair.members}
    sides = {person: Side.MENTOR for person in fact.mentor_ids} | {person: Side.MENTEE for person in fact.mentee_ids}
    members = []
    for person, side in sides.items():
        member = known.get(person, Member(person))
        member.side = side
        members.append(member)
    pair.members = members
    pair.speaker = next((place for place, member in enumerate(members) if member.id == speaker), -1)
    return list(sides)


def _follow(view: View, pair_id: str, pair: PairState, people: list[str], former: PairPhase) -> None:
    """Keep the people's lists of active pairs and the program's count in step with the pair."""
    for participant_id in people:
        person = view.participant(participant_id)
        listed = person is not None and pair_id in person.pair_ids
        if pair.is_active and not listed:
            view.make_participant(participant_id).pair_ids.append(pair_id)
        elif listed and not pair.is_active:
            view.make_participant(participant_id).pair_ids.remove(pair_id)
    change = int(pair.is_active) - int(former is PairPhase.ACTIVE)
    if change:
        view.program.active_pairs += change
        view.touch_program()


def fold_participant(view: View, fact: f.ParticipantChanged, ref: FactRef, arrived_ms: int) -> Touched:
    person = view.make_participant(fact.participant_id)
    occurred_ms = to_ms(fact.occurred_at)
    if person.phase is not ParticipantPhase.UNKNOWN and occurred_ms < person.changed_ms:
        return NOBODY
    person.phase, person.changed_ms = _PARTICIPANT_PHASES[fact.state], occurred_ms
    person.roles = sum(_ROLES[role] for role in set(fact.roles))
    person.joined_ms = to_ms(fact.joined_at)
    person.paused_until_ms = 0
    if person.phase is ParticipantPhase.PAUSED and fact.paused_until is not None:
        person.paused_until_ms = to_ms(fact.paused_until)
        if person.paused_until_ms <= ref.at_ms:
            person.phase, person.paused_until_ms = ParticipantPhase.ACTIVE, 0
    _stop_clock(person, ref.at_ms)
    return Touched(tuple(person.pair_ids), (fact.participant_id,))


def _stop_clock(person: ParticipantState, at_ms: int) -> None:
    """Close the running stop at an instant, and open a new one if the person is not active from there."""
    stops = [(start, min(end, at_ms)) for start, end in person.stops if start < at_ms]
    if not person.is_active:
        until = person.paused_until_ms or FOREVER
        if stops and stops[-1][1] == at_ms:
            stops[-1] = (stops[-1][0], until)
        else:
            stops.append((at_ms, until))
    person.stops = stops[-MAX_STOPS:]


def wake_paused(person: ParticipantState) -> None:
    """`paused_until` has come: the person is active again, by the clock alone."""
    person.phase, person.paused_until_ms = ParticipantPhase.ACTIVE, 0
