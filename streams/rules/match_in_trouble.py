"""match.in_trouble: two different signs say that a match does not work, and both are still there to be helped.

One bad sign is a bad day. A low rating and a call for help, or negative words and meetings that are put off, are a
match in trouble. As long as both are in contact it can be mended, and that is the moment to speak with both.

Signs are: a rating of 2 or less (closing surveys come too late), negative sentiment about the match, two meetings in a
row moved or called off, and a call for help because the two do not match. Two signs of one kind are one; a rating and a
sentiment in one submission are one.

Where the catalogue leaves room:
- *Within the window* looks back from the moment of judgement, so that old signs do not open anything when somebody
  writes at last. *In contact* means a fact of theirs that names the pair, in the last 14 days.
- A rating of 4 or more by whoever gave a sign takes back every sign before it. When that leaves fewer than two, or no
  sign came for `clear_after`, it closes.
- A further sign while it is open is evidence.

Source: our starting point. Two independent signs is what keeps it from repeating `rating.low`.
"""

from typing import Any, Final

from pydantic import Field

import schemas.facts as f
from schemas.base import to_ms
from streams.causes import IN_CONTACT_MS, cause_of_pair
from streams.clock import DAY_MS
from streams.fold.signs import GOOD
from streams.phrases import SIDE_WORDS, in_days
from streams.rule import NOTHING, Account, Duration, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.rule import evidence as evidence_of
from streams.state.episode import Evidence
from streams.state.pair import PairState, Sign, SignKind
from streams.steps import first_steps
from streams.view import View

_WORDS: Final = {
    SignKind.LOW_RATING: "rated 2 or less",
    SignKind.NEGATIVE: "was negative about the match",
    SignKind.POSTPONED: "put off the second meeting in a row",
    SignKind.MISMATCH: "asked for help because the two do not match",
}


_NAMES: Final = {
    SignKind.LOW_RATING: "a low rating",
    SignKind.NEGATIVE: "negative words about the match",
    SignKind.POSTPONED: "meetings put off in a row",
    SignKind.MISMATCH: "a call for help because they do not match",
}


_RATING: Final = "rating.low"


class MatchInTroubleParams(RuleParams):
    window: Duration = Field(default=30 * DAY_MS, description="in which two different signs make trouble")
    clear_after: Duration = Field(default=45 * DAY_MS, description="without a sign for this long, it is over")
    wait_beside_low_rating: bool = Field(
        default=False, description="wait for the review while a low rating of the pair that was sent stands"
    )


