"""rating.divergent: mentor and mentee see the same match very differently.

When one says 5 and the other 3, one of the two has not noticed, or does not say. It is a notice, because
nobody is low yet; it is worth a question to the one who rated lower, before their next meeting.

The latest ratings of both on the same kind of survey are compared, if they were given within `window` of each other.
They do not age out: a gap stays a gap until one of them rates again. Only pairs of two are compared; in a group several
people see a different mentor each. What was rated before a pair was reopened is left alone.

Source: our starting point; 45 days are a survey wave and half of the next.
"""

from typing import Any

from pydantic import Field

import schemas.facts as f
from streams.causes import cause_of_pair
from streams.clock import DAY_MS
from streams.phrases import KIND_WORDS, SIDE_WORDS, say_rating
from streams.rule import NOTHING, Account, Duration, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.state.pair import KINDS, Member, PairState, Rating, Side
from streams.steps import first_steps
from streams.view import View


class RatingDivergentParams(RuleParams):
    gap: int = Field(default=2, ge=1, le=4, description="points between the two")
    window: Duration = Field(default=45 * DAY_MS, description="at most this long between the two ratings")


class RatingDivergent(Rule):
    id = "rating.divergent"
    code = 7
    klass = "reactive"
    subject = "pair"
    closes = "latest ratings that differ by less than `gap`"
    suggests = ("reach_out", "rematch")
    Params = RatingDivergentParams
    rungs = (Rung(None, Severity.NOTICE),)
    reads = frozenset({f.RatingSubmitted})
    on_fact = True
    opens_after_end = True

    def is_idle(self, record: Any, fact: Any) -> bool:
        """No two in the pair have rated."""
        return sum(1 for member in record.members if member.ratings) < 2

    def judge(self, view: View, subject: Subject, params: RatingDivergentParams, moment: Moment) -> Verdict:
        pair = subject.record
        assert isinstance(pair, PairState)
        both = _both(pair)
        if both is None or not both[0].ratings or not both[1].ratings:
            return NOTHING
        since_ms = _since_ms(view, pair)
        gaps = _gaps(both, params, since_ms)
        rated = isinstance(moment.fact, f.RatingSubmitted) and moment.ref is not None
        if gaps:
            fresh = rated and any(moment.ref in (mentor.ref, mentee.ref) for mentor, mentee in gaps)
            newest = max((rating.ref for pairing in gaps for rating in pairing), key=lambda ref: ref.at_ms)
            return Verdict(rung=1, severity=Severity.NOTICE, fresh=fresh, origin=newest)
        if rated and _is_close(both, KINDS.index(moment.fact.kind), params.gap, since_ms):
            assert moment.ref is not None
            return Verdict(closes=True, closed_by_ms=moment.ref.at_ms)
        return NOTHING

    def explain(
        self, view: View, subject: Subject, params: RatingDivergentParams, moment: Moment, change: str, rung: int
    ) -> Account:
        pair = subject.record
        assert isinstance(pair, PairState)
        both = _both(pair)
        gaps = _gaps(both, params, _since_ms(view, pair)) if both is not None else []
        facts, lower = [], None
        for mentor, mentee in gaps:
            lower = "mentor" if mentor.value < mentee.value else "mentee"
            if change == "opened":
                facts += [say_rating(mentor, "mentor"), say_rating(mentee, "mentee")]
        if change != "opened" and isinstance(moment.fact, f.RatingSubmitted) and moment.ref is not None:
            member = pair.member(moment.fact.participant_id)
            rated = Rating(KINDS.index(moment.fact.kind), moment.fact.rating, moment.ref)
            facts.append(say_rating(rated, SIDE_WORDS[member.side] if member is not None else "participant"))
        if gaps and change not in ("resolved", "retracted", "expired"):
            mentor, mentee = gaps[-1]
            summary = (
                f"In pair {subject.id} the mentor rated {mentor.value} and the mentee {mentee.value} of 5 in a "
                f"{KIND_WORDS[mentor.kind]}."
            )
        else:
            summary = f"The two of pair {subject.id} no longer rate so differently."
        first = None if both is None or lower is None else both[lower == "mentee"].id
        negative = any(rating.value <= 2 for pairing in gaps for rating in pairing)
        return Account(
            summary=summary,
            evidence=tuple(sorted(facts, key=lambda each: each.at_ms)),
            cause=cause_of_pair(view, pair, moment.at_ms, params.window, negative=negative),
            actions=first_steps(view, pair, first, moment),
            pair_ids=(subject.id,),
            participant_ids=tuple(each.id for each in pair.members),
        )


def _since_ms(view: View, pair: PairState) -> int:
    """What was rated before the pair was reopened, or before the rule forgot, is left alone."""
    return max(pair.reopened_ms, view.facts_from_ms(RatingDivergent.code, pair))


def _both(pair: PairState) -> tuple[Member, Member] | None:
    """Mentor and mentee of a pair of two."""
    if not pair.one_to_one:
        return None
    mentor = next((member for member in pair.members if member.side == Side.MENTOR), None)
    mentee = next((member for member in pair.members if member.side == Side.MENTEE), None)
    return None if mentor is None or mentee is None else (mentor, mentee)


def _latest(member: Member, kind: int, since_ms: int) -> Rating | None:
    found = next((rating for rating in reversed(member.ratings) if rating.kind == kind), None)
    return found if found is not None and found.ref.at_ms >= since_ms else None


def _gaps(both: tuple[Member, Member], params: RatingDivergentParams, since_ms: int) -> list[tuple[Rating, Rating]]:
    """Latest ratings of mentor and mentee that lie apart, by kind."""
    found = []
    for kind in range(len(KINDS)):
        mentor, mentee = (_latest(member, kind, since_ms) for member in both)
        if mentor is None or mentee is None or abs(mentor.value - mentee.value) < params.gap:
            continue
        if abs(mentor.ref.at_ms - mentee.ref.at_ms) <= params.window:
            found.append((mentor, mentee))
    return found


def _is_close(both: tuple[Member, Member], kind: int, gap: int, since_ms: int) -> bool:
    """Whether the two agree on a kind now, however long ago the other was asked."""
    mentor, mentee = (_latest(member, kind, since_ms) for member in both)
    return mentor is not None and mentee is not None and abs(mentor.value - mentee.value) < gap
