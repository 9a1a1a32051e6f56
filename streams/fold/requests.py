"""Match requests: who asked, who answered, what was left lying.

Sent and withdrawn are the asker's doing, accepted and declined the other's, expired nobody's. The receiver keeps what
they have not answered since their last answer, the asker what came to nothing since something was accepted; of each a
few, because more of the same says nothing more.
"""

from typing import Any

import schemas.facts as f
from streams.fold.contacts import attempt, contact
from streams.fold.touched import Touched
from streams.state.episode import FactRef
from streams.state.participant import MAX_REQUESTS, Matching, ParticipantState, Request, RequestPhase
from streams.view import View


def fold_match_request(view: View, fact: Any, ref: FactRef, arrived_ms: int) -> Touched:
    asker, asked = fact.participant_id, fact.counterpart_id
    if isinstance(fact, f.MatchRequestSent):
        contact(view, asker, ref.at_ms)
        attempt(view, asker, asked, "", ref)
        _receive(view.make_participant(asked), fact, ref)
    elif isinstance(fact, f.MatchRequestWithdrawn):
        contact(view, asker, ref.at_ms)
        _leave_lying(view.make_participant(asked), fact, ref, RequestPhase.WITHDRAWN)
    elif isinstance(fact, f.MatchRequestExpired):
        _leave_lying(view.make_participant(asked), fact, ref, RequestPhase.EXPIRED)
        _refuse(view.make_participant(asker), fact, ref)
    else:
        person = contact(view, asked, ref.at_ms)
        _answer(person, ref.at_ms)
        if isinstance(fact, f.MatchRequestDeclined):
            matching = _matching_of(person)
            matching.declines = sorted([*matching.declines, ref], key=lambda each: (each.at_ms, each.event_id))
            del matching.declines[:-MAX_REQUESTS]
            _refuse(view.make_participant(asker), fact, ref)
        else:
            own = _matching_of(view.make_participant(asker))
            own.accepted_ms = max(own.accepted_ms, ref.at_ms)
            forget_refusals(own)
    return Touched(participants=(asker, asked))


def forget_refusals(matching: Matching) -> None:
    """What came to nothing before a request was accepted, or before the person got a pair, is over."""
    since_ms = max(matching.accepted_ms, matching.paired_ms)
    matching.refused = [each for each in matching.refused if each[1].at_ms > since_ms]


def _matching_of(person: ParticipantState) -> Matching:
    matching = person.matching
    if matching is None:
        matching = person.matching = Matching()
    return matching


def _receive(person: ParticipantState, fact: Any, ref: FactRef) -> None:
    matching = _matching_of(person)
    request = _request_of(matching, fact)
    request.sent = ref
    request.seen_ms = min(max(person.contact_ms, person.joined_ms), ref.at_ms)
    _tidy(matching)


def _leave_lying(person: ParticipantState, fact: Any, ref: FactRef, phase: RequestPhase) -> None:
    matching = _matching_of(person)
    request = _request_of(matching, fact)
    if phase >= request.phase:
        request.phase, request.ended = phase, ref
    _tidy(matching)


def _answer(person: ParticipantState, at_ms: int) -> None:
    matching = _matching_of(person)
    matching.answered_ms = max(matching.answered_ms, at_ms)
    _tidy(matching)


def _request_of(matching: Matching, fact: Any) -> Request:
    for request in matching.received:
        if request.request_id == fact.request_id:
            return request
    matching.received.append(Request(fact.request_id, fact.participant_id))
    return matching.received[-1]


def _tidy(matching: Matching) -> None:
    """Forget what was before the last answer, and keep a few; in any order of arrival the same remains."""
    since_ms = matching.answered_ms
    kept = []
    for request in matching.received:
        if request.sent is not None and request.sent.at_ms <= since_ms:
            request.sent = None
        if request.at_ms > since_ms:
            kept.append(request)
    kept.sort(key=lambda each: (each.at_ms, each.request_id))
    while len(kept) > MAX_REQUESTS:
        # A withdrawn one goes first, then the newest but one: the oldest say how long, the latest that it goes on.
        spare = (place for place, each in enumerate(kept) if each.phase is RequestPhase.WITHDRAWN)
        del kept[next(spare, MAX_REQUESTS - 1)]
    matching.received = kept


def _refuse(person: ParticipantState, fact: Any, ref: FactRef) -> None:
    """One of the person's own requests came to nothing; a request does so once."""
    matching = _matching_of(person)
    if any(request_id == fact.request_id for request_id, _ in matching.refused):
        return
    refused = sorted([*matching.refused, (fact.request_id, ref)], key=lambda each: (each[1].at_ms, each[0]))
    matching.refused = refused[-MAX_REQUESTS:]
    forget_refusals(matching)
