"""What coordinators did, as far as state outside an intervention remembers it: who was reached out to, who answered,
and when the program was last reviewed. What actions do to interventions: `streams.coordination`."""

from typing import Final

import schemas.facts as f
from streams.fold.contacts import contact
from streams.fold.outreach import reach_member, reach_person
from streams.fold.touched import NOBODY, Touched
from streams.state.episode import FactRef
from streams.state.pair import Side
from streams.state.table import program_of, subject_of
from streams.view import View

_SIDES: Final = {"mentor": Side.MENTOR, "mentee": Side.MENTEE}


def fold_action(view: View, fact: f.ActionTaken, ref: FactRef, arrived_ms: int) -> Touched:
    """`reached_out` marks the party in the pairs it concerns; answered, it is a contact of that person.

    The party of a pair stands for its people; a participant without a pair is reached in all of their pairs. Where only
    an open intervention is named, its subject tells pair and person.
    """
    pair_id, participant_id = _whom(view, fact)
    if fact.action == "review_done":
        program = view.program
        if program.reviewed is None or program.reviewed.at_ms <= ref.at_ms:
            program.reviewed = ref
            view.touch_program()
        return Touched()
    if fact.action != "reached_out":
        people = (participant_id,) if participant_id is not None else ()
        return Touched((pair_id,) if pair_id is not None else (), people)
    person = view.participant(participant_id) if participant_id is not None else None
    pair_ids = (pair_id,) if pair_id is not None else tuple(person.pair_ids) if person is not None else ()
    reached: dict[str, None] = {}
    if participant_id is not None and (fact.party is None or fact.participant_id is not None):
        reached[participant_id] = None
    for each in pair_ids:
        reached |= _reach_in_pair(view, each, reached, fact.party, ref, arrived_ms)
    for each in reached:
        reach_person(view.make_participant(each), ref.at_ms)
    if fact.outcome == "answered":
        for each in reached:
            contact(view, each, ref.at_ms)
    return Touched(pair_ids, tuple(reached)) if pair_ids or reached else NOBODY


def _whom(view: View, fact: f.ActionTaken) -> tuple[str | None, str | None]:
    """Pair and participant of an action: as it says, else those of the open intervention it names."""
    if fact.pair_id is not None or fact.participant_id is not None or fact.intervention_id is None:
        return fact.pair_id, fact.participant_id
    key = view.partition.interventions.get(fact.intervention_id)
    if key is None or program_of(key) != view.program_id:
        return None, None
    if key.startswith(b"m"):
        return None, subject_of(key)
    if not key.startswith(b"p"):
        return None, None
    record = view.partition.table.get(key)
    assert record is not None
    member = next((each.member for each in record.episodes if each.is_open and each.id == fact.intervention_id), "")
    return subject_of(key), (member or None) if fact.party is None else None


def _reach_in_pair(
    view: View, pair_id: str, named: dict[str, None], party: str | None, ref: FactRef, arrived_ms: int
) -> dict[str, None]:
    """Mark whom an outreach reached in a pair: who is named, and the people of the party."""
    people: dict[str, None] = {}
    pair = view.pair(pair_id)
    if pair is None:
        return people
    for member in pair.members:
        if member.id in named or (party is not None and member.side == _SIDES[party]):
            reach_member(view.make_pair(pair_id, arrived_ms), member, ref.at_ms)
            people[member.id] = None
    return people
