"""data.source_silent: one of the feeds has gone quiet, across all programs.

When a calendar integration stops, every pair looks as if it had stopped meeting. Before anybody is accused of that, the
people who run the feeds are told. The rule learns the habit of each of the four fact topics, its hours and weekdays
included, and speaks when a silence is longer than chance would make it once in ten years. From the last fact on, until
facts return, the clock of every absence rule stands still and their interventions are withheld.

Where the catalogue leaves room:
- It listens to what reaches one journal partition, because that is what the rules there know; so a broken feed is
  reported once per partition. Facts within an hour are one, and times are arrivals: a backlog that is delivered is no
  silence.
- It is armed once a topic has been heard for 4 weeks, with 30 facts of 3 programs in the last 4 weeks. With fewer
  programs a silent source and a silent program are the same thing.
- In shadow mode it stops no clock and withholds nothing.

Source: renewal e-detector (Shin, Ramdas, Rinaldo 2024) in the source's own week, see
    `streams.detectors.renewal.source`; one false alarm in ten years is our starting point.
"""

from collections.abc import Iterable
from functools import lru_cache

from pydantic import Field

from streams.clock import DAY_MS, FACT_TOPICS, HOUR_MS, MINUTE_MS
from streams.detectors.rate import Event
from streams.detectors.renewal import RenewalParams, check, source_due_ms, source_params, source_reading
from streams.rule import ABSENCE_RULES, NOTHING, Account, Moment, Rule, RuleParams, Rung, Severity, Subject, Verdict
from streams.state.episode import Evidence
from streams.state.program import ProgramState
from streams.state.record import Record
from streams.state.source import SourceState
from streams.state.table import source_key
from streams.view import View


class DataSourceSilentParams(RuleParams):
    far_per_year: float = Field(default=0.1, gt=0, le=12, description="tolerated false alarms per topic and year")


@lru_cache(maxsize=64)
def detector_of(params: DataSourceSilentParams) -> RenewalParams:
    """What the rule's parameters mean to its detector."""
    return source_params(params.far_per_year)


class DataSourceSilent(Rule):
    id = "data.source_silent"
    code = 29
    klass = "operations"
    subject = "program"
    closes = "facts arrive again"
    Params = DataSourceSilentParams
    rungs = (Rung(None, Severity.HIGH),)
    reads = frozenset()
    audience = "operators"
    keeps_audience = True
    inhibits = frozenset({ABSENCE_RULES})
    across = True
    opens_after_end = True

    def subjects(self, key: bytes, record: Record) -> Iterable[Subject]:
        assert isinstance(record, ProgramState)
        place = record.journal_partition
        return [Subject("program", key, record, f"*:{topic}/{place}", topic) for topic in FACT_TOPICS]

    def update(self, view: View, subject: Subject, params: DataSourceSilentParams, moment: Moment) -> tuple[Event, ...]:
        source = _source(view, subject)
        if source is not None and moment.now_ms >= 0:
            rhythm = source.stream.rhythm
            before = (rhythm.wait_ms, rhythm.exact, rhythm.alarm_ms, rhythm.worsened)
            check(source.stream, moment.now_ms, detector_of(params))
            if (rhythm.wait_ms, rhythm.exact, rhythm.alarm_ms, rhythm.worsened) != before:
                view.partition.table.touch(source_key(subject.member))
        return ()

    def forget(self, view: View, subject: Subject) -> None:
        if _source(view, subject) is not None:
            view.partition.table.delete(source_key(subject.member))

    def judge(self, view: View, subject: Subject, params: DataSourceSilentParams, moment: Moment) -> Verdict:
        source = _source(view, subject)
        if source is None:
            return NOTHING
        rhythm, detector = source.stream.rhythm, detector_of(params)
        look_ms = source_due_ms(source.stream, detector)
        if look_ms is not None:
            look_ms = -(-look_ms // MINUTE_MS) * MINUTE_MS
        if not rhythm.alarm_ms:
            return Verdict(closes=True, look_ms=look_ms)
        return Verdict(1, Severity.HIGH, look_ms=look_ms, due_ms=rhythm.alarm_ms)

    def explain(
        self, view: View, subject: Subject, params: DataSourceSilentParams, moment: Moment, change: str, rung: int
    ) -> Account:
        source, topic = _source(view, subject), subject.member
        if source is None or change in ("resolved", "retracted"):
            return Account(f"Facts of {topic} arrive again.")
        said = source_reading(source.stream, moment.at_ms, detector_of(params))
        last_ms = source.stream.rhythm.last_ms
        hours = (moment.at_ms - last_ms) // HOUR_MS
        facts = (
            Evidence("the last fact arrived", last_ms),
            Evidence("hours without a fact", moment.at_ms, value=hours),
            Evidence("by chance once in so many weeks", moment.at_ms, value=said.weeks, threshold=said.threshold_weeks),
        )
        span = f"{hours // 24} days" if hours * HOUR_MS >= 3 * DAY_MS else f"{hours} hours"
        return Account(f"No fact of {topic} has arrived for {span}, far longer than is usual for it.", facts)


def _source(view: View, subject: Subject) -> SourceState | None:
    record = view.partition.table.get(source_key(subject.member))
    assert record is None or isinstance(record, SourceState)
    return record
