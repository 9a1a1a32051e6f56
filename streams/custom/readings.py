"""What a condition may read about a pair, a person or a program: declared names with a type, and how each moves.

Most readings change only when a fact arrives; `reads` says which. Day counts also change by the clock alone, and say
when they reach a number (`due`), so that a condition is asked again at the very instant at which it may turn, and not
once a day for nothing. Days are full days of 24 hours in which the clock of absence runs: it stands still in breaks,
outside the program's run, while somebody concerned is not active, and it never counts from before observation began.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, NamedTuple

import schemas.facts as f
from streams.calendar import Interval, due_ms, running_ms, union
from streams.clock import DAY_MS
from streams.state.episode import FactRef
from streams.state.pair import BOOKING_GRACE_MS, KINDS, PairState, Rating, Side
from streams.state.participant import ParticipantState, RequestPhase
from streams.state.program import ProgramState
from streams.view import View

LOW: Final = 2
WINDOW_DAYS: Final = 60
MEETINGS_DAYS: Final = 28
#: what `days_until_end` says when no end is announced
NO_END: Final = 9_999
ROLES: Final = ("unknown", "mentor", "mentee", "both")
_CLOSING: Final = KINDS.index("closing")

Value = bool | int | float | str

_MEETINGS: Final = frozenset({
    f.MeetingScheduled, f.MeetingRescheduled, f.MeetingHeld, f.MeetingCancelled, f.MeetingNoShow,
})  # fmt: skip
_IN_PAIR: Final = _MEETINGS | {f.ActivityMessageSent, f.HelpRequested, f.RatingSubmitted, f.SentimentSubmitted}
_OWN: Final = _IN_PAIR | {
    f.ActivitySignedIn, f.ActivityProfileUpdated, f.ActivityGoalUpdated, f.ActivityContentViewed, f.RelaunchAnswered,
    f.MatchRequestSent, f.MatchRequestAccepted, f.MatchRequestDeclined, f.MatchRequestWithdrawn, f.ActionTaken,
}  # fmt: skip
_REQUESTS: Final = frozenset({
    f.MatchRequestSent, f.MatchRequestAccepted, f.MatchRequestDeclined, f.MatchRequestExpired, f.MatchRequestWithdrawn,
})  # fmt: skip
_NONE: Final[frozenset[type]] = frozenset()


class Reading(NamedTuple):
    """One name that conditions may use.

    Attributes:
        name, kind, words: as written, its CEL type, and what it says.
        reads: facts after which it may be another, beside changes of the subject itself.
        value: of a record at an instant (ms UTC).
        due: when a day count reaches a number; None when it never will.
        step: whether that count rises (1) or falls (-1).
        until: when any other reading may change by the clock alone.
        ref: the fact that it comes from, where that is remembered.
    """

    name: str
    kind: Literal["int", "double", "bool", "string"]
    words: str
    reads: frozenset[type]
    value: Callable[[View, Any, int], Value]
    due: Callable[[View, Any, int], int | None] | None = None
    step: int = 1
    until: Callable[[View, Any, int], int | None] | None = None
    ref: Callable[[Any], FactRef | None] | None = None

    @property
    def is_absence(self) -> bool:
        """Whether it counts days in which nothing happened."""
        return self.due is not None and self.step > 0

    def next_ms(self, view: View, record: Any, now_ms: int, count: Value, counts: tuple[int, ...] | None) -> int | None:
        """When it may change by the clock alone in a way that matters to whoever compares it, now `count`, with
        `counts` (None: every change matters)."""
        if self.until is not None:
            return self.until(view, record, now_ms)
        if self.due is None:
            return None
        assert isinstance(count, int)
        if counts is None:
            target = count + self.step
        else:
            ahead = [
                each for number in counts for each in (number, number + self.step) if self.step * (each - count) > 0
            ]
            if not ahead:
                return None
            target = min(ahead, key=lambda each: abs(each - count))
        return self.due(view, record, target) if target >= 0 else None


def _days(
    name: str,
    words: str,
    reads: frozenset[type],
    anchor: Callable[[View, Any], int],
    stops: Callable[[View, Any], Sequence[Interval]],
    ref: Callable[[Any], FactRef | None] | None = None,
) -> Reading:
    """A count of full days since an anchor (ms UTC, 0 = none yet, and the count stays 0)."""

    def value(view: View, record: Any, now_ms: int) -> int:
        since_ms = anchor(view, record)
        return running_ms(since_ms, now_ms, stops(view, record)) // DAY_MS if since_ms > 0 else 0

    def due(view: View, record: Any, count: int) -> int | None:
        since_ms = anchor(view, record)
        return due_ms(since_ms, count * DAY_MS, stops(view, record)) if since_ms > 0 else None

    return Reading(name, "int", words, reads, value, due=due, ref=ref)


# -- pairs


def _pair_stops(view: View, pair: PairState) -> Sequence[Interval]:
    return view.stops(pair)


def _matched_ms(view: View, pair: PairState) -> int:
    return max(pair.matched_ms, pair.reopened_ms, view.observed_from_ms)


def _contact_ms(pair: PairState, *sides: Side) -> int:
    return max((each.contact_ms for each in pair.members if not sides or each.side in sides), default=0)


def _of_side(pair: PairState, side: Side) -> Rating | None:
    """The latest rating of a side, closing surveys apart."""
    given = [each for member in pair.members if member.side == side for each in member.ratings]
    rated = (each for each in given if each.kind != _CLOSING)
    return max(rated, key=lambda each: (each.ref.at_ms, each.ref.event_id), default=None)


def _rating(side: Side) -> Reading:
    word = side.name.lower()

    def value(_view: View, pair: PairState, _now_ms: int) -> int:
        rating = _of_side(pair, side)
        return 0 if rating is None else rating.value

    def ref(pair: PairState) -> FactRef | None:
        rating = _of_side(pair, side)
        return None if rating is None else rating.ref

    words = f"latest rating by the {word}, 1 to 5, closing surveys apart; 0 while there is none"
    return Reading(f"{word}_rating", "int", words, frozenset({f.RatingSubmitted}), value, ref=ref)


def _lows(pair: PairState, now_ms: int) -> list[int]:
    ratings = (each for member in pair.members for each in member.ratings)
    lows = (each.ref.at_ms for each in ratings if each.value <= LOW and each.kind != _CLOSING)
    return [at_ms for at_ms in lows if now_ms - at_ms <= WINDOW_DAYS * DAY_MS]


def _booked_until_ms(pair: PairState) -> int:
    return max((each.end_ms + BOOKING_GRACE_MS for each in pair.bookings if not each.cancelled), default=0)


def _later(at_ms: int, now_ms: int) -> int | None:
    return at_ms if at_ms > now_ms else None


_PAIR: Final = (
    _days("days_since_match", "days since the pair was matched or reopened", _NONE, _matched_ms, _pair_stops,
          lambda pair: pair.matched),
    _days("days_since_contact", "days since either partner was heard of in this pair; at first, since the match",
          _IN_PAIR,
          lambda view, pair: max(_matched_ms(view, pair), _contact_ms(pair)), _pair_stops),
    _days("days_since_mentor_contact", "the same of the mentor alone", _IN_PAIR,
          lambda view, pair: max(_matched_ms(view, pair), _contact_ms(pair, Side.MENTOR)), _pair_stops),
    _days("days_since_mentee_contact", "the same of the mentee alone", _IN_PAIR,
          lambda view, pair: max(_matched_ms(view, pair), _contact_ms(pair, Side.MENTEE)), _pair_stops),
    _days("days_since_meeting", "days since the last held meeting; at first, since the match",
          frozenset({f.MeetingHeld}),
          lambda view, pair: max(_matched_ms(view, pair), pair.last_held_ms), _pair_stops, lambda pair: pair.held),
    Reading("has_met", "bool", "a meeting was held, or may have been before Ebb was turned on",
            frozenset({f.MeetingHeld}),
            lambda view, pair, _: bool(pair.held_count) or pair.matched_ms < view.observed_from_ms),
    Reading("meetings_held", "int", "meetings held so far", frozenset({f.MeetingHeld}),
            lambda _view, pair, _now: pair.held_count, ref=lambda pair: pair.held),
    Reading("meeting_booked", "bool", "a meeting is planned, until a day after its end", _MEETINGS,
            lambda _view, pair, now_ms: _booked_until_ms(pair) > now_ms,
            until=lambda _view, pair, now_ms: _later(_booked_until_ms(pair), now_ms)),
    Reading("postponed_in_a_row", "int", "meetings moved or called off since the last held one, 5 at most", _MEETINGS,
            lambda _view, pair, _now: len(pair.postponed),
            ref=lambda pair: pair.postponed[-1].ref if pair.postponed else None),
    _rating(Side.MENTOR),
    _rating(Side.MENTEE),
    Reading("low_ratings_60d", "int", "ratings of 1 or 2 by either in the last 60 days, closing surveys apart",
            frozenset({f.RatingSubmitted}), lambda _view, pair, now_ms: len(_lows(pair, now_ms)),
            until=lambda _view, pair, now_ms: min(
                (at_ms + WINDOW_DAYS * DAY_MS + 1 for at_ms in _lows(pair, now_ms)), default=None)),
    Reading("is_group", "bool", "more than one mentor and one mentee", _NONE,
            lambda _view, pair, _now: not pair.one_to_one),
)  # fmt: skip

# -- people


def _person_stops(view: View, person: ParticipantState) -> Sequence[Interval]:
    return union(view.program_stops, person.stops) if person.states else view.program_stops


def _heard_ms(view: View, person: ParticipantState) -> int:
    heard = max(person.contact_ms, person.joined_ms)
    return max(heard, view.observed_from_ms) if heard else 0


def _alone_ms(view: View, person: ParticipantState) -> int:
    alone = 0 if person.pair_ids else max(person.ended_ms, person.joined_ms)
    return max(alone, view.observed_from_ms) if alone else 0


def _attempt_ms(view: View, person: ParticipantState) -> int:
    first = min((each.ref.at_ms for each in person.attempts), default=0)
    return max(first, view.observed_from_ms) if first else 0


_PARTICIPANT: Final = (
    Reading("role", "string", "mentor, mentee, both or unknown", _NONE,
            lambda _view, person, _now: ROLES[person.roles]),
    _days("days_since_contact", "days since the person was heard of anywhere; at first, since they joined", _OWN,
          _heard_ms, _person_stops),
    _days("days_since_joined", "days since the person joined", _NONE,
          lambda view, person: max(person.joined_ms, view.observed_from_ms) if person.joined_ms else 0, _person_stops),
    Reading("active_pairs", "int", "pairs that the person is active in", frozenset({f.PairChanged, f.PairDeleted}),
            lambda _view, person, _now: len(person.pair_ids)),
    _days("days_without_pair", "days since the last pair ended, or since they joined; 0 while there is a pair",
          frozenset({f.PairChanged, f.PairDeleted}), _alone_ms, _person_stops),
    Reading("unanswered_attempts", "int", "others' attempts to reach the person without an answer yet, 4 at most",
            _OWN | _REQUESTS, lambda _view, person, _now: len(person.attempts),
            ref=lambda person: person.attempts[0].ref if person.attempts else None),
    _days("days_since_attempt", "days since the first of these; 0 when there is none", _OWN | _REQUESTS,
          _attempt_ms, _person_stops, lambda person: person.attempts[0].ref if person.attempts else None),
    Reading("surveys_unanswered", "int", "surveys sent to the person and not answered, 4 at most",
            frozenset({f.SurveySent, f.SurveyExpired, f.RatingSubmitted, f.SentimentSubmitted}),
            lambda _view, person, _now: len(person.asked),
            ref=lambda person: person.asked[-1].ref if person.asked else None),
    Reading("requests_waiting", "int", "match requests that wait for the person's answer, 8 at most", _REQUESTS,
            lambda _view, person, _now: 0 if person.matching is None else sum(
                each.phase is RequestPhase.PENDING and each.sent is not None for each in person.matching.received)),
)  # fmt: skip

# -- programs


def _since_review_ms(view: View, program: ProgramState) -> int:
    known = [each.at_ms for each in (program.started, program.reviewed) if each is not None]
    return max(*known, view.observed_from_ms) if known else 0


def _window(view: View, tally: str, days: int, now_ms: int) -> tuple[list[int], int | None]:
    """Sums of a tally over the last `days` local days and today, and when the oldest of them leaves it."""
    found, calendar = view.tally(tally), view.calendar
    if found is None or now_ms < 0:
        return [0, 0], None
    today = calendar.day_of(now_ms)
    oldest = next(iter(found.days(today - days, today + 1)), None)
    sums = [*found.totals(today - days, today + 1), 0]
    return sums, None if oldest is None else calendar.day_start(oldest + days + 1)


def _mean(view: View, _program: ProgramState, now_ms: int) -> float:
    sums, _ = _window(view, "mqs", WINDOW_DAYS, now_ms)
    return sums[1] / sums[0] if sums[0] else 0.0


def _no_stops(_view: View, _record: Any) -> Sequence[Interval]:
    return ()


_PROGRAM: Final = (
    Reading("kind", "string", "always_on, cohort or on_off", _NONE, lambda _view, program, _now: program.kind),
    Reading("self_matching", "bool", "people choose their matches", _NONE,
            lambda _view, program, _now: program.self_matching),
    Reading("active_pairs", "int", "active pairs", frozenset({f.PairChanged, f.PairDeleted}),
            lambda _view, program, _now: program.active_pairs),
    Reading("active_people", "int", "active people", frozenset({f.ParticipantChanged}),
            lambda _view, program, _now: program.active_people),
    Reading("meetings_28d", "int", "meetings held in the last 28 local days and today", frozenset({f.MeetingHeld}),
            lambda view, _program, now_ms: _window(view, "held", MEETINGS_DAYS, now_ms)[0][0],
            until=lambda view, _program, now_ms: _window(view, "held", MEETINGS_DAYS, now_ms)[1]),
    Reading("ratings_60d", "int", "ratings in match quality surveys in the last 60 local days and today",
            frozenset({f.RatingSubmitted}),
            lambda view, _program, now_ms: _window(view, "mqs", WINDOW_DAYS, now_ms)[0][0],
            until=lambda view, _program, now_ms: _window(view, "mqs", WINDOW_DAYS, now_ms)[1]),
    Reading("mean_rating_60d", "double", "their mean, 1.0 to 5.0; 0.0 while there is none",
            frozenset({f.RatingSubmitted}), _mean,
            until=lambda view, _program, now_ms: _window(view, "mqs", WINDOW_DAYS, now_ms)[1]),
    _days("days_since_review", "days since the last review or the first feedback, in plain time; 0 before",
          frozenset({f.ActionTaken, f.RatingSubmitted, f.SentimentSubmitted}), _since_review_ms, _no_stops,
          lambda program: program.reviewed or program.started),
)  # fmt: skip

# -- about the program of whatever it is


def _until_end(view: View, _record: Any, now_ms: int) -> int:
    ends_ms = view.program.ends_ms
    return max(-((now_ms - ends_ms) // DAY_MS), 0) if ends_ms else NO_END


_EVERYWHERE: Final = (
    Reading("days_until_end", "int", f"days until the program's announced end, in plain time; {NO_END} without one",
            _NONE, _until_end, step=-1,
            due=lambda view, _record, count: view.program.ends_ms - count * DAY_MS if view.program.ends_ms else None),
    _days("days_since_start", "days since the program's announced start, in plain time; 0 without one", _NONE,
          lambda view, _record: view.program.starts_ms, _no_stops),
)  # fmt: skip

#: subject → name → reading
READINGS: Final[dict[str, dict[str, Reading]]] = {
    subject: {each.name: each for each in (*own, *_EVERYWHERE)}
    for subject, own in (("pair", _PAIR), ("participant", _PARTICIPANT), ("program", _PROGRAM))
}
