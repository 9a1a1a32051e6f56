"""pair.sentiment_slowdown: a pair that used to give feedback has stopped.

The same detector as for the whole program, for one pair: what it expects starts from the program's own rate and moves
to the pair's as the pair answers. It speaks only where a pair answers often: at one submission a month a silence says
nothing for most of a year, and the rule says nothing either. A single submission ends it.

Where the catalogue leaves room: a pair's detector starts at its first submission or first survey, stands still while
either partner is not active, and begins anew when the pair is reopened or the next run starts.

Source: as `program.sentiment_slowdown`; one false alarm in ten pair-years is our starting point.
"""

from functools import lru_cache

from pydantic import Field

import schemas.facts as f
from streams.causes import cause_of_pair
from streams.clock import DAY_MS
from streams.detectors.rate import (
    Event,
    RateParams,
    RateStream,
    follow,
    mean_rate,
    next_due_ms,
    relearn,
    set_pairs,
    start,
)
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
    Week,
    reach_out_actions,
)
from streams.slowdown import account, alarm_due_ms, feed
from streams.state.pair import PairState
from streams.view import View


class PairSentimentSlowdownParams(RuleParams):
    far_per_pair_year: float = Field(default=0.1, gt=0, le=12, description="tolerated false alarms per pair and year")
    prior_rate_per_pair_week: float = Field(
        default=0.1, gt=0, le=7, description="submissions of a pair in a week, while nothing is known of its program"
    )
    prior_response_rate: float = Field(
        default=0.35, gt=0, lt=1, description="share of surveys answered in time, while nothing is known of its program"
    )
    prior_cv: float = Field(default=0.6, gt=0, le=1, description="how far pairs differ from their program")
    answer_days: int = Field(
        default=7, ge=7, le=28, multiple_of=7, description="age in days at which a survey is judged"
    )
    weekday_profile: Week = Field(
        default=(1.0,) * 7,
        description="how busy each weekday is, Monday first, while nothing is known of its program; only ratios count",
    )
    lateness: Duration = Field(default=DAY_MS, description="how long the rule waits for facts under way")


@lru_cache(maxsize=256)
def _detector(params: PairSentimentSlowdownParams) -> RateParams:
    return RateParams(
        far_per_year=params.far_per_pair_year,
        prior_rate=params.prior_rate_per_pair_week,
        prior_response_rate=params.prior_response_rate,
        prior_cv=params.prior_cv,
        lateness_ms=params.lateness,
        high_after_ms=None,
        answer_days=params.answer_days,
        recover_on_submission=True,
        weekday_profile=params.weekday_profile,
        weekday_weight=None,
    )


class PairSentimentSlowdown(Rule):
    id = "pair.sentiment_slowdown"
    code = 4
    klass = "reactive"
    subject = "pair"
    closes = "a submission of the pair"
    suggests = ("reach_out", "rematch")
    Params = PairSentimentSlowdownParams
    rungs = (Rung(None, Severity.NOTICE),)
    reads = frozenset({f.RatingSubmitted, f.SentimentSubmitted, f.SurveySent})
    is_absence = True

    def update(
        self, view: View, subject: Subject, params: PairSentimentSlowdownParams, moment: Moment
    ) -> tuple[Event, ...]:
        pair = subject.record
        assert isinstance(pair, PairState)
        detector = _detector(params)
        stream = pair.sentiment
        if stream is not None and view.calendar.day_of(view.program.starts_ms) > stream.line.start_day:
            stream = pair.sentiment = None
        if stream is None:
            submitted = moment.touched.submission is not None
            if (
                not (submitted or moment.touched.survey_sent_ms is not None)
                or moment.ref is None
                or not pair.one_to_one
            ):
                return ()
            program = view.program.sentiment
            prior = None if program is None or program.surveys is not None else mean_rate(program, detector)
            at_ms = max(moment.ref.at_ms, view.program.starts_ms, view.observed_from_ms)
            stream = pair.sentiment = start(at_ms, 1, view.calendar, detector, prior)
        events = _follow_program(stream, view, detector, moment)
        return events + feed(stream, 1, view, detector, moment)

    def relearn(self, view: View, subject: Subject, params: PairSentimentSlowdownParams, moment: Moment) -> None:
        pair = subject.record
        assert isinstance(pair, PairState)
        if pair.sentiment is not None:
            relearn(pair.sentiment, moment.now_ms, view.calendar, _detector(params))

    def forget(self, view: View, subject: Subject) -> None:
        pair = subject.record
        assert isinstance(pair, PairState)
        pair.sentiment = None

    def rest(self, view: View, subject: Subject, params: PairSentimentSlowdownParams, moment: Moment) -> None:
        pair = subject.record
        assert isinstance(pair, PairState)
        if not pair.is_active:
            pair.sentiment = None
        elif pair.sentiment is not None:
            at_ms = moment.ref.at_ms if moment.ref is not None else moment.at_ms
            set_pairs(pair.sentiment, at_ms, 0, moment.now_ms, view.calendar, _detector(params))

    def judge(self, view: View, subject: Subject, params: PairSentimentSlowdownParams, moment: Moment) -> Verdict:
        pair = subject.record
        assert isinstance(pair, PairState)
        stream = pair.sentiment
        if stream is None:
            return NOTHING
        detector = _detector(params)
        look_ms = next_due_ms(stream, moment.now_ms, view.calendar, detector)
        if not stream.alarm_ms:
            return Verdict(closes=True, look_ms=look_ms)
        due_ms = alarm_due_ms(stream, detector)
        return Verdict(1, self.rungs[0].severity, look_ms=look_ms, origin=pair.matched, due_ms=due_ms)

    def explain(
        self, view: View, subject: Subject, params: PairSentimentSlowdownParams, moment: Moment, change: str, rung: int
    ) -> Account:
        pair = subject.record
        assert isinstance(pair, PairState)
        words, evidence = account(moment.events, moment.at_ms, pair.sentiment, view.calendar, _detector(params))
        said = f": {words}" if words else ""
        if change == "resolved":
            summary = f"Pair {subject.id} gives feedback again{said}."
        elif change == "expired":
            summary = f"Pair {subject.id}, which used to give feedback often, has stayed silent."
        else:
            summary = f"Pair {subject.id}, which used to give feedback often, has stopped{said}."
        return Account(
            summary,
            evidence,
            cause=cause_of_pair(view, pair, moment.at_ms, 28 * DAY_MS, negative=False),
            actions=reach_out_actions(pair, None),
            pair_ids=(subject.id,),
            participant_ids=tuple(member.id for member in pair.members),
        )


def _follow_program(stream: RateStream, view: View, params: RateParams, moment: Moment) -> tuple[Event, ...]:
    """At a submission of its own a pair takes over the weekday profile that its program has learned; never from
    submissions that came after what is still to be judged."""
    program = view.program.sentiment
    if moment.touched.submission is None or program is None or program.weekdays is None:
        return ()
    if program.line.at_ms > moment.now_ms - params.lateness_ms:
        return ()
    return tuple(follow(stream, program.weekdays.week, moment.now_ms, view.calendar, params))
