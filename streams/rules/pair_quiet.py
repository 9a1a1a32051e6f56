"""pair.quiet: nothing has been heard of a pair for a month.

Weak evidence on its own. Mentors and mentees talk by phone, over coffee and in other tools; a silent platform is not a
silent pair. So the rule stays silent where something speaks for the pair: a good match quality rating of either
partner in the last 60 days, or a held meeting in the last 30. Otherwise it only colours the picture: it shows in the
review list and is not sent by itself. It becomes a warning with a second sign: a partner who left surveys without an
answer again and again, rated low, or asked for help.

Any contact of a partner that names the pair closes it. It counts from the match, the reopening or the last contact, and
the clock stands still in breaks, outside the program's run, and while either partner is not active.

Where the catalogue leaves room:
- What speaks for the pair delays the opening; once it is open, only a contact closes it.
- A second sign is looked for among the people of the pair: what is open about them, and their ratings in this pair
  (closing surveys apart) of the last 60 days.

Source: 30 days: published practice of mentoring programs (a monthly rhythm is the slowest that is called active); 60
days are two survey waves.
"""

from typing import Any, Final

from pydantic import Field

import schemas.facts as f
from streams.calendar import due_ms, running_ms
from streams.causes import cause_of_pair, silent_member
from streams.clock import DAY_MS, MINUTE_MS
from streams.phrases import SIDE_WORDS, in_days, say_rating
from streams.rule import NOTHING, Account, Duration, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.rule import evidence as evidence_of
from streams.state.episode import Evidence, FactRef
from streams.state.pair import KINDS, PairState, Rating
from streams.steps import first_steps
from streams.view import View

GOOD: Final = 4
LOW: Final = 2
RATING_SPEAKS_MS: Final = 60 * DAY_MS
MEETING_SPEAKS_MS: Final = 30 * DAY_MS
_MQS: Final = KINDS.index("mqs")
_CLOSING: Final = KINDS.index("closing")
_SURVEYS: Final = "survey.unanswered"
_REPEATED: Final = 2  # rung `repeated` of survey.unanswered
_RATING: Final = "rating.low"
_HELP: Final = "help.requested"
_RHYTHM: Final = "meeting.rhythm_lost"

_ONLY_CONTACTS: Final = frozenset({f.ActivityMessageSent, f.MeetingScheduled, f.MeetingHeld, f.SentimentSubmitted})


class PairQuietParams(RuleParams):
    quiet_for: Duration = Field(default=30 * DAY_MS, description="no contact of the pair for this long")
    wait_beside_lost_rhythm: bool = Field(
        default=False, description="wait for the review while a lost rhythm of meeting was sent and stands"
    )


