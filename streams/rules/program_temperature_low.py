"""program.temperature_low: the tone of a program's feedback is low, or lower than it used to be.

Sentiment is a temperature check: single answers say little, their share says how a program feels. Two things are asked.
Is the tone low by itself: fewer than 70 % of the answers of the last 30 days positive, or a mean rating below 4? And is
it low for this program: did the share of positive answers fall below what is usual here by more than chance would do
once in two years (share detector)? Either speaks, with the share by role as evidence, because mentors and mentees often
differ. It ends when both share and mean have been good for a week.

Where the catalogue leaves room:
- A rating and a sentiment that answer one survey are one answer; the first of the two counts. Every rating counts for
  the mean.
- Both questions are asked of whole local days, each once it is over and `lateness` has passed: the window is the last
  30 of these. So it does not matter in which order answers arrive, and half of a wave of answers is not taken for all
  of it. What arrives later than that counts at once, and may retract.
- With fewer than `min_n` answers the share is not judged, with fewer than `min_n` ratings the mean is not; what is not
  judged changes nothing. A program without ratings ends on its share alone.
- The week that ends it begins after the opening.

Source: a positive share of 70 % and a mean of 4 of 5 are the marks that mentoring platforms advise their coordinators
    to hold a program to; the detector is the betting e-detector of Shin, Ramdas and Rinaldo (2024), see
    `streams.detectors.share`; one false alarm of it in two program-years is our starting point.
"""

from functools import lru_cache
from typing import NamedTuple

from pydantic import Field

import schemas.facts as f
from streams.clock import DAY_MS
from streams.detectors.rate import Event
from streams.detectors.share import (
    ShareParams,
    advance,
    begin_earlier,
    next_due_ms,
    reading,
    relearn,
    reset,
    start,
    submit,
)
from streams.rule import Account, Action, Duration, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.state.episode import Evidence, Phase
from streams.state.program import ProgramState
from streams.view import View

#: by the name of the tally: who answered
_ROLES = (("1", "of mentors"), ("2", "of mentees"), ("0", "of people in both roles or neither"))
GOOD = 4


class ProgramTemperatureLowParams(RuleParams):
    window: Duration = Field(
        default=30 * DAY_MS, ge=7 * DAY_MS, le=60 * DAY_MS, description="how long an answer counts; whole days"
    )
    share: float = Field(default=0.70, gt=0, lt=1, description="a smaller share of positive answers is low")
    recover_share: float = Field(default=0.75, gt=0, lt=1, description="at least this share of them is good")
    mean: float = Field(default=4.0, gt=1, le=5, description="a smaller mean rating, of 5, is low")
    min_n: int = Field(default=10, ge=1, le=1_000, description="fewer answers, or ratings, are not judged")
    recover_for: Duration = Field(default=7 * DAY_MS, ge=DAY_MS, description="good for this long it is over")
    far_per_year: float = Field(default=0.5, gt=0, le=12, description="tolerated false alarms of the detector")
    lateness: Duration = Field(
        default=DAY_MS, description="how long after its end a day is judged, so that facts under way count"
    )


@lru_cache(maxsize=256)
def _detector(params: ProgramTemperatureLowParams) -> ShareParams:
    return ShareParams(far_per_year=params.far_per_year, lateness_ms=params.lateness)


class _Tone(NamedTuple):
    """Answers, positive ones, ratings and their sum in the window."""

    answers: int
    positive: int
    ratings: int
    total: int

    @property
    def share(self) -> float:
        return self.positive / self.answers if self.answers else 0.0

    @property
    def mean(self) -> float:
        return self.total / self.ratings if self.ratings else 0.0


