"""Ratings and sentiment, and the surveys they answer.

A submission counts once: the same survey answered again by the same person on the same topic is a repeat, for good.
"""

from typing import Any, Final

import schemas.facts as f
from streams.clock import DAY_MS
from streams.fold.asked import answer, ask
from streams.fold.contacts import contact, contact_in_pair
from streams.fold.meetings import digest
from streams.fold.pulse import note_submission
from streams.fold.signs import GOOD, LOW, give_sign, take_back
from streams.fold.touched import Submission, Touched
from streams.state.episode import FactRef
from streams.state.pair import (
    KINDS,
    MAX_RATINGS,
    MAX_RATINGS_THAT_MATTER,
    Member,
    PairState,
    Rating,
    Sign,
    SignKind,
)
from streams.state.participant import MAX_SUBMITTED, MAX_SURVEYS, ParticipantState, Survey
from streams.state.table import participant_key
from streams.view import TOPIC_CODES, View

#: How long a low rating counts beside another: the window of `rating.low` and `pair.quiet`.
LOW_KEPT_MS: Final = 60 * DAY_MS


def _submission_digest(fact: f.RatingSubmitted | f.SentimentSubmitted) -> bytes:
    topic = "ratings" if isinstance(fact, f.RatingSubmitted) else "sentiment"
    return digest(TOPIC_CODES[topic], fact.survey_id)


def is_repeated_submission(view: View, fact: f.RatingSubmitted | f.SentimentSubmitted) -> bool:
    if fact.survey_id is None:
        return False
    person = view.participant(fact.participant_id)
    return person is not None and _has_answered(view, fact.participant_id, person, _submission_digest(fact))


def _has_answered(view: View, participant_id: str, person: ParticipantState, wanted: bytes) -> bool:
    owner = participant_key(view.program_id, participant_id)
    return view.remembers(owner, person.answered_pages, person.answered_seen, wanted)


def pair_of_submission(view: View, fact: f.RatingSubmitted | f.SentimentSubmitted) -> str | None:
    """The pair a submission belongs to: the one it names, else the person's only active pair, else none."""
    if fact.pair_id is not None:
        return fact.pair_id
    person = view.participant(fact.participant_id)
    return person.pair_ids[0] if person is not None and len(person.pair_ids) == 1 else None


def fold_survey(view: View, fact: Any, ref: FactRef, arrived_ms: int) -> Touched:
    """A survey that goes out is new unless one of that kind and pair to the same person is not judged yet."""
    pair_ids = (fact.pair_id,) if fact.pair_id is not None else ()
    sent_ms: int | None = None
    answered = False
    if not isinstance(fact, f.SurveyReminded):
        person = view.make_participant(fact.participant_id)
        answered = _is_answered(view, fact.participant_id, person, fact.survey_id)
        ask(person, fact, ref, answered)
    if isinstance(fact, f.SurveySent):
        kind, pair_id = KINDS.index(fact.kind), fact.pair_id or ""
        unjudged = [each for each in person.surveys if _judged_ms(view, each.sent_ms) > ref.at_ms]
        if not any((each.kind, each.pair_id) == (kind, pair_id) and each.sent_ms <= ref.at_ms for each in unjudged):
            sent_ms = ref.at_ms
            unjudged.append(Survey(fact.survey_id, kind, pair_id, sent_ms, answered))
        unjudged.sort(key=lambda each: (each.sent_ms, each.survey_id))
        person.surveys = tuple(unjudged[-MAX_SURVEYS:])
    # Word that it went out may come after its answer: then it is answered as soon as it is known.
    came_first = Submission(ref.at_ms, False, sent_ms) if answered and sent_ms is not None else None
    return Touched(pair_ids, (fact.participant_id,), survey_sent_ms=sent_ms, submission=came_first)


def _is_answered(view: View, participant_id: str, person: ParticipantState, survey_id: str) -> bool:
    """Whether a rating or a sentiment that names the survey came before word that it was sent."""
    if not (person.answered_seen or person.answered_pages):
        return False
    return any(
        _has_answered(view, participant_id, person, digest(TOPIC_CODES[topic], survey_id))
        for topic in ("ratings", "sentiment")
    )


def _judged_ms(view: View, sent_ms: int) -> int:
    calendar = view.calendar
    return calendar.day_start(calendar.day_of_age(calendar.day_of(sent_ms), view.answer_days) + 1)


