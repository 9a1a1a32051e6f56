"""rating.dropped: somebody who used to rate well rates two points lower, without being low yet.

A 3 says little by itself. A 3 from somebody who said 5 last time says that something changed, and it comes weeks before
a low rating would. It is a notice: have a look at the next rating, or ask in passing. A
rating of 2 or 1 is left to `rating.low`, which says more about it.

Each rating is compared with the same person's previous one on the same kind of survey, in the order in which they
were given, whenever they arrive. The drop stands until the same person rates within one point of where they had
been. What was rated before a pair was reopened is another story and is left alone.

Source: our starting point. One point up or down between two survey waves is within what people do by chance on a scale
of five; two are not.
"""

from itertools import pairwise
from typing import Any, Final, NamedTuple

from pydantic import Field

import schemas.facts as f
from streams.causes import cause_of_pair
from streams.clock import DAY_MS
from streams.phrases import KIND_WORDS, SIDE_WORDS, say_rating
from streams.rule import NOTHING, Account, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.state.pair import KINDS, Member, PairState, Rating
from streams.steps import first_steps
from streams.view import View

LOW: Final = 2
_WINDOW_MS: Final = 60 * DAY_MS  # for the cause only: two survey waves


class RatingDroppedParams(RuleParams):
    drop: int = Field(default=2, ge=1, le=4, description="points below the same person's previous rating")


class Drop(NamedTuple):
    """Where a person rated before, and the first rating that fell from there."""

    before: Rating
    after: Rating


class RatingDropped(Rule):
    id = "rating.dropped"
    code = 6
    klass = "reactive"
    subject = "pair_member"
    closes = "a later rating within 1 of the old one"
    suggests = ("reach_out", "rematch")
    Params = RatingDroppedParams
    rungs = (Rung(None, Severity.NOTICE),)
    reads = frozenset({f.RatingSubmitted})
    on_fact = True
    opens_after_end = True

    def is_idle(self, record: Any, fact: Any) -> bool:
        """Nobody in the pair has ever rated lower than the time before."""
        for member in record.members:
            for before, after in pairwise(member.ratings):
                if after.value < before.value:
                    return False
        return True

    def judge(self, view: View, subject: Subject, params: RatingDroppedParams, moment: Moment) -> Verdict:
        pair = subject.record
        assert isinstance(pair, PairState)
        member = pair.member(subject.member)
        if member is None or not member.ratings:
            return NOTHING
        drops = standing_drops(member, params.drop, _since_ms(view, pair, member))
        fact = moment.fact
        mine = isinstance(fact, f.RatingSubmitted) and fact.participant_id == member.id
        if not drops:
            return Verdict(closes=True, closed_by_ms=moment.ref.at_ms) if mine and moment.ref is not None else NOTHING
        latest = drops[-1]
        fresh = mine and any(drop.after.ref == moment.ref for drop in drops)
        return Verdict(rung=1, severity=Severity.NOTICE, fresh=fresh, origin=latest.after.ref)

    def explain(
        self, view: View, subject: Subject, params: RatingDroppedParams, moment: Moment, change: str, rung: int
    ) -> Account:
        pair = subject.record
        assert isinstance(pair, PairState)
        member = pair.member(subject.member) or Member(subject.member)  # who left the pair is still to be told of
        who = SIDE_WORDS[member.side]
        drops = standing_drops(member, params.drop, _since_ms(view, pair, member))
        facts = []
        if change == "opened":
            facts = [say_rating(rating, who) for drop in drops for rating in drop]
        elif isinstance(moment.fact, f.RatingSubmitted) and moment.ref is not None:
            facts = [say_rating(Rating(KINDS.index(moment.fact.kind), moment.fact.rating, moment.ref), who)]
        if drops and change not in ("resolved", "retracted", "expired"):
            before, after = drops[-1]
            summary = (
                f"The {who} {member.id} rated {after.value} of 5 in a {KIND_WORDS[after.kind]}, after {before.value} "
                "the time before."
            )
        elif change == "retracted":
            summary = f"The {who} {member.id} had not dropped: a rating that came late lies between."
        else:
            summary = f"The {who} {member.id} no longer rates lower than before."
        return Account(
            summary=summary,
            evidence=tuple(sorted(facts, key=lambda each: each.at_ms)),
            cause=cause_of_pair(view, pair, moment.at_ms, _WINDOW_MS, negative=bool(drops)),
            actions=first_steps(view, pair, member.id, moment),
            pair_ids=(subject.id.partition("/")[0],),
            participant_ids=tuple(each.id for each in pair.members),
        )


def _since_ms(view: View, pair: PairState, member: Member) -> int:
    """What was rated before the pair was reopened, or before the rule forgot, is left alone."""
    return max(pair.reopened_ms, view.facts_from_ms(RatingDropped.code, pair, member.id))


def standing_drops(member: Member, points: int, since_ms: int) -> list[Drop]:
    """Drops of at least `points` that no later rating of the kind has made good, in the order of events."""
    drops: list[Drop] = []
    previous: dict[int, Rating] = {}
    for rating in member.ratings:
        if rating.ref.at_ms < since_ms:
            continue
        drops = [each for each in drops if each.before.kind != rating.kind or rating.value < each.before.value - 1]
        before = previous.get(rating.kind)
        if before is not None and rating.value <= before.value - points and rating.value > LOW:
            drops.append(Drop(before, rating))
        previous[rating.kind] = rating
    return drops