class ProgramTemperatureLow(Rule):
    id = "program.temperature_low"
    code = 18
    klass = "program"
    subject = "program"
    closes = "a share of at least `recover_share` and a mean of at least `mean` for `recover_for`"
    suggests = ("broadcast_check_in", "send_probe")
    Params = ProgramTemperatureLowParams
    rungs = (Rung(None, Severity.WARNING),)
    reads = frozenset({f.RatingSubmitted, f.SentimentSubmitted})

    def update(
        self, view: View, subject: Subject, params: ProgramTemperatureLowParams, moment: Moment
    ) -> tuple[Event, ...]:
        program = subject.record
        assert isinstance(program, ProgramState)
        detector, calendar = _detector(params), view.calendar
        now_ms = max(moment.now_ms, 0)
        submission = moment.touched.submission
        if submission is not None:
            if program.tone is None:
                program.tone = start(submission.at_ms, calendar, detector)
            begin_earlier(program.tone, submission.at_ms, calendar)
        if program.tone is not None:
            if submission is not None and not submission.again:
                submit(program.tone, float(_is_positive(moment.fact)), submission.at_ms, now_ms, calendar, detector)
            else:
                advance(program.tone, now_ms, calendar, detector)
        judged_day = _judged_day(view, params, moment)
        if submission is not None and calendar.day_of(submission.at_ms) > judged_day:
            return ()  # it counts when its day is judged
        is_good = _is_good(_tone(view, params, judged_day), params)
        if is_good is not None:
            program.tone_good_ms = (program.tone_good_ms or now_ms) if is_good else 0
        if program.tone is not None and _has_recovered(program, params, now_ms, self.code):
            reset(program.tone)
        return ()

    def relearn(self, view: View, subject: Subject, params: ProgramTemperatureLowParams, moment: Moment) -> None:
        program = subject.record
        assert isinstance(program, ProgramState)
        if program.tone is not None:
            relearn(program.tone, max(moment.now_ms, 0), view.calendar, _detector(params))

    def forget(self, view: View, subject: Subject) -> None:
        program = subject.record
        assert isinstance(program, ProgramState)
        program.tone, program.tone_good_ms = None, 0

    def judge(self, view: View, subject: Subject, params: ProgramTemperatureLowParams, moment: Moment) -> Verdict:
        program = subject.record
        assert isinstance(program, ProgramState)
        calendar, judged_day = view.calendar, _judged_day(view, params, moment)
        looks = [_next_change_ms(view, params, judged_day)]
        if program.tone is not None:
            looks.append(next_due_ms(program.tone, calendar, _detector(params)))
        episode = program.episode(self.code)
        if episode is not None and episode.is_open and program.tone_good_ms:
            looks.append(max(program.tone_good_ms, episode.opened_ms) + params.recover_for)
        look_ms = min((each for each in looks if each is not None and each > moment.now_ms), default=None)
        tone = _tone(view, params, judged_day)
        fell = program.tone is not None and program.tone.alarm_ms > 0
        is_low = _is_low(tone, params)
        if is_low or fell:
            by_fact = moment.fact is not None
            return Verdict(
                1,
                Severity.WARNING,
                look_ms=look_ms,
                origin=moment.ref if by_fact else program.started,
                due_ms=None if by_fact else moment.at_ms,
            )
        closes = _has_recovered(program, params, moment.now_ms, self.code)
        if is_low is None and episode is not None and episode.phase in (Phase.HELD, Phase.SILENT):
            return Verdict(1, Severity.WARNING, look_ms=look_ms)  # not known to have been false
        fact_ms = moment.ref.at_ms if moment.ref is not None else None
        if not closes and episode is not None and episode.is_open and fact_ms is not None:
            counted_then = calendar.day_of(fact_ms) < calendar.day_of(episode.opened_ms - params.lateness)
            closes = counted_then and bool(_is_low(_without(tone, moment), params))
        return Verdict(closes=closes, closed_by_ms=fact_ms, look_ms=look_ms)

    def explain(
        self, view: View, subject: Subject, params: ProgramTemperatureLowParams, moment: Moment, change: str, rung: int
    ) -> Account:
        program = subject.record
        assert isinstance(program, ProgramState)
        judged_day = _judged_day(view, params, moment)
        tone = _tone(view, params, judged_day)
        days = params.window // DAY_MS
        facts: list[Evidence] = []
        said: list[str] = []
        if tone.answers:
            facts.append(
                Evidence(f"share of positive answers, of {tone.answers}", moment.at_ms, value=round(tone.share, 6),
                         threshold=params.share, window_days=days)
            )  # fmt: skip
            said.append(f"{100 * tone.share:.0f} % of {tone.answers} answers are positive")
        if tone.ratings:
            facts.append(
                Evidence(f"mean of {tone.ratings} ratings, of 5", moment.at_ms, value=round(tone.mean, 6),
                         threshold=params.mean, window_days=days)
            )  # fmt: skip
            said.append(f"the mean of {tone.ratings} ratings is {tone.mean:.2f}")
        for name, words in _ROLES:
            theirs = _tone(view, params, judged_day, (name,))
            if theirs.answers >= params.min_n and change in ("opened", "escalated"):
                facts.append(
                    Evidence(f"share of positive answers {words}, of {theirs.answers}", moment.at_ms,
                             value=round(theirs.share, 6), threshold=params.share, window_days=days)
                )  # fmt: skip
        if program.tone is not None and program.tone.alarm_ms and change == "opened":
            usual = reading(program.tone, moment.at_ms, view.calendar)
            if usual.mean is not None:
                facts.append(
                    Evidence("share of positive answers, beside the usual one", moment.at_ms, value=usual.mean,
                             threshold=usual.usual, window_days=usual.days)
                )  # fmt: skip
        about = f" in {days} days: {' and '.join(said)}" if said else ""
        if change in ("resolved", "retracted"):
            summary = f"The tone in program {subject.id} is good{about}."
        else:
            summary = f"The tone in program {subject.id} is low{about}."
        return Account(summary, tuple(facts), actions=(Action("broadcast_check_in"), Action("send_probe")))