def _submission(view: View, fact: Any, person: ParticipantState, pair_id: str, at_ms: int) -> Submission:
    """How the detectors count a submission, and which survey it answers: the one it names, else the oldest that
    waits."""
    day = view.calendar.day_of(at_ms)
    elsewhere = _answered_elsewhere(view, fact, person)
    pair = int.from_bytes(digest(pair_id)[:4], "big")
    counts = (day, pair) not in person.submitted and (day, pair_id) not in person.submitted and not elsewhere
    if counts:
        person.submitted = (*person.submitted, (day, pair))[-MAX_SUBMITTED:]
    waiting = [
        each for each in person.surveys if not each.answered and each.sent_ms <= at_ms < _judged_ms(view, each.sent_ms)
    ]
    waiting = [each for each in waiting if each.pair_id in ("", pair_id)]
    if isinstance(fact, f.RatingSubmitted):
        kind = KINDS.index(fact.kind)
        waiting = [each for each in waiting if each.kind == kind or each.survey_id == fact.survey_id]
    named = [each for each in waiting if each.survey_id == fact.survey_id]
    if not waiting or elsewhere:
        return Submission(at_ms, counts, None, elsewhere)
    answered = (named or waiting)[0]
    answered.answered = True
    return Submission(at_ms, counts, answered.sent_ms)


def _answered_elsewhere(view: View, fact: Any, person: ParticipantState) -> bool:
    """A rating and a sentiment with one `survey_id` are one submission; the first of the two counts."""
    if fact.survey_id is None:
        return False
    other = "sentiment" if isinstance(fact, f.RatingSubmitted) else "ratings"
    return _has_answered(view, fact.participant_id, person, digest(TOPIC_CODES[other], fact.survey_id))


def fold_submission(view: View, fact: Any, ref: FactRef, arrived_ms: int) -> Touched:
    pair_id = pair_of_submission(view, fact)
    person = contact(view, fact.participant_id, ref.at_ms)
    if fact.survey_id is not None:
        person.answered_seen += _submission_digest(fact)
    submission = _submission(view, fact, person, pair_id or "", ref.at_ms)
    answer(person, fact, pair_id, ref.at_ms)
    if pair_id is None:
        note_submission(view, fact, ref, person.roles % 3, submission.again)
        return Touched(participants=(fact.participant_id,), submission=submission)
    pair = view.make_pair(pair_id, arrived_ms)
    if fact.pair_id is not None:
        member = contact_in_pair(view, pair, fact.participant_id, ref.at_ms)
    else:
        found = pair.member(fact.participant_id)
        assert found is not None, "a person's active pair names them"
        member = found
    note_submission(view, fact, ref, int(member.side) or person.roles % 3, submission.again)
    if isinstance(fact, f.RatingSubmitted):
        _rate(member, Rating(KINDS.index(fact.kind), fact.rating, ref))
    _show(pair, member, fact, ref)
    return Touched((pair_id,), (fact.participant_id,), submission=submission)


def _show(pair: PairState, member: Member, fact: Any, ref: FactRef) -> None:
    """What a submission says about trouble in the pair. A closing survey comes too late to."""
    if isinstance(fact, f.RatingSubmitted):
        if fact.rating >= GOOD:
            if pair.signs:
                take_back(pair, member, ref.at_ms)
            return
        if fact.rating > LOW or fact.kind == "closing":
            return
        kind = SignKind.LOW_RATING
    elif fact.about == "match" and fact.polarity == "negative":
        kind = SignKind.NEGATIVE
    else:
        return
    give_sign(pair, Sign(kind, member.id, ref, b"" if fact.survey_id is None else digest(fact.survey_id)))


def _stands(ratings: list[Rating], place: int) -> int:
    """How much a rating matters still: 3 for a low one of the last 60 days, 2 for an older one that no good one of its
    kind has followed, 0 for a good one."""
    rating = ratings[place]
    if rating.value > 3:
        return 0
    if rating.value <= LOW and ratings[-1].ref.at_ms - rating.ref.at_ms <= LOW_KEPT_MS:
        return 3
    if any(each.value > 3 and each.kind == rating.kind for each in ratings[place + 1 :]):
        return 0
    return 2 if rating.value <= LOW else 1


def _rate(member: Member, rating: Rating) -> None:
    """Keep the newest ratings, in event order, and always the latest of each kind."""
    ratings = sorted([*member.ratings, rating], key=lambda each: (each.ref.at_ms, each.ref.event_id))
    while len(ratings) > MAX_RATINGS:
        latest = {each.kind: place for place, each in enumerate(ratings)}
        spare = [place for place, each in enumerate(ratings) if latest[each.kind] != place]
        former = {ratings[place].kind: place for place in spare}
        # A low one that still stands goes last: forgotten, it would look like cleared. Before it goes what the latest
        # of its kind is compared with.
        victim = min(spare, key=lambda at: (_stands(ratings, at), former[ratings[at].kind] == at, at), default=0)
        matters = _stands(ratings, victim) == 3 or former.get(ratings[victim].kind) == victim
        if matters and len(ratings) <= MAX_RATINGS_THAT_MATTER:
            break
        del ratings[victim]
    member.ratings = tuple(ratings)
