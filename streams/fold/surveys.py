"""Ratings and sentiment, and the surveys they answer.

A submission counts once: the same survey answered again by the same person on the same topic is a repeat, for good.
"""

from typing import Any

import schemas.facts as f
from streams.fold.contacts import contact, contact_in_pair
from streams.fold.meetings import digest, remembers
from streams.fold.touched import Touched
from streams.state.episode import FactRef
from streams.state.pair import KINDS, MAX_RATINGS, Member, Rating
from streams.view import TOPIC_CODES, View


def _submission_digest(fact: f.RatingSubmitted | f.SentimentSubmitted) -> bytes:
    topic = "ratings" if isinstance(fact, f.RatingSubmitted) else "sentiment"
    return digest(TOPIC_CODES[topic], fact.survey_id)


def is_repeated_submission(view: View, fact: f.RatingSubmitted | f.SentimentSubmitted) -> bool:
    if fact.survey_id is None:
        return False
    person = view.participant(fact.participant_id)
    return person is not None and remembers(person.answered_seen, _submission_digest(fact))


def pair_of_submission(view: View, fact: f.RatingSubmitted | f.SentimentSubmitted) -> str | None:
    """The pair a submission belongs to: the one it names, else the person's only active pair, else none."""
    if fact.pair_id is not None:
        return fact.pair_id
    person = view.participant(fact.participant_id)
    return person.pair_ids[0] if person is not None and len(person.pair_ids) == 1 else None


def fold_survey(view: View, fact: Any, ref: FactRef, arrived_ms: int) -> Touched:
    return Touched((fact.pair_id,) if fact.pair_id is not None else (), (fact.participant_id,))


def fold_submission(view: View, fact: Any, ref: FactRef, arrived_ms: int) -> Touched:
    pair_id = pair_of_submission(view, fact)
    person = contact(view, fact.participant_id, ref.at_ms)
    if fact.survey_id is not None:
        person.answered_seen += _submission_digest(fact)
    if pair_id is None:
        return Touched(participants=(fact.participant_id,))
    pair = view.make_pair(pair_id, arrived_ms)
    if fact.pair_id is not None:
        member = contact_in_pair(view, pair, fact.participant_id, ref.at_ms)
    else:
        found = pair.member(fact.participant_id)
        assert found is not None, "a person's active pair names them"
        member = found
    if isinstance(fact, f.RatingSubmitted):
        _rate(member, Rating(KINDS.index(fact.kind), fact.rating, ref))
    return Touched((pair_id,), (fact.participant_id,))


def _rate(member: Member, rating: Rating) -> None:
    """Keep the newest ratings, in event order, and always the latest of each kind."""
    ratings = sorted([*member.ratings, rating], key=lambda each: (each.ref.at_ms, each.ref.event_id))
    while len(ratings) > MAX_RATINGS:
        latest = {each.kind: place for place, each in enumerate(ratings)}
        spare = next((place for place, each in enumerate(ratings) if latest[each.kind] != place), 0)
        del ratings[spare]
    member.ratings = ratings
