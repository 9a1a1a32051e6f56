"""The metric catalogue: every number a worker shows, once, with its unit, its labels and who needs it.

Whatever names a metric (the worker, alert rules, dashboards, documents) is checked against this list, in both
directions. Units are base units. No label ever names a pair or a participant: the label names are `LABELS`, and a
metric that wants another one does not get it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

Kind = Literal["counter", "gauge", "histogram"]
Unit = Literal["", "seconds", "ratio", "hertz", "entries", "records"]
Need = Literal["coordinator", "rule owner", "operator", "developer"]
Label = Literal[
    "change",
    "channel",
    "endpoint",
    "partition",
    "polarity",
    "program",
    "reason",
    "rule",
    "ruleset",
    "scope",
    "severity",
    "state",
    "topic",
    "value",
    "version",
    "window",
]
LABELS: Final = frozenset(get_args(Label))

_BATCHES: Final = (1, 10, 100, 1_000, 10_000, 100_000)
_TINY_S: Final = (0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.01, 0.1, 1)
_SHORT_S: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_WAITING_S: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60, 300, 3_600)
_LONG_S: Final = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric family.

    Attributes:
        name: as scraped, without the suffixes that a histogram adds.
        unit: base unit, empty for a plain number.
        about: what it says, a sentence without its full stop.
        needs: who looks at it.
        buckets: upper bounds, for a histogram.
    """

    name: str
    kind: Kind
    about: str
    needs: Need
    labels: tuple[Label, ...] = ()
    unit: Unit = ""
    buckets: tuple[float, ...] = ()

    @property
    def is_of_program(self) -> bool:
        """Whether it has a series for every program, so that `EBB_PROGRAM_METRICS` switches it."""
        return "program" in self.labels

    @property
    def samples(self) -> tuple[str, ...]:
        """Names under which its samples are scraped."""
        if self.kind == "histogram":
            return (f"{self.name}_bucket", f"{self.name}_sum", f"{self.name}_count")
        return (self.name,)


def _counter(name: str, about: str, needs: Need, *labels: Label, unit: Unit = "") -> Metric:
    return Metric(name=f"ebb_{name}_total", kind="counter", about=about, needs=needs, labels=labels, unit=unit)


def _gauge(name: str, about: str, needs: Need, *labels: Label, unit: Unit = "") -> Metric:
    return Metric(name=f"ebb_{name}", kind="gauge", about=about, needs=needs, labels=labels, unit=unit)


def _histogram(name: str, about: str, needs: Need, unit: Unit, buckets: tuple[float, ...], *labels: Label) -> Metric:
    return Metric(
        name=f"ebb_{name}", kind="histogram", about=about, needs=needs, labels=labels, unit=unit, buckets=buckets
    )


# -- of a program: read from committed state, so that they go on where the last owner of the partition stopped

SUBMISSIONS = _counter(
    "sentiment_submissions",
    "Sentiment submitted, repeats left out",
    "coordinator",
    "program",
    "polarity",
)
RATINGS = _counter("ratings", "Ratings submitted, by their value from 1 to 5", "coordinator", "program", "value")
MEETINGS_HELD = _counter("meetings_held", "Meetings held", "coordinator", "program")
ACTIVE_PAIRS = _gauge("active_pairs", "Pairs that are active", "coordinator", "program")
PROGRAM_OPENED = _counter(
    "program_interventions", "Interventions opened in a program, of any rule", "coordinator", "program", "rule"
)
PROGRAM_OPEN = _gauge("open_interventions", "Interventions that are open now", "coordinator", "program", "rule")
SEEN = _gauge(
    "sentiment_seen_submissions",
    "Submissions (where surveys are recorded: surveys answered in time) over the last local days of the program, as "
    "far as the detector has come",
    "coordinator",
    "program",
    "window",
)
EXPECTED = _gauge(
    "sentiment_expected_submissions",
    "What the learned baseline and the calendar expect over the same days",
    "coordinator",
    "program",
    "window",
)
EXPECTED_RATE = _gauge(
    "sentiment_expected_hertz",
    "Submissions a second that the learned baseline expects of the pairs active now, outside breaks; absent where "
    "surveys are recorded",
    "coordinator",
    "program",
    unit="hertz",
)
BASELINE = _gauge(
    "sentiment_baseline_hertz",
    "Learned baseline: submissions a second of one active pair; absent where surveys are recorded",
    "rule owner",
    "program",
    unit="hertz",
)
ANSWERED = _gauge(
    "sentiment_answered_ratio",
    "Learned baseline where surveys are recorded: share of them that is answered in time",
    "rule owner",
    "program",
    unit="ratio",
)
DISPERSION = _gauge(
    "sentiment_dispersion_ratio",
    "Learned variance of weekly submissions over their mean; 1 is pure chance",
    "rule owner",
    "program",
    unit="ratio",
)
ALARM_LEVEL = _gauge(
    "sentiment_alarm_level_seconds",
    "Level of the detector: submissions as few as these come by chance once in this long",
    "coordinator",
    "program",
    unit="seconds",
)
ALARM_THRESHOLD = _gauge(
    "sentiment_alarm_threshold_seconds",
    "Level at which the detector raises its alarm",
    "rule owner",
    "program",
    unit="seconds",
)
ALARM = _gauge("sentiment_alarm", "1 while the detector's alarm is on", "coordinator", "program")
POSITIVE = _gauge(
    "sentiment_positive_ratio",
    "Share of answers that are positive (sentiment positive, rating 4 or 5) over the last 30 local days",
    "coordinator",
    "program",
    unit="ratio",
)
ANSWERS = _gauge(
    "sentiment_answers", "Answers behind the positive share, over the same 30 days", "coordinator", "program"
)

