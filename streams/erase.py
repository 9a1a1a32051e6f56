"""Forgetting a participant: their record, their place in pairs, and whoever waits for them.

What remains is a 64-bit fingerprint of the id, so that later facts which still name it can be dropped.
"""

from collections.abc import Iterator
from typing import Any, Final

from streams.fold.pulse import note_activity
from streams.rule import Rule, Subject
from streams.rules import rule_of
from streams.state.history import page_key
from streams.state.pair import PairState
from streams.state.participant import ParticipantState
from streams.state.partition import Partition
from streams.state.seen import fingerprint
from streams.state.table import participant_key, subject_of
from streams.view import TOPIC_CODES, View

_PARTICIPANTS: Final = TOPIC_CODES["participants"]
_SINGLE: Final = ("participant_id", "counterpart_id")
_LISTS: Final = ("mentor_ids", "mentee_ids")


def mark_of(program_id: str, participant_id: str) -> int:
    """Fingerprint under which an erased participant is remembered."""
    return fingerprint(_PARTICIPANTS, program_id, participant_id)


def names_erased(state: Partition, fact: Any) -> bool:
    """Whether a fact names somebody who was erased."""
    names = [getattr(fact, name, None) for name in _SINGLE]
    for each in _LISTS:
        names += getattr(fact, each, ())
    return any(name is not None and mark_of(fact.program_id, name) in state.erased for name in names)


def erase(view: View, participant_id: str) -> Iterator[tuple[Rule, Subject]]:
    """Remove a participant from state; yields the open episodes about them, to be closed before the next is asked
    for."""
    state = view.partition
    for key in state.table.keys(f"p{view.program_id}/".encode()):
        pair = state.table.get(key)
        assert isinstance(pair, PairState)
        member = pair.member(participant_id)
        if member is None:
            continue
        for episode in [each for each in pair.episodes if each.member == participant_id]:
            rule = rule_of(episode.rule, view)
            if episode.is_open and rule is not None:
                subject_id = f"{subject_of(key)}/{participant_id}"
                yield rule, Subject("pair_member", key, pair, subject_id, participant_id)
            pair.drop_episode(episode.rule, episode.member)
        speaker = pair.members[pair.speaker].id if pair.speaker >= 0 else None
        pair.members = tuple([each for each in pair.members if each is not member])
        pair.signs = tuple([each for each in pair.signs if each.by != participant_id])
        pair.postponed = tuple([each for each in pair.postponed if each.by != participant_id])
        pair.speaker = next((place for place, each in enumerate(pair.members) if each.id == speaker), -1)
        state.table.touch(key)
    person = view.participant(participant_id)
    if person is not None:
        key = participant_key(view.program_id, participant_id)
        for episode in person.episodes:
            rule = rule_of(episode.rule, view)
            if episode.is_open and rule is not None:
                yield rule, Subject("participant", key, person, participant_id)
        if person.is_active:
            note_activity(view, person, -1)
        for number in range(person.answered_pages):
            state.table.delete(page_key(key, number))
        state.table.delete(key)
    for key in state.table.keys(f"m{view.program_id}/".encode()):
        other = state.table.get(key)
        assert isinstance(other, ParticipantState)
        if any(attempt.by == participant_id for attempt in other.attempts):
            other.attempts = tuple([attempt for attempt in other.attempts if attempt.by != participant_id])
            state.table.touch(key)
        if other.matching is not None and any(each.by == participant_id for each in other.matching.received):
            other.matching.received = [each for each in other.matching.received if each.by != participant_id]
            state.table.touch(key)
    for code in [code for code, person_id in view.program.watched.items() if person_id == participant_id]:
        view.program.watched[code] = ""
        view.touch_program()
    state.put_erased(mark_of(view.program_id, participant_id))
