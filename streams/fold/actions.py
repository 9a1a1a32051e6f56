"""What coordinators did, as far as state outside an intervention remembers it: who was reached out to, and who
answered."""

from typing import Final

import schemas.facts as f
from streams.fold.contacts import contact
from streams.fold.touched import NOBODY, Touched
from streams.state.episode import FactRef
from streams.state.pair import Side
from streams.view import View

_SIDES: Final = {"mentor": Side.MENTOR, "mentee": Side.MENTEE}


def fold_action(view: View, fact: f.ActionTaken, ref: FactRef, arrived_ms: int) -> Touched:
    """`reached_out` marks the party in the pairs it concerns; answered, it is a contact of that person.

    The party of a pair stands for its people; a participant without a pair is reached in all of their pairs.
    """
    if fact.action != "reached_out":
        view.partition.counts["ignored_actions",] += 1
        return NOBODY
    person = view.participant(fact.participant_id) if fact.participant_id is not None else None
    pair_ids = (fact.pair_id,) if fact.pair_id is not None else tuple(person.pair_ids) if person is not None else ()
    people: dict[str, None] = {}
    for pair_id in pair_ids:
        pair = view.pair(pair_id)
        if pair is None:
            continue
        for member in pair.members:
            named = member.id == fact.participant_id or (fact.party is not None and member.side == _SIDES[fact.party])
            if named:
                view.make_pair(pair_id, arrived_ms)
                member.reached_ms = max(member.reached_ms, ref.at_ms)
                people[member.id] = None
    if fact.participant_id is not None:
        people[fact.participant_id] = None
    if fact.outcome == "answered":
        for participant_id in people:
            contact(view, participant_id, ref.at_ms)
    return Touched(pair_ids, tuple(people))
