"""program.sentiment_slowdown: the steady inflow of feedback in a program has slowed down.

Feedback dries up before people leave. The rule learns how much feedback this program gives, per active pair or per
survey sent, and speaks when what arrives falls below that by more than chance would do once in two years, whatever
the program's size. It takes breaks and the weekly rhythm into account, waits `lateness` for facts under way, and
keeps still during the program's last two weeks. After four weeks of normal inflow since the alarm it says that it is
over. A drop by a quarter takes months to be told from chance in a small program, with any method.

Where the catalogue leaves room: the detector starts when the run starts or the first pair is active, whichever is
later, and never before observation began; a program whose `starts_at` moves on begins anew.

Source: mixture Shiryaev-Roberts e-detector (Shiryaev 1963; Pollak and Tartakovsky 2009; Shin, Ramdas, Rinaldo 2024),
    see `streams.detectors.rate`. One false alarm in two program-years is our starting point.
"""

from functools import lru_cache

from pydantic import Field

import schemas.facts as f
from streams.clock import DAY_MS
from streams.detectors.rate import Event, RateParams, next_due_ms, relearn, start
from streams.rule import (
    NOTHING,
    Account,
    Action,
    Duration,
    Moment,
    Rule,
    RuleParams,
    Rung,
    Severity,
    Subject,
    Verdict,
    Week,
)
from streams.slowdown import account, alarm_due_ms, feed
from streams.state.program import ProgramState
from streams.view import View


class ProgramSentimentSlowdownParams(RuleParams):
    far_per_year: float = Field(default=0.5, gt=0, le=12, description="tolerated false alarms per program and year")
    prior_rate_per_pair_week: float = Field(
        default=0.1, gt=0, le=7, description="submissions of an active pair in a week, before anything is known"
    )
    prior_response_rate: float = Field(
        default=0.35, gt=0, lt=1, description="share of surveys answered in time, before anything is known"
    )
    prior_cv: float = Field(default=0.6, gt=0, le=1, description="how far programs differ from the prior")
    answer_days: int = Field(
        default=7, ge=7, le=28, multiple_of=7, description="age in days at which a survey is judged"
    )
    weekday_profile: Week = Field(
        default=(1.0,) * 7,
        description="how busy each weekday is, Monday first, before anything is known; only ratios count",
    )
    weekday_weight: float = Field(
        default=14.0, gt=0, le=1_000_000, description="how many submissions the weekday profile is worth"
    )
    lateness: Duration = Field(default=DAY_MS, description="how long the rule waits for facts under way")
    high_after: Duration = Field(default=14 * DAY_MS, description="how long after the alarm it becomes high")
    recover_weeks: int = Field(default=4, ge=1, le=8, description="weeks of normal inflow that end it")


@lru_cache(maxsize=256)
def detector_of(params: ProgramSentimentSlowdownParams) -> RateParams:
    """What the rule's parameters mean to its detector."""
    return RateParams(
        far_per_year=params.far_per_year,
        prior_rate=params.prior_rate_per_pair_week,
        prior_response_rate=params.prior_response_rate,
        prior_cv=params.prior_cv,
        lateness_ms=params.lateness,
        recover_weeks=params.recover_weeks,
        weekday_profile=params.weekday_profile,
        weekday_weight=params.weekday_weight,
        high_after_ms=params.high_after,
        answer_days=params.answer_days,
    )


class ProgramSentimentSlowdown(Rule):
    id = "program.sentiment_slowdown"
    code = 3
    klass = "program"
    subject = "program"
    closes = "`recover_weeks` weeks of normal inflow, all after the alarm"
    suggests = ("broadcast_check_in", "send_probe")
    Params = ProgramSentimentSlowdownParams
    rungs = (Rung(None, Severity.WARNING), Rung(None, Severity.HIGH))
    reads = frozenset({
        f.RatingSubmitted, f.SentimentSubmitted, f.SurveySent,
        f.PairChanged, f.PairDeleted, f.ProgramChanged, f.ProgramEnded,
    })  # fmt: skip
    is_absence = True

    def update(
        self, view: View, subject: Subject, params: ProgramSentimentSlowdownParams, moment: Moment
    ) -> tuple[Event, ...]:
        program = subject.record
        assert isinstance(program, ProgramState)
        detector = detector_of(params)
        stream = program.sentiment
        if stream is None or program.starts_ms > program.sentiment_since_ms:
            # What a former run left is not kept until the next one has pairs: nobody would move its time on.
            program.sentiment = None
            if not program.active_pairs:
                return ()
            at_ms = moment.ref.at_ms if moment.ref is not None else moment.at_ms
            at_ms = max(at_ms, program.starts_ms, view.observed_from_ms)
            stream = program.sentiment = start(at_ms, program.active_pairs, view.calendar, detector)
            program.sentiment_since_ms = at_ms
        return feed(stream, program.active_pairs, view, detector, moment)

    def relearn(self, view: View, subject: Subject, params: ProgramSentimentSlowdownParams, moment: Moment) -> None:
        program = subject.record
        assert isinstance(program, ProgramState)
        if program.sentiment is not None:
            relearn(program.sentiment, moment.now_ms, view.calendar, detector_of(params))

    def forget(self, view: View, subject: Subject) -> None:
        program = subject.record
        assert isinstance(program, ProgramState)
        program.sentiment, program.sentiment_since_ms = None, 0

    def judge(self, view: View, subject: Subject, params: ProgramSentimentSlowdownParams, moment: Moment) -> Verdict:
        program = subject.record
        assert isinstance(program, ProgramState)
        stream = program.sentiment
        if stream is None:
            return NOTHING
        detector = detector_of(params)
        look_ms = next_due_ms(stream, moment.now_ms, view.calendar, detector)
        if not stream.alarm_ms:
            return Verdict(closes=True, look_ms=look_ms)
        rung = 2 if stream.worsened else 1
        due_ms = alarm_due_ms(stream, detector)
        return Verdict(rung, self.rungs[rung - 1].severity, look_ms=look_ms, due_ms=due_ms)

    def explain(
        self,
        view: View,
        subject: Subject,
        params: ProgramSentimentSlowdownParams,
        moment: Moment,
        change: str,
        rung: int,
    ) -> Account:
        program = subject.record
        assert isinstance(program, ProgramState)
        words, evidence = account(moment.events, moment.at_ms, program.sentiment, view.calendar, detector_of(params))
        said = f": {words}" if words else ""
        if change == "resolved":
            summary = f"Feedback in program {subject.id} is back at its baseline{said}."
        elif change == "expired":
            summary = f"Feedback in program {subject.id} has stayed below its baseline."
        else:
            summary = f"Feedback in program {subject.id} has fallen below its baseline{said}."
        return Account(summary, evidence, actions=(Action("broadcast_check_in"), Action("send_probe")))