class PairQuiet(Rule):
    id = "pair.quiet"
    code = 12
    klass = "reactive"
    subject = "pair"
    closes = "any contact of a partner that names the pair"
    suggests = ("reach_out", "rematch")
    Params = PairQuietParams
    rungs = (Rung(None, Severity.INFO, review_list=True), Rung(None, Severity.WARNING))
    reads = frozenset({
        f.ActivityMessageSent, f.HelpRequested, f.RatingSubmitted, f.SentimentSubmitted, f.MeetingScheduled,
        f.MeetingRescheduled, f.MeetingHeld, f.MeetingCancelled, f.MeetingNoShow,
    })  # fmt: skip
    listens = frozenset({_SURVEYS, _RATING, _HELP})
    is_absence = True

    def is_idle(self, record: Any, fact: Any) -> bool:
        """Word of a contact only puts off what a timer will look at anyway."""
        return type(fact) in _ONLY_CONTACTS and self.code in record.timers

    def judge(self, view: View, subject: Subject, params: PairQuietParams, moment: Moment) -> Verdict:
        pair = subject.record
        assert isinstance(pair, PairState)
        episode = pair.open_episode(self.code)
        since_ms = _since_ms(view, pair)
        contact_ms = _contact_ms(pair)
        if episode is not None and contact_ms > episode.opened_ms - params.quiet_for:
            return Verdict(closes=True, closed_by_ms=contact_ms, look_ms=_due_ms(view, pair, params))
        due = _due_ms(view, pair, params)
        if due is None:
            return NOTHING
        known_ms = moment.ref.at_ms if moment.ref is not None else None
        if episode is not None:
            if due > moment.now_ms and known_ms is not None and known_ms < episode.opened_ms:
                return Verdict(closes=True, closed_by_ms=known_ms, look_ms=due)
        elif due > moment.now_ms:
            return Verdict(look_ms=due)
        second = bool(_second_signs(view, pair, moment.at_ms))
        rung, severity = (2, Severity.WARNING) if second else (1, Severity.INFO)
        origin = _last_fact(pair, since_ms)
        return Verdict(rung, severity, origin=origin, due_ms=due)

    def explain(
        self, view: View, subject: Subject, params: PairQuietParams, moment: Moment, change: str, rung: int
    ) -> Account:
        pair = subject.record
        assert isinstance(pair, PairState)
        since_ms = _since_ms(view, pair)
        days = running_ms(since_ms, max(moment.now_ms, since_ms), view.stops(pair)) // DAY_MS
        facts: list[Evidence] = []
        if change == "opened":
            last = _last_fact(pair, since_ms)
            if last is not None:
                facts.append(evidence_of("counted from here", last))
            text = "days without a contact of the pair"
            facts.append(Evidence(text, moment.at_ms, value=days, threshold=params.quiet_for // DAY_MS))
        if change in ("opened", "escalated", "woken"):
            facts += _second_signs(view, pair, moment.at_ms)
        elif change in ("resolved", "retracted") and moment.ref is not None:
            facts.append(evidence_of("a partner was heard of", moment.ref))
        if change in ("resolved", "retracted"):
            summary = f"Pair {subject.id} has been heard of."
        else:
            more = ", and there is a second sign" if rung > 1 else ""
            summary = f"Nothing has been heard of pair {subject.id} for {in_days(days * DAY_MS)}{more}."
        return Account(
            summary=summary,
            evidence=tuple(sorted(facts, key=lambda each: each.at_ms)),
            cause=cause_of_pair(view, pair, moment.at_ms, moment.at_ms - since_ms, negative=rung > 1),
            actions=first_steps(view, pair, silent_member(view, pair), moment),
            pair_ids=(subject.id,),
            participant_ids=tuple(each.id for each in pair.members),
            review_list=params.wait_beside_lost_rhythm and _is_told(view, pair),
        )


def _is_told(view: View, pair: PairState) -> bool:
    """Whether coordinators know already that the pair has stopped meeting."""
    rhythm = view.open_episode(pair, _RHYTHM)
    return rhythm is not None and rhythm.spoke


def _contact_ms(pair: PairState) -> int:
    return max((member.contact_ms for member in pair.members), default=0)


def _since_ms(view: View, pair: PairState) -> int:
    return max(pair.matched_ms, pair.reopened_ms, _contact_ms(pair), view.observed_from_ms)


def _due_ms(view: View, pair: PairState, params: PairQuietParams) -> int | None:
    """When the pair has been quiet for long enough, and nothing speaks for it any more."""
    due = due_ms(_since_ms(view, pair), params.quiet_for, view.stops(pair))
    if due is None:
        return None
    for member in pair.members:
        mqs = next((rating for rating in reversed(member.ratings) if rating.kind == _MQS), None)
        if mqs is not None and mqs.value >= GOOD:
            due = max(due, mqs.ref.at_ms + RATING_SPEAKS_MS + MINUTE_MS)  # in 60 days, the last of them included
    return max(due, pair.last_held_ms + MEETING_SPEAKS_MS) if pair.held_count else due


def _last_fact(pair: PairState, since_ms: int) -> FactRef | None:
    """The fact that the silence counts from, where it is remembered."""
    if pair.held is not None and pair.last_held_ms == since_ms:
        return pair.held
    return pair.matched if pair.matched is not None and pair.matched.at_ms == since_ms else None


def _second_signs(view: View, pair: PairState, at_ms: int) -> list[Evidence]:
    """What else is wrong with the people of a quiet pair."""
    found: list[Evidence] = []
    for member in pair.members:
        who = SIDE_WORDS[member.side]
        person = view.participant(member.id)
        surveys = view.open_episode(person, _SURVEYS) if person is not None else None
        if surveys is not None and surveys.rung >= _REPEATED:
            found.append(Evidence(f"the {who} leaves surveys unanswered again and again", surveys.opened_ms))
        if person is not None and (asked := view.open_episode(person, _HELP)) is not None:
            found.append(Evidence(f"the {who} asked for help", asked.opened_ms))
        lows = [rating for rating in member.ratings if _is_low(rating, at_ms)]
        low = view.open_episode(pair, _RATING, member.id)
        if low is not None and not lows:
            found.append(Evidence(f"a low rating of the {who} stands", low.opened_ms))
        found += [say_rating(rating, who, LOW) for rating in lows]
    return found


def _is_low(rating: Rating, at_ms: int) -> bool:
    return rating.value <= LOW and rating.kind != _CLOSING and at_ms - rating.ref.at_ms <= RATING_SPEAKS_MS
