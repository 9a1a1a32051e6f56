"""rating.low: somebody rated 1 or 2. Judged the moment the rating arrives.

A low rating is the clearest sign there is, so it is never averaged away: one is enough to talk to the person. It
weighs more when it is a 1, when the same person was low before, or when both partners are low, because then it is not
a bad day. It weighs less when it is about one meeting and the same person's latest match-quality rating is good.

The condition is true from a low rating until the same person rates 4 or more on the same kind of survey. `closing`
surveys come too late to help and are left out. What happened before a pair was reopened is left alone.

Source: ratings of 1-2 as the threshold to reach out to both parties: published coordinator advice of mentoring
    platforms; the 60 days are our starting point (two survey waves).
"""

from typing import Any, Final

from pydantic import Field

import schemas.facts as f
from streams.causes import cause_of_pair
from streams.clock import DAY_MS
from streams.phrases import KIND_WORDS, SIDE_WORDS, say_rating
from streams.rule import (
    NOTHING,
    Account,
    Duration,
    Moment,
    Rule,
    RuleParams,
    Rung,
    Severity,
    Subject,
    Verdict,
)
from streams.rule import evidence as evidence_of
from streams.state.episode import Evidence
from streams.state.pair import KINDS, Member, PairState, Rating
from streams.steps import first_steps
from streams.view import View

GOOD: Final = 4
HIGHEST_LOW: Final = 3
_CLOSING: Final = KINDS.index("closing")
_MQS: Final = KINDS.index("mqs")
_POST_MEETING: Final = KINDS.index("post_meeting")


class RatingLowParams(RuleParams):
    low: int = Field(default=2, ge=1, le=HIGHEST_LOW, description="ratings at or below this are low")
    window: Duration = Field(
        default=60 * DAY_MS, description="in which a second low rating, or the partner's, makes it high"
    )