class MatchInTrouble(Rule):
    id = "match.in_trouble"
    code = 8
    klass = "reactive"
    subject = "pair"
    closes = "no sign of trouble for `clear_after`, or a rating of 4 or 5 by whoever gave a sign"
    suggests = ("reach_out", "rematch")
    Params = MatchInTroubleParams
    rungs = (Rung(None, Severity.WARNING),)
    reads = frozenset({
        f.RatingSubmitted, f.SentimentSubmitted, f.HelpRequested, f.ActivityMessageSent,
        f.MeetingScheduled, f.MeetingRescheduled, f.MeetingCancelled, f.MeetingHeld, f.MeetingNoShow,
    })  # fmt: skip
    on_fact = True

    def is_idle(self, record: Any, fact: Any) -> bool:
        return not record.signs

    def judge(self, view: View, subject: Subject, params: MatchInTroubleParams, moment: Moment) -> Verdict:
        pair = subject.record
        assert isinstance(pair, PairState)
        episode = pair.open_episode(self.code)
        if not pair.signs:
            known_ms = moment.ref.at_ms if moment.ref is not None else None
            return NOTHING if episode is None else Verdict(closes=True, closed_by_ms=known_ms)
        signs = _signs(view, pair)
        recent = [sign for sign in signs if moment.at_ms - sign.ref.at_ms <= params.window]
        fresh = any(sign.ref == moment.ref for sign in signs)
        holds = are_different(recent) and _in_contact(pair, moment.at_ms)
        clear_ms = (signs[-1].ref.at_ms if signs else 0) + params.clear_after
        if episode is None:
            if not holds or clear_ms <= moment.at_ms:
                return Verdict(0, Severity.WARNING, fresh=fresh, origin=recent[-1].ref if recent else None)
            return Verdict(1, Severity.WARNING, look_ms=clear_ms, fresh=fresh, origin=recent[-1].ref)
        if clear_ms <= moment.at_ms:
            return Verdict(closes=True)
        if _takes_back(moment, episode.opened_ms) and not are_different(signs):
            return Verdict(closes=True, closed_by_ms=_known_ms(moment), look_ms=clear_ms)
        return Verdict(1, Severity.WARNING, look_ms=clear_ms, fresh=fresh, origin=signs[-1].ref)

    def explain(
        self, view: View, subject: Subject, params: MatchInTroubleParams, moment: Moment, change: str, rung: int
    ) -> Account:
        pair = subject.record
        assert isinstance(pair, PairState)
        signs = _signs(view, pair)
        recent = [sign for sign in signs if moment.at_ms - sign.ref.at_ms <= params.window]
        closing = change in ("resolved", "retracted", "expired")
        facts: list[Evidence] = []
        if change == "opened":
            facts = [_say(pair, sign) for sign in recent]
        elif not closing:
            facts = [_say(pair, sign) for sign in signs if sign.ref == moment.ref]
        elif moment.ref is not None and isinstance(moment.fact, f.RatingSubmitted):
            facts = [evidence_of(f"rated {moment.fact.rating} of 5", moment.ref, value=moment.fact.rating)]
        if closing:
            summary = f"Pair {subject.id} shows no signs of trouble any more."
        else:
            kinds = sorted({sign.kind for sign in recent or signs})
            told = ", ".join(_NAMES[kind] for kind in kinds)
            span = in_days(params.window)
            summary = f"Pair {subject.id} is in trouble: {told} within {span}, and both are in contact."
        first = next((sign.by for sign in reversed(signs) if sign.by), None)
        return Account(
            summary=summary,
            evidence=tuple(facts),
            cause=cause_of_pair(view, pair, moment.at_ms, params.window, negative=True),
            actions=first_steps(view, pair, first, moment),
            pair_ids=(subject.id,),
            participant_ids=tuple(each.id for each in pair.members),
            review_list=params.wait_beside_low_rating and _is_told(view, pair),
        )


def _signs(view: View, pair: PairState) -> list[Sign]:
    """Signs since the pair was reopened, and since the rule forgot what was before it was switched on."""
    since_ms = max(pair.reopened_ms, view.facts_from_ms(MatchInTrouble.code, pair))
    return [sign for sign in pair.signs if sign.ref.at_ms >= since_ms]


def _is_told(view: View, pair: PairState) -> bool:
    """Whether coordinators know of the pair already, by a low rating that stands: that one takes both to a talk."""
    lows = (view.open_episode(pair, _RATING, member.id) for member in pair.members)
    return any(low is not None and low.spoke for low in lows)


def are_different(signs: list[Sign]) -> bool:
    """Whether there are two signs of different kinds that are not one submission."""
    return any(
        one.kind is not other.kind and not (one.survey and (one.by, one.survey) == (other.by, other.survey))
        for place, one in enumerate(signs)
        for other in signs[place + 1 :]
    )


def _in_contact(pair: PairState, at_ms: int) -> bool:
    named = [member for member in pair.members if member.side]
    return pair.one_to_one and bool(named) and all(at_ms - member.contact_ms <= IN_CONTACT_MS for member in named)


def _takes_back(moment: Moment, opened_ms: int) -> bool:
    """Whether the fact at hand can undo signs: a good rating, or late word of a meeting that had been held before the
    opening. A meeting held since is no word about what was wrong."""
    fact = moment.fact
    if isinstance(fact, f.MeetingHeld):
        return (_known_ms(moment) or 0) < opened_ms
    return isinstance(fact, f.RatingSubmitted) and fact.rating >= GOOD


def _known_ms(moment: Moment) -> int | None:
    """When what the fact at hand says took place."""
    if isinstance(moment.fact, f.MeetingHeld):
        return min(to_ms(moment.fact.starts_at), moment.at_ms)
    return moment.ref.at_ms if moment.ref is not None else None


def _say(pair: PairState, sign: Sign) -> Evidence:
    member = pair.member(sign.by)
    who = SIDE_WORDS[member.side] if member is not None else "participant"
    return evidence_of(f"the {who} {_WORDS[sign.kind]}", sign.ref)