# -- what the engine of this process has done, counted at the commit

FACTS = _counter("facts", "Facts applied", "operator", "topic")
DUPLICATES = _counter(
    "duplicate_facts", "Facts recognised as repeats by their producer, and left out", "operator", "topic"
)
LATE = _counter(
    "late_facts",
    "Facts that arrived more than a day after they happened; applied all the same",
    "rule owner",
    "topic",
)
ERASED = _counter("erased_facts", "Facts dropped because they name an erased participant", "operator", "topic")
RULE_FAULTS = _counter(
    "rule_faults",
    "Exceptions in a rule or a fold: recorded, that rule skipped for that entry",
    "developer",
    "rule",
)
REPEATED_ENTRIES = _counter("repeated_entries", "Journal entries recognised as repeats by ingest", "operator")
ACTIVATIONS = _counter("ruleset_activations", "Rule-set activations read, once by each journal partition", "rule owner")
PROVISIONAL_DROPPED = _counter(
    "dropped_provisional_pairs", "Pairs dropped because nobody ever said what they are", "operator"
)
IGNORED_ACTIONS = _counter("ignored_actions", "Coordinators' actions that named nothing we know", "operator")
INTERVENTIONS = _counter("interventions", "Intervention records", "rule owner", "rule", "severity", "change")
WITHHELD = _counter(
    "withheld_interventions", "Intervention records written with delivery none", "rule owner", "rule", "reason"
)
LATENCY = _histogram(
    "intervention_latency_seconds",
    "Timestamp of the inbound record to acknowledged intervention, for rules that speak on a fact",
    "operator",
    "seconds",
    _WAITING_S,
)
STEP = _histogram("step_seconds", "One step of the engine; every 64th is timed", "developer", "seconds", _TINY_S)

# -- the partitions of this worker

PARTITIONS = _gauge("partitions", "Journal partitions of this worker, open or recovering", "operator", "state")
WITHOUT_CLOCK = _gauge(
    "partitions_without_clock",
    "Open partitions whose clock is undefined because a source has not reported yet",
    "operator",
)
LAG = _gauge("engine_lag_entries", "Journal entries not yet committed", "operator", "partition", unit="entries")
CLOCK_AGE = _gauge(
    "clock_age_seconds",
    "How far the engine's clock is behind the wall clock; absent while undefined, and where records are the clock",
    "operator",
    "partition",
    unit="seconds",
)
TIMERS = _gauge("timers", "Entries in the timer heap", "developer", "partition")
STATE_RECORDS = _gauge("state_records", "Records held in memory", "operator", "partition", unit="records")
RULESET = _gauge(
    "ruleset_info",
    "Always 1; the labels name the rule set in force and for whom",
    "rule owner",
    "partition",
    "scope",
    "ruleset",
)

# -- the host