class RatingLow(Rule):
    id = "rating.low"
    code = 1
    klass = "reactive"
    subject = "pair_member"
    closes = "a later rating of 4 or 5 of the same kind by the same person"
    suggests = ("reach_out", "rematch")
    Params = RatingLowParams
    rungs = (Rung(None, Severity.NOTICE),)
    weighs = (
        "warning; high at a 1, at a second low of the person or beside a low of the partner; notice only after a "
        "meeting, beside a good match rating"
    )
    reads = frozenset({f.RatingSubmitted})
    on_fact = True
    opens_after_end = True

    def is_idle(self, record: Any, fact: Any) -> bool:
        """Nobody in the pair has given a rating that could be low by any parameters."""
        for member in record.members:
            for rating in member.ratings:
                if rating.value <= HIGHEST_LOW:
                    return False
        return True

    def judge(self, view: View, subject: Subject, params: RatingLowParams, moment: Moment) -> Verdict:
        pair = subject.record
        assert isinstance(pair, PairState)
        member = pair.member(subject.member)
        if member is None or not member.ratings:
            return NOTHING
        since_ms = max(pair.reopened_ms, view.facts_from_ms(self.code, pair, member.id))
        lows = _lows(member, params.low, since_ms)
        fact = moment.fact
        mine = isinstance(fact, f.RatingSubmitted) and fact.participant_id == member.id
        uncleared = [low for low in lows if not _is_cleared(member, low)]
        if not uncleared:
            at_ms = moment.ref.at_ms if moment.ref is not None else None
            return Verdict(closes=True, closed_by_ms=at_ms) if mine else NOTHING
        latest = uncleared[-1]
        is_low = mine and fact.kind != "closing" and fact.rating <= params.low
        return Verdict(
            rung=1,
            severity=_severity(pair, member, latest, lows, params, since_ms),
            fresh=is_low,
            now=latest.value == 1 if moment.fact is None or not mine else is_low and fact.rating == 1,
            breaks_silence=is_low and fact.rating == 1,
            origin=latest.ref,
        )

    def explain(
        self, view: View, subject: Subject, params: RatingLowParams, moment: Moment, change: str, rung: int
    ) -> Account:
        pair = subject.record
        assert isinstance(pair, PairState)
        member = pair.member(subject.member) or Member(subject.member)  # who left the pair is still to be told of
        since_ms = max(pair.reopened_ms, view.facts_from_ms(self.code, pair, member.id))
        lows = _lows(member, params.low, since_ms)
        who = SIDE_WORDS[member.side]
        days = params.window // DAY_MS
        facts: list[Evidence] = []
        if change == "opened":
            recent = [low for low in lows if lows[-1].ref.at_ms - low.ref.at_ms <= params.window]
            facts = [say_rating(low, who, params.low) for low in recent]
            if (mqs := _latest(member, _MQS)) is not None and mqs.value >= GOOD:
                facts.append(
                    evidence_of(f"latest match quality rating of the {who} is {mqs.value}", mqs.ref, value=mqs.value)
                )
        elif isinstance(moment.fact, f.RatingSubmitted) and moment.ref is not None:
            rated = Rating(KINDS.index(moment.fact.kind), moment.fact.rating, moment.ref)
            rater = pair.member(moment.fact.participant_id)
            facts = [say_rating(rated, SIDE_WORDS[rater.side] if rater is not None else "participant", params.low)]
        if change == "opened":
            facts += _partner_lows(pair, member, lows[-1], params, since_ms)
        if change == "resolved" and (not pair.is_active or pair.member(member.id) is None):
            summary = f"The {who} {member.id} is no longer in this pair."
        elif change in ("resolved", "retracted"):
            summary = f"The {who} {member.id} no longer has a low rating standing."
        elif not lows:
            summary = f"The {who} {member.id} had rated low."
        else:
            near = sum(lows[-1].ref.at_ms - low.ref.at_ms <= params.window for low in lows)
            again = f", {near} low ratings in {days} days" if near > 1 else ""
            both = "; the partner rated low as well" if _partner_lows(pair, member, lows[-1], params, since_ms) else ""
            kind = KIND_WORDS[lows[-1].kind]
            summary = f"The {who} {member.id} rated {lows[-1].value} of 5 in a {kind}{again}{both}."
        return Account(
            summary=summary,
            evidence=tuple(sorted(facts, key=lambda each: each.at_ms)),
            cause=cause_of_pair(view, pair, moment.at_ms, params.window, negative=bool(lows)),
            actions=first_steps(view, pair, member.id, moment),
            pair_ids=(subject.id.partition("/")[0],),
            participant_ids=tuple(each.id for each in pair.members),
        )


def _lows(member: Member, low: int, since_ms: int) -> list[Rating]:
    return [
        rating
        for rating in member.ratings
        if rating.value <= low and rating.kind != _CLOSING and rating.ref.at_ms >= since_ms
    ]


def _is_cleared(member: Member, low: Rating) -> bool:
    return any(
        rating.value >= GOOD and rating.kind == low.kind and rating.ref.at_ms > low.ref.at_ms
        for rating in member.ratings
    )


def _latest(member: Member, kind: int) -> Rating | None:
    return next((rating for rating in reversed(member.ratings) if rating.kind == kind), None)


def _severity(
    pair: PairState, member: Member, latest: Rating, lows: list[Rating], params: RatingLowParams, since_ms: int
) -> Severity:
    near = sum(abs(latest.ref.at_ms - low.ref.at_ms) <= params.window for low in lows)
    if latest.value == 1 or near >= 2 or _partner_lows(pair, member, latest, params, since_ms):
        return Severity.HIGH
    mqs = _latest(member, _MQS)
    if latest.kind == _POST_MEETING and mqs is not None and mqs.value >= GOOD:
        return Severity.NOTICE
    return Severity.WARNING


def _partner_lows(
    pair: PairState, member: Member, latest: Rating, params: RatingLowParams, since_ms: int
) -> list[Evidence]:
    return [
        say_rating(low, SIDE_WORDS[partner.side], params.low)
        for partner in pair.members
        if partner.id != member.id
        for low in _lows(partner, params.low, since_ms)
        if abs(latest.ref.at_ms - low.ref.at_ms) <= params.window
    ]