def _is_positive(fact: f.RatingSubmitted | f.SentimentSubmitted) -> bool:
    return fact.rating >= GOOD if isinstance(fact, f.RatingSubmitted) else fact.polarity == "positive"


def _judged_day(view: View, params: ProgramTemperatureLowParams, moment: Moment) -> int:
    """The newest local day that is judged: it is over, and the lateness has passed."""
    return view.calendar.day_of(max(moment.now_ms - params.lateness, 0)) - 1


def _tone(
    view: View, params: ProgramTemperatureLowParams, judged_day: int, roles: tuple[str, ...] = ("1", "2", "0")
) -> _Tone:
    """Sums over the window that ends with a day."""
    sums = [0, 0, 0, 0]
    for role in roles:
        tally = view.tally(f"tone/{role}")
        if tally is not None:
            theirs = tally.totals(judged_day + 1 - params.window // DAY_MS, judged_day + 1)
            sums = [left + right for left, right in zip(sums, theirs, strict=True)]
    return _Tone(*sums)


def _next_change_ms(view: View, params: ProgramTemperatureLowParams, judged_day: int) -> int | None:
    """When the sums change by the clock alone: a day with answers is judged, or the oldest leaves the window."""
    days, found = params.window // DAY_MS, list[int]()
    for role, _ in _ROLES:
        tally = view.tally(f"tone/{role}")
        if tally is not None:
            leaving, coming = tally.oldest(judged_day + 1 - days), tally.oldest(judged_day + 1)
            found += [] if leaving is None or leaving > judged_day else [leaving + days]
            found += [] if coming is None else [coming]
    return view.calendar.day_start(min(found) + 1) + params.lateness if found else None


def _is_low(tone: _Tone, params: ProgramTemperatureLowParams) -> bool | None:
    """None when there is too little of either to judge."""
    if tone.answers >= params.min_n and tone.positive < params.share * tone.answers:
        return True
    if tone.ratings >= params.min_n and tone.total < params.mean * tone.ratings:
        return True
    return False if tone.answers >= params.min_n else None


def _is_good(tone: _Tone, params: ProgramTemperatureLowParams) -> bool | None:
    """Whether the tone is as it must be for a while to end it; None when there is too little to judge."""
    if tone.answers < params.min_n:
        return None
    mean_is_good = tone.ratings < params.min_n or tone.total >= params.mean * tone.ratings
    return mean_is_good and tone.positive >= params.recover_share * tone.answers


def _has_recovered(program: ProgramState, params: ProgramTemperatureLowParams, at_ms: int, code: int) -> bool:
    episode = program.open_episode(code)
    if episode is None or not program.tone_good_ms:
        return False
    return at_ms >= max(program.tone_good_ms, episode.opened_ms) + params.recover_for


def _without(tone: _Tone, moment: Moment) -> _Tone:
    """The sums as they were before the answer at hand."""
    submission, fact = moment.touched.submission, moment.fact
    if submission is None:
        return tone
    counts = int(not submission.again)
    value = fact.rating if isinstance(fact, f.RatingSubmitted) else 0
    return _Tone(
        tone.answers - counts,
        tone.positive - counts * int(_is_positive(fact)),
        tone.ratings - int(value > 0),
        tone.total - value,
    )
