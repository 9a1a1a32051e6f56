"""program.rating_below_target: people rate their matches lower, on average, than this program wants.

One low rating is a matter of one pair (`rating.low`). A low mean of the match quality surveys is a matter of the
program: how people are matched, prepared and asked. So the rule speaks of the whole program, only when enough people
have answered to mean something, and goes on until the mean is clearly above the target again, so that it does not flap.

Where the catalogue leaves room:
- The window goes by local days: a rating counts on its own day and for as many days after it as the window has.
- With fewer than `min_n` ratings in the window nothing is known, so nothing changes: neither opened nor closed.
- A rating from before the opening that is noted after it, and without which the mean would not have been below the
  target, retracts.

Source: a mean of 4 of 5 in match quality surveys as the mark of a healthy program is the advice that mentoring
    platforms give their coordinators; 60 days hold two waves of surveys; at least 5 ratings and the 4.1 that end it are
    our starting point.
"""

from pydantic import Field

import schemas.facts as f
from streams.clock import DAY_MS
from streams.rule import Account, Action, Duration, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.rule import evidence as evidence_of
from streams.state.episode import Evidence, Phase
from streams.view import View


class ProgramRatingBelowTargetParams(RuleParams):
    window: Duration = Field(
        default=60 * DAY_MS, ge=7 * DAY_MS, le=120 * DAY_MS, description="how long a rating counts; whole days"
    )
    target: float = Field(default=4.0, gt=1, le=5, description="a mean below this, of 5, is too low")
    recover: float = Field(default=4.1, gt=1, le=5, description="a mean of at least this ends it")
    min_n: int = Field(default=5, ge=1, le=1_000, description="with fewer ratings nothing is said")


class ProgramRatingBelowTarget(Rule):
    id = "program.rating_below_target"
    code = 17
    klass = "program"
    subject = "program"
    closes = "a mean of at least `recover`"
    suggests = ("broadcast_check_in", "send_probe")
    Params = ProgramRatingBelowTargetParams
    rungs = (Rung(None, Severity.WARNING),)
    reads = frozenset({f.RatingSubmitted})

    def judge(self, view: View, subject: Subject, params: ProgramRatingBelowTargetParams, moment: Moment) -> Verdict:
        count, total, look_ms = _ratings(view, params, moment.at_ms)
        episode = subject.record.episode(self.code)
        if count < params.min_n:
            # Unknown is neither true nor false: an episode that waits for the condition to be false goes on waiting.
            waits = episode is not None and episode.phase in (Phase.HELD, Phase.SILENT)
            return Verdict(int(waits), Severity.WARNING if waits else Severity.INFO, look_ms=look_ms)
        if total < params.target * count:
            rated = _is_mqs(moment)
            return Verdict(
                1,
                Severity.WARNING,
                look_ms=look_ms,
                origin=moment.ref if rated else None,
                due_ms=None if rated else moment.at_ms,
            )
        at_ms = moment.ref.at_ms if moment.ref is not None else None
        closes = total >= params.recover * count
        if not closes and episode is not None and at_ms is not None and _is_mqs(moment) and at_ms < episode.opened_ms:
            closes = total - moment.fact.rating < params.target * (count - 1)
        return Verdict(closes=closes, closed_by_ms=at_ms, look_ms=look_ms)

    def explain(
        self,
        view: View,
        subject: Subject,
        params: ProgramRatingBelowTargetParams,
        moment: Moment,
        change: str,
        rung: int,
    ) -> Account:
        count, total, _ = _ratings(view, params, moment.at_ms)
        days = params.window // DAY_MS
        mean = total / count if count else 0.0
        facts = [
            Evidence("ratings in match quality surveys", moment.at_ms, value=count, threshold=params.min_n,
                     window_days=days),
            Evidence("their mean, of 5", moment.at_ms, value=round(mean, 6), threshold=params.target, window_days=days),
        ]  # fmt: skip
        if _is_mqs(moment) and moment.ref is not None:
            facts.insert(0, evidence_of("a match quality rating arrived", moment.ref, value=moment.fact.rating))
        about = f"{mean:.2f} of 5 in {count} ratings of the last {days} days"
        if change in ("resolved", "retracted"):
            summary = f"Matches in program {subject.id} are rated as they should be: {about}."
        elif change == "expired":
            summary = f"Matches in program {subject.id} have stayed below the target of {params.target:g}: {about}."
        else:
            summary = f"Matches in program {subject.id} are rated below the target of {params.target:g}: {about}."
        return Account(summary, tuple(facts), actions=(Action("broadcast_check_in"), Action("send_probe")))


def _is_mqs(moment: Moment) -> bool:
    return isinstance(moment.fact, f.RatingSubmitted) and moment.fact.kind == "mqs"


def _ratings(view: View, params: ProgramRatingBelowTargetParams, at_ms: int) -> tuple[int, int, int | None]:
    """How many ratings the window holds, their sum, and when the oldest of them leaves it."""
    tally = view.tally("mqs")
    if tally is None:
        return 0, 0, None
    calendar = view.calendar
    today, days = calendar.day_of(at_ms), params.window // DAY_MS
    count, total = tally.totals(today - days, today + 1)
    oldest = next(iter(tally.days(today - days, today + 1)), None)
    return count, total, None if oldest is None else calendar.day_start(oldest + days + 1)
