"""Who was in contact, and who tried to reach whom.

A *contact* of a person is any fact in which that person acted; a contact of a pair is one that names the pair. An
*attempt* asks for an answer: see `fold_message` for which messages do. An attempt is answered by any later contact of
the other. Contacts are maxima over event times, so late and reordered facts end in the same state. Whether a message
is an attempt is judged by what is known when it arrives.
"""

from typing import Any, Final

import schemas.facts as f
from streams.clock import DAY_MS
from streams.fold.pulse import note_contact
from streams.fold.signs import give_sign
from streams.fold.touched import Touched
from streams.state.episode import FactRef
from streams.state.pair import Member, PairState, Sign, SignKind
from streams.state.participant import CHOICES, HELP_TOPICS, MAX_ATTEMPTS, MAX_HELPS, Attempt, Help, ParticipantState
from streams.view import View

QUIET_BEFORE_MESSAGE_MS: Final = 14 * DAY_MS
UNANSWERED_MESSAGE_MS: Final = 3 * DAY_MS


def contact(view: View, participant_id: str, at_ms: int) -> ParticipantState:
    """A person acted: note it, and take every attempt before it as answered."""
    person = view.make_participant(participant_id)
    if at_ms > person.contact_ms:
        if at_ms // DAY_MS != person.contact_ms // DAY_MS:
            note_contact(view, person, at_ms)
        person.contact_ms = at_ms
    if person.attempts and at_ms > person.attempts[0].ref.at_ms:
        person.attempts = tuple([each for each in person.attempts if each.ref.at_ms >= at_ms])
    return person


def member_of(pair: PairState, participant_id: str) -> Member:
    """The member's place in a pair; made for somebody the reference fact has not named (yet)."""
    member = pair.member(participant_id)
    if member is None:
        member = Member(participant_id)
        pair.members += (member,)
    return member


def contact_in_pair(view: View, pair: PairState, participant_id: str, at_ms: int) -> Member:
    """A person acted in a fact that names a pair."""
    contact(view, participant_id, at_ms)
    member = member_of(pair, participant_id)
    if at_ms > member.contact_ms:
        member.contact_ms = at_ms
    return member


def attempt(view: View, by: str, to: str, pair_id: str, ref: FactRef) -> None:
    """Note that somebody waits for an answer. The oldest attempts and the latest are kept: a late answer may lie
    between."""
    person = view.make_participant(to)
    if ref.at_ms >= person.contact_ms:
        attempts = sorted(
            [*person.attempts, Attempt(by, pair_id, ref)], key=lambda each: (each.ref.at_ms, each.ref.event_id)
        )
        if len(attempts) > MAX_ATTEMPTS:
            attempts = [*attempts[: MAX_ATTEMPTS - 1], attempts[-1]]
        person.attempts = tuple(attempts)


def attempt_in_pair(view: View, pair: PairState, pair_id: str, by: Member, ref: FactRef) -> tuple[str, ...]:
    """An attempt inside an active one-to-one pair; elsewhere it asks for nothing. Returns whom it waits for."""
    partner = pair.partner(by.id)
    if not pair.one_to_one or not pair.is_active or partner is None:
        return ()
    by.attempt_ms = max(by.attempt_ms, ref.at_ms)
    attempt(view, by.id, partner.id, pair_id, ref)
    return (partner.id,)


def fold_own_activity(view: View, fact: Any, ref: FactRef, arrived_ms: int) -> Touched:
    contact(view, fact.participant_id, ref.at_ms)
    return Touched(participants=(fact.participant_id,))


def fold_message(view: View, fact: f.ActivityMessageSent, ref: FactRef, arrived_ms: int) -> Touched:
    """A message is an attempt if the other has been silent in the pair for 14 d (or ever), or if the writer was
    already the last to speak there at least 3 d ago. A slow answer or the last "thanks!" asks for nothing."""
    pair = view.make_pair(fact.pair_id, arrived_ms)
    writer = contact_in_pair(view, pair, fact.participant_id, ref.at_ms)
    partner = pair.partner(writer.id)
    place = 0
    while pair.members[place] is not writer:  # `index` would compare members field by field
        place += 1
    awaited: tuple[str, ...] = ()
    if partner is not None:
        unheard = partner.contact_ms == 0 or ref.at_ms - partner.contact_ms >= QUIET_BEFORE_MESSAGE_MS
        again = pair.speaker == place and ref.at_ms - pair.spoke_ms >= UNANSWERED_MESSAGE_MS
        if unheard or again:
            awaited = attempt_in_pair(view, pair, fact.pair_id, writer, ref)
    if ref.at_ms >= pair.spoke_ms:
        pair.speaker, pair.spoke_ms = place, ref.at_ms
    return Touched((fact.pair_id,), (fact.participant_id, *awaited))


def fold_relaunch_answer(view: View, fact: f.RelaunchAnswered, ref: FactRef, arrived_ms: int) -> Touched:
    """Whether somebody takes part in the next run: a contact, and the latest answer stands."""
    person = contact(view, fact.participant_id, ref.at_ms)
    if person.relaunch is None or ref.at_ms >= person.relaunch[1]:
        person.relaunch = (CHOICES.index(fact.choice), ref.at_ms)
    return Touched(participants=(fact.participant_id,))


def fold_help(view: View, fact: f.HelpRequested, ref: FactRef, arrived_ms: int) -> Touched:
    """Without a pair it is about the person's only active one, if there is just one."""
    person = contact(view, fact.participant_id, ref.at_ms)
    pair_id = fact.pair_id or (person.pair_ids[0] if len(person.pair_ids) == 1 else None)
    _note_help(person, Help(HELP_TOPICS.index(fact.topic or "other"), pair_id or "", ref))
    if pair_id is None:
        return Touched(participants=(fact.participant_id,))
    pair = view.make_pair(pair_id, arrived_ms)
    if fact.pair_id is not None:
        contact_in_pair(view, pair, fact.participant_id, ref.at_ms)
    if fact.topic == "mismatch":
        give_sign(pair, Sign(SignKind.MISMATCH, fact.participant_id, ref))
    return Touched((pair_id,), (fact.participant_id,))


def _note_help(person: ParticipantState, asked: Help) -> None:
    """Keep the latest call for help by topic and pair."""
    known = next((each for each in person.helps if (each.topic, each.pair_id) == (asked.topic, asked.pair_id)), None)
    if known is not None and known.ref.at_ms > asked.ref.at_ms:
        return
    helps = [*(each for each in person.helps if each is not known), asked]
    person.helps = tuple(sorted(helps, key=lambda each: (each.ref.at_ms, each.ref.event_id))[-MAX_HELPS:])