COMMITS = _counter("commits", "Transactions committed", "operator")
COMMIT_SECONDS = _histogram(
    "commit_seconds", "First write of a transaction to the broker's yes", "operator", "seconds", _SHORT_S
)
COMMIT_ENTRIES = _histogram("commit_entries", "Journal entries in a transaction", "developer", "entries", _BATCHES)
STATE_ROWS = _counter("state_rows", "State rows written", "operator")
RECOVERY_SECONDS = _histogram("recovery_seconds", "Reading a partition's state back", "operator", "seconds", _LONG_S)
RECOVERED_ROWS = _counter("recovered_rows", "State rows read back", "operator")
FENCED = _counter("fenced", "Lanes that lost their partition to another worker", "operator")
HEALS = _counter("heals", "Times a lane sought back to the entry it needs", "developer", "reason")

# -- ingest

INGESTED = _counter("ingested_records", "Records that stand in the journal", "operator", "topic")
DEAD_LETTERS = _counter("dead_letters", "Records put into dead-letters", "operator", "topic", "reason")
REPEATED_RECORDS = _counter("repeated_records", "Records delivered again and left out", "operator", "topic")
SOURCE_PROGRESS = _gauge(
    "source_progress_timestamp_seconds",
    "How far in time a source has been read",
    "operator",
    "topic",
    "partition",
    unit="seconds",
)
INGEST_LAG = _gauge(
    "ingest_lag_records", "Records of a source not yet in the journal", "operator", "topic", "partition", unit="records"
)
SOURCE_STOPPED = _gauge(
    "source_stopped", "1 while a source waits for somebody to resume it", "operator", "topic", "partition"
)
UNIT_RECORDS = _histogram("ingest_unit_records", "Records forwarded at once", "developer", "records", _BATCHES)
UNIT_SECONDS = _histogram(
    "ingest_unit_seconds", "Writing of a unit to the broker's yes", "operator", "seconds", _SHORT_S
)

# -- the notifier, a process of its own

DELIVERIES = _counter(
    "deliveries", "Rows written to deliveries: decisions, attempts, outcomes", "operator", "channel", "state", "reason"
)
DELIVERY_DEAD_LETTERS = _counter(
    "delivery_dead_letters", "Deliveries given up for good; each is a dead letter", "operator", "channel"
)
DELIVERY_SECONDS = _histogram(
    "delivery_send_seconds", "One attempt to deliver", "operator", "seconds", _SHORT_S, "channel"
)
DELIVERY_UNKNOWN = _counter(
    "delivery_unknown_outcomes",
    "Attempts of which nobody knows whether they arrived; where a receiver keeps no ids, each may show twice",
    "operator",
    "channel",
)
DELIVERIES_WAITING = _gauge("deliveries_waiting", "Deliveries that wait", "operator", "channel")
ENDPOINT_RESTING = _gauge(
    "delivery_endpoint_resting",
    "1 while an endpoint is left alone because it failed several times in a row",
    "operator",
    "endpoint",
)
NOTIFIER_WORKING = _gauge("notifier_working", "1 for the notifier that works, 0 for one in reserve", "operator")
NOTIFIER_LAG = _gauge("notifier_lag_records", "Intervention records not decided on yet", "operator", unit="records")
NOTIFIER_REFUSED = _gauge(
    "notifier_recipients_refused", "1 while the recipients' file has a change that cannot be used", "operator"
)
NOTIFIER_OPEN = _gauge("notifier_open_interventions", "Interventions that are open or still to be told", "developer")

# -- the process

BUILD = _gauge("build_info", "Always 1; its label says which version runs", "operator", "version")

CATALOGUE: Final[tuple[Metric, ...]] = tuple(each for each in list(globals().values()) if isinstance(each, Metric))
BY_NAME: Final = {metric.name: metric for metric in CATALOGUE}
OF_PROGRAM: Final = tuple(metric for metric in CATALOGUE if metric.is_of_program)
#: Shown by the notifier; everything else by the worker.
OF_NOTIFIER: Final = (
    DELIVERIES,
    DELIVERY_DEAD_LETTERS,
    DELIVERY_SECONDS,
    DELIVERY_UNKNOWN,
    DELIVERIES_WAITING,
    ENDPOINT_RESTING,
    NOTIFIER_WORKING,
    NOTIFIER_LAG,
    NOTIFIER_REFUSED,
    NOTIFIER_OPEN,
)
